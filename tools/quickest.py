"""Names each chapter's quickest notebook, by the seconds that are stored in it: one a chapter is a quick check of
all."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def quickest(root: Path) -> list[str]:
    """The path of one notebook a chapter, relative to ``root``."""
    found = []
    for chapter in sorted((root / "chapters").glob("[0-9]*")):
        notebooks = [(json.loads(path.read_text("utf-8")), path) for path in sorted(chapter.glob("*.ipynb"))]
        timed = [
            (book["metadata"]["repgen"]["seconds"], path) for book, path in notebooks if "repgen" in book["metadata"]
        ]
        if timed:
            found.append(min(timed)[1].relative_to(root).as_posix())
    return found


if __name__ == "__main__":
    print("\n".join(quickest(ROOT)))
