"""The repository's address: written in `_config.yml` (repository: url), repeated where it has to be.

`make address URL=https://github.com/you/fork` writes another one everywhere, the setup cells of the notebooks included,
whose outputs stay as they are. `python tools/address.py --check` lists the places that differ.
"""

import os
import re
import sys
from pathlib import Path

import nbformat
import yaml
from publish import ROOT, seal, write

SHAPE = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+)")
TEXT = {".md", ".toml", ".yml", ".cff", ".py", ".ipynb"}
SKIP = {"_build", "assignments", "build", "course", "node_modules"}  # built from the rest, or not the book's
SETUP = """\
# Setup: where repgen is missing (Colab), this installs it and leaves torch as it is; elsewhere it does nothing.
import importlib.util

if importlib.util.find_spec("repgen") is None:
    %pip install -q "repgen @ git+{url}"
"""


def current(root=ROOT):
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


def setup_cell(url):
    """How the first code cell of every notebook begins."""
    return SETUP.format(url=url)


def pages_url(url):
    """Where GitHub Pages shows the book of a repository."""
    owner, name = SHAPE.fullmatch(url).groups()
    return f"https://{owner.lower()}.github.io/{name}/"


def files(root):
    """All files in which the address may stand, notebooks included."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIP and (name[0] != "." or name == ".github"))
        yield from (Path(folder, name) for name in sorted(names) if Path(name).suffix in TEXT)


def problems(root=ROOT):
    """The places that do not agree with `_config.yml`, in words."""
    url = current(root)
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    found = []
    if config["html"]["baseurl"] != pages_url(url):
        found.append(f"_config.yml: baseurl is {config['html']['baseurl']}, not {pages_url(url)}")
    for name in ("README.md", "CITATION.cff", "pyproject.toml"):
        if url not in (root / name).read_text(encoding="utf-8"):
            found.append(f"{name}: does not name {url}")
    for path in files(root):
        for other in set(re.findall(r"git\+(https://[^\s\"'\\)@]+)", path.read_text(encoding="utf-8"))) - {
            url,
            "{url}",
        }:
            found.append(f"{path.relative_to(root)}: installs from {other}")
    return found


def replaced(text, old, new):
    return text.replace(pages_url(old), pages_url(new)).replace(old, new)


def rewrite(path, old, new):
    """Writes the new address into one file; returns whether anything changed. Outputs and their seal stay valid."""
    if path.suffix != ".ipynb":
        text = path.read_text(encoding="utf-8")
        changed = replaced(text, old, new)
        if changed != text:
            path.write_text(changed, encoding="utf-8")
        return changed != text
    notebook = nbformat.read(path, as_version=4)
    before = [cell.source for cell in notebook.cells]
    record = notebook.metadata.get("repgen")
    if record and record["seal"] != seal(notebook):
        sys.exit(
            f"{path}: its outputs were changed by hand (the seal is broken); run `make notebooks ONLY={path}` first"
        )
    for cell in notebook.cells:
        cell.source = replaced(cell.source, old, new)
    if before == [cell.source for cell in notebook.cells]:
        return False
    if record:
        record["seal"] = seal(notebook)
    write(notebook, path)
    return True


def main(arguments):
    if arguments == ["--check"]:
        found = problems()
        print("\n".join(found) or f"The address is {current()} everywhere.")
        return len(found) > 0
    if len(arguments) != 1:
        sys.exit(__doc__)
    new = arguments[0].rstrip("/").removesuffix(".git")
    if not SHAPE.fullmatch(new):
        sys.exit(f"{arguments[0]} is not the address of a repository; it has to look like https://github.com/you/fork")
    old = current()
    paths = sorted(files(ROOT), key=lambda path: path.name == "_config.yml")  # last: until then the old one is known
    changed = [path.relative_to(ROOT) for path in paths if rewrite(path, old, new)]
    print(f"{old} -> {new}")
    print("\n".join(map(str, changed)) or "Nothing had to be changed.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
