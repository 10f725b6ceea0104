"""Names the notebooks that run no differently where no data set can be had, so need not run there once more.

    python tools/without_data.py

prints `--ignore=PATH` for each that does not name a data set which is downloaded.
"""

import re
from pathlib import Path

import nbformat

from repgen import datasets

ROOT = Path(__file__).resolve().parent.parent
FILES = [row.name for row in datasets.status() if row.state not in ("bundled", "generated")]
# A recipe loads its data itself, and a name may be a variable's.
USED = re.compile("|".join([*FILES, "recipe", r"load(?:_data|_pretrained)?\((?!\")"]))


def indifferent(path: Path) -> bool:
    """Whether no code of the notebook names a data set that is downloaded."""
    cells = nbformat.read(path, as_version=4).cells
    return not any(USED.search(cell.source) for cell in cells if cell.cell_type == "code")


if __name__ == "__main__":
    for path in sorted((ROOT / "chapters").glob("*/*.ipynb")):
        if indifferent(path):
            print(f"--ignore={path.relative_to(ROOT)}")
