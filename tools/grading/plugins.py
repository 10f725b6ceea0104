"""What this book adds to nbgrader: expected figures, a sandbox, and platforms' file names. Used by
nbgrader_config.py."""

import base64
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml
from nbgrader.converters.base import NbGraderException
from nbgrader.plugins import FileNameCollectorPlugin
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
LINK = re.compile(r"\]\(\.\./\.\./([\w/.-]+)\.(?:ipynb|md)\)")  # from an assignment to another page of the book


class StudentCopy(NbGraderPreprocessor):
    """Makes the student's version stand alone: expected figures inside, links to the published book.

    The figure that the solution draws is shown, folded, above the cell that will draw the student's.
    """

    def preprocess(self, notebook, resources):
        for record in ("repgen", "widgets"):
            notebook.metadata.pop(record, None)
        book = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]["baseurl"].rstrip("/")
        cells = []
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = LINK.sub(rf"]({book}/chapters/\1.html)", cell.source)
            if "expected-figure" in cell.metadata.get("tags", []):
                picture = next((o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})), None)
                if picture is None:
                    raise NbGraderException(
                        f"no stored figure in cell {cell.id}: run the notebook first (make notebooks)"
                    )
                cells.append(self.expected(cell, picture))
            cells.append(cell)
        notebook.cells = cells
        return notebook, resources

    @staticmethod
    def expected(cell, picture):
        image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
        image.thumbnail((720, 720))
        small = io.BytesIO()
        image.quantize(64).save(small, "PNG", optimize=True)
        data = base64.b64encode(small.getvalue()).decode()
        caption = cell.metadata.mystnb.figure.caption
        alt = cell.metadata.mystnb.image.alt
        picture = f"![{alt}](data:image/png;base64,{data})"
        text = f"<details>\n<summary>The figure that you should see</summary>\n\n{picture}\n\n{caption}\n\n</details>"
        return nbformat.v4.new_markdown_cell(text, id=f"{cell.id}-expected"[:64])


def sandbox(name):
    """The command under which students' code runs, by its name: `docker`, or `bwrap` (bubblewrap, on Linux)."""
    python = [sys.executable, str(ROOT / "tools" / "grading" / "run_notebook.py")]
    data = os.environ.get("REPGEN_DATA")
    if name == "docker":
        mount = ["--volume", f"{Path(data).resolve()}:/data:ro", "--env", "REPGEN_DATA=/data"] if data else []
        return [
            "docker",
            "run",
            "--pull",
            "never",
            "--rm",
            "--interactive",
            "--network",
            "none",
            "--read-only",
            "--tmpfs",
            "/tmp:size=256m",
            "--memory",
            "2g",
            "--memory-swap",
            "2g",
            "--cpus",
            "2",
            "--pids-limit",
            "256",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            *mount,
            "repgen-grading",
        ]
    if name == "bwrap":
        read_only = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/fonts"]
        read_only += [sys.prefix, sys.base_prefix, str(ROOT / "repgen"), str(ROOT / "tools" / "grading")]
        mount = [part for path in read_only if os.path.exists(path) for part in ("--ro-bind", path, path)]
        mount += ["--ro-bind", str(Path(data).resolve()), "/data"] if data else []
        settings = {"HOME": "/tmp", "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        settings |= {"REPGEN_DATA": "/data"} if data else {}
        return [
            "prlimit",
            "--as=12000000000",
            "--nproc=512",
            "--fsize=256000000",
            "--",
            "bwrap",
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--clearenv",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
            *mount,
            "--chdir",
            "/tmp",
            *[part for key, value in settings.items() for part in ("--setenv", key, value)],
            "--",
            *python,
        ]
    raise NbGraderException(f"say where students' code runs: SANDBOX=docker, bwrap or none; found {name!r}")


class SandboxedExecute(Execute):
    """Runs a submission under the command that REPGEN_SANDBOX names, and takes nothing back but outputs.

    The notebook goes in by standard input and comes out by standard output; marks are given out here, from
    the outputs, so that students' code never meets the gradebook or other submissions.
    """

    def preprocess(self, notebook, resources, km=None):
        name = os.environ.get("REPGEN_SANDBOX", "")
        if name == "none":
            return super().preprocess(notebook, resources, km)
        command = sandbox(name)
        if not shutil.which(command[0]):
            raise NbGraderException(f"SANDBOX={name} needs the program {command[0]!r}, which is not here")
        limit = 15 * 60
        try:
            run = subprocess.run(
                [*command, str(self.timeout)],
                input=nbformat.writes(notebook),
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=limit,
            )
        except subprocess.TimeoutExpired as error:
            raise NbGraderException(f"the notebook did not end within {limit} seconds") from error
        try:
            ran = nbformat.reads(run.stdout, as_version=4)
        except Exception as error:
            said = f"(exit {run.returncode}):\n{run.stderr[-2000:]}"
            raise NbGraderException(f"the sandbox gave back no notebook {said}") from error
        if [cell.source for cell in ran.cells] != [cell.source for cell in notebook.cells]:
            raise NbGraderException("the sandbox gave back another notebook than it was given")
        for cell, done in zip(notebook.cells, ran.cells):
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = done.outputs, done.execution_count
        return notebook, resources


def whose(path, assignment, top):
    """The id of the student who handed in the notebook at `path`, or None; and when, where its name says so.

    Knows a folder for each student, `student_01_foundations.ipynb`, and the names that Moodle, Canvas and Blackboard
    give. `top` is the name of the folder in which all submissions lie.
    """
    stem = re.sub(r"( ?\(\d+\)|-\d+)$", "", path.stem)  # a copy's number: "x (1).ipynb", "x-1.ipynb"
    if not stem.endswith(assignment):
        return None, None
    before = stem.removesuffix(assignment).rstrip(" _-")
    time = None
    if found := re.search(r"([^_]+)_attempt_([\d-]+)$", before):  # Blackboard
        student, time = found.groups()
    elif found := re.match(r"([^_]+)(_LATE)?_(\d+)_\d+(_|$)", before):  # Canvas
        student = f"{found[1]}_{found[3]}"
    elif before:
        student = before
    elif path.parent.name == top:
        return None, None
    else:
        student = re.sub(r"_assignsubmission_.*$", "", path.parent.name)  # Moodle
    return re.sub(r"[^\w.@-]+", "_", student).strip("_. ") or None, time


class Collector(FileNameCollectorPlugin):
    """Tells nbgrader whose a submitted file is."""

    def collect(self, submitted_file):
        path, assignment = Path(submitted_file), self.parent.coursedir.assignment_id
        if path.suffix != ".ipynb" or path.name.startswith("."):
            return None
        student, time = whose(path, assignment, self.parent.extracted_directory)
        if student is None:
            self.log.warning("%s: left out, since its name does not say whose %s it is", path.name, assignment)
            return None
        return {"student_id": student, "file_id": f"{assignment}.ipynb"} | ({"timestamp": time} if time else {})
