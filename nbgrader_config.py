# Settings of nbgrader, which makes, collects and grades the exercises: see pages/teaching.md.
# Everything that grading leaves behind (submissions, marks, feedback) lies in one folder, which git ignores.
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "tools" / "grading"))
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader calls alembic by name

from plugins import Collector, SandboxedExecute, StudentCopy

c = get_config()

course = (HERE / Path(os.environ.get("REPGEN_COURSE", "course")).expanduser()).resolve()
course.mkdir(parents=True, exist_ok=True)
if not (course / ".gitignore").exists():
    (course / ".gitignore").write_text("*\n")

c.CourseDirectory.root = str(HERE)
c.CourseDirectory.course_id = "repgen"
c.CourseDirectory.source_directory = str(
    (HERE / Path(os.environ.get("REPGEN_EXERCISES", "chapters/exercises")).expanduser()).resolve()
)
for step in ("release", "submitted", "autograded", "feedback", "solution", "source_with_tests"):
    setattr(c.CourseDirectory, f"{step}_directory", str(course / step))
c.CourseDirectory.db_url = f"sqlite:///{course / 'gradebook.db'}"
c.NbGrader.logfile = ""

# The student's version keeps the expected figures, and none of the run's records.
from nbgrader.converters import Autograde, GenerateAssignment

c.GenerateAssignment.preprocessors = [StudentCopy, *GenerateAssignment.preprocessors.default()]
c.Execute.timeout = 60  # seconds a cell may take
c.Execute.iopub_timeout = 60  # on a busy machine, the default of 4 is too short
c.LimitOutput.max_lines = 200

# Students' code runs where REPGEN_SANDBOX says: see tools/grading/plugins.py.
c.Autograde.autograde_preprocessors = [SandboxedExecute, *Autograde.autograde_preprocessors.default()[1:]]

# Files as they come from a learning platform, put in submitted/<student>/<assignment>/.
c.ZipCollectApp.downloaded_directory = os.path.relpath(course / "downloaded", HERE)  # it must be relative
c.ZipCollectApp.collector_plugin = Collector
