"""The steps of grading that nbgrader leaves to the instructor. The Makefile's targets call it: see pages/teaching.md.

python tools/grade.py students             writes assignments/*.ipynb, the exercises as students get them
python tools/grade.py collect NAME FROM    files from a folder, zip or tar of submissions, by student
python tools/grade.py check FILE           runs the visible tests of a student's notebook
python tools/grade.py grades NAME          writes the marks as CSV, and says who waits for a hand grade
"""

import argparse
import codecs
import csv
import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = ROOT / "chapters" / "exercises"
STUDENTS = ROOT / "assignments"
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz")
LARGEST = {"all": 2**31, "one": 2**28}  # bytes that an archive may unpack to: of all submissions, of one


def nbgrader(*arguments, **settings):
    """Runs nbgrader with the repository's settings (nbgrader_config.py), those in `settings` changed."""
    env = os.environ | {name: str(value) for name, value in settings.items()}
    done = subprocess.run([sys.executable, "-m", "nbgrader", *arguments], cwd=ROOT, env=env)
    if done.returncode:
        sys.exit(f"nbgrader {' '.join(arguments)}: failed, see above")


def course_folder():
    return (ROOT / Path(os.environ.get("REPGEN_COURSE", "course")).expanduser()).resolve()


def students(folder=STUDENTS):
    """Writes the student's version of every assignment into `folder`."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as course:
        for source in sorted(EXERCISES.glob("*/*.ipynb")):
            nbgrader(
                "generate_assignment",
                source.stem,
                "--create",
                "--log-level=WARN",
                REPGEN_COURSE=course,
                REPGEN_EXERCISES=EXERCISES,
            )
            shutil.copyfile(Path(course) / "release" / source.stem / source.name, folder / source.name)
            print(f"{folder.name}/{source.name}")


def collect(assignment, source):
    """Puts the notebooks in the folder, zip or tar `source` into submitted/<student>/<assignment>/."""
    source = Path(source).expanduser()
    if not source.exists():
        sys.exit(f"{source}: there is no such file or folder; say FROM=<folder or zip of submissions>")
    course = course_folder()
    if not (course / "release" / assignment).is_dir():
        sys.exit(f"{assignment} has not been released yet: make release ASSIGNMENT={assignment}")
    archive = course / "downloaded" / assignment / "archive"
    shutil.rmtree(archive.parent, ignore_errors=True)
    try:
        left_out = gather(source, archive)
    except ValueError as error:
        shutil.rmtree(archive.parent, ignore_errors=True)
        sys.exit(f"{source}: {error}")
    before = submissions(course, assignment)
    nbgrader("zip_collect", assignment, "--force", "--strict", "--log-level=WARN")
    after = submissions(course, assignment)
    if not after:
        sys.exit(f"no file in {source} is called like {assignment}.ipynb; see 'Collect' in pages/teaching.md")
    for student, notebook in after.items():
        if before.get(student, notebook) != notebook:  # handed in again: to be graded again
            shutil.rmtree(course / "autograded" / student / assignment, ignore_errors=True)
    new = sorted(student for student in after if before.get(student) != after[student])
    print(f"{len(after)} submissions of {assignment}, new or changed: {', '.join(new) or 'none'}")
    for path, reason in left_out.items():
        print(f"left out: {path}: {reason}", file=sys.stderr)


def gather(source, folder):
    """Copies or unpacks all submissions into `folder`, archives in them, too, so that nbgrader finds plain files.

    Returns those that were left out, {path: why}. Raises ValueError where `source` itself cannot be used.
    """
    left_out = {}
    if source.is_dir():

        def skip(place, names):  # a link would be followed, and a pipe waited for
            odd = [
                name
                for name in names
                if stat.S_IFMT(os.lstat(Path(place, name)).st_mode) not in (stat.S_IFREG, stat.S_IFDIR)
            ]
            left_out.update(
                {str(Path(place, name).relative_to(source)): "it is neither a file nor a folder" for name in odd}
            )
            return odd

        shutil.copytree(source, folder, ignore=skip)
    else:
        unpack(source, folder, LARGEST["all"])
    for _ in range(3):  # archives in archives
        found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix.lower() in ARCHIVES]
        for path in found:
            place = path.parent / path.name.removesuffix(path.suffix).removesuffix(".tar")
            try:
                unpack(path, place, LARGEST["one"])
            except ValueError as error:
                left_out[str(path.relative_to(folder))] = str(error)
            path.unlink()
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix.lower() in ARCHIVES:
            left_out[str(path.relative_to(folder))] = "it is an archive in an archive in an archive"
            path.unlink()
    for path in folder.rglob("*.ipynb"):  # some editors begin a file with a mark of the byte order, which is no JSON
        if path.is_file() and (content := path.read_bytes()).startswith(codecs.BOM_UTF8):
            path.write_bytes(content.removeprefix(codecs.BOM_UTF8))
    return left_out


def unpack(path, folder, largest):
    """Unpacks a zip or tar into `folder`, which it makes. ValueError, and no folder, where that cannot be done
    safely."""
    if folder.exists():
        raise ValueError(f"there is a {folder.name} beside it")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                check_members([(member.filename, member.file_size) for member in archive.infolist()], largest)
                archive.extractall(folder)
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                check_members([(member.name, member.size) for member in archive], largest)
                archive.extractall(folder, filter="data")  # raises for what lies or points outside, and for devices
        else:
            raise ValueError("it is neither a folder nor a zip or tar")
    except Exception as error:  # zipfile and tarfile raise all kinds for damaged archives
        shutil.rmtree(folder, ignore_errors=True)
        raise ValueError(str(error) or type(error).__name__) from error


def check_members(members, largest):
    """ValueError for a member, (name, bytes), that would lie outside, and for more bytes than `largest` in all."""
    for name, _ in members:
        parts = name.replace("\\", "/").split("/")
        if not parts[0] or ".." in parts or name[1:2] == ":":
            raise ValueError(f"{name!r} would be written outside of the folder")
    if (size := sum(size for _, size in members)) > largest:
        raise ValueError(f"it would unpack to {size / 2**20:,.0f} MB, more than {largest / 2**20:,.0f}")


def submissions(course, assignment):
    """The collected notebooks by student, as bytes."""
    return {path.parts[-3]: path.read_bytes() for path in course.glob(f"submitted/*/{assignment}/{assignment}.ipynb")}


def check(file):
    """Runs the visible tests of a student's notebook; the exit status is 1 where one of them fails."""
    from nbgrader.validator import Validator
    from traitlets.config import Config

    if not Path(file).is_file():
        sys.exit(f"{file}: there is no such notebook; say FILE=<your notebook>")
    said = io.StringIO()
    validator = Validator(config=Config({"Execute": {"timeout": 60, "iopub_timeout": 60}}))
    validator.stream = said
    for again in (True, False):  # on a busy machine a kernel may come too late
        try:
            validator.validate_and_print(str(Path(file).resolve()))
            break
        except (RuntimeError, TimeoutError) as error:
            if not again:
                sys.exit(
                    f"{file} did not run to its end: {error or type(error).__name__}. Does a cell end Python, or need "
                    f"too much memory?"
                )
    print(said.getvalue())
    sys.exit(not said.getvalue().startswith("Success"))


def grades(assignment):
    """Writes grades.csv (a row a student) and questions.csv (a row a student and answer) into the course folder."""
    from nbgrader.api import Gradebook
    from nbgrader.plugins import CsvExportPlugin

    course = course_folder()
    if not (course / "autograded").is_dir():
        sys.exit(f"nothing has been graded in {course}: make autograde ASSIGNMENT={assignment}")
    waiting = defaultdict(list)
    with (
        Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book,
        open(course / "questions.csv", "w", newline="") as file,
    ):
        # what `nbgrader export` does
        CsvExportPlugin(to=str(course / "grades.csv"), assignment=[assignment]).export(book)
        rows = csv.writer(file)
        rows.writerow(["assignment", "student_id", "question", "score", "max_score", "final"])
        for submission in sorted(book.assignment_submissions(assignment), key=lambda s: s.student_id):
            student = submission.student_id
            print(f"{student}: {submission.score:g} of {submission.max_score:g}")
            ran = (course / "autograded" / student / assignment).exists()
            if not ran:
                print(
                    f"  nothing of it could be graded: run `make autograde` again and see why {student}'s notebook "
                    f"failed"
                )
            for grade in sorted(
                (g for notebook in submission.notebooks for g in notebook.grades), key=lambda g: g.name
            ):
                final = ran and not grade.needs_manual_grade
                rows.writerow([assignment, student, grade.name, grade.score, grade.max_score, final])
                if ran and not final:
                    waiting[grade.name].append(student)
    for question, names in sorted(waiting.items()):
        print(f"not final: {question} counts as 0 until it is graded by hand (make formgrade) for {', '.join(names)}")
    print(f"marks: {course / 'grades.csv'}; by question: {course / 'questions.csv'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("students")
    step = commands.add_parser("collect")
    step.add_argument("assignment")
    step.add_argument("source")
    commands.add_parser("check").add_argument("file")
    commands.add_parser("grades").add_argument("assignment")
    arguments = vars(parser.parse_args())
    globals()[arguments.pop("command")](**arguments)


if __name__ == "__main__":
    main()
