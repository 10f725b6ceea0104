"""Files that are written whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, save: Callable[[BinaryIO], object]) -> None:
    """Calls save(file) on a sibling of path, then puts it in path's place in one step.

    A reader, or a run killed at any moment, finds the old file or the new one, never a part.
    """
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            save(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
