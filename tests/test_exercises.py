"""Every assignment does what it is for: right answers earn all points, wrong ones lose theirs, nothing leaks.

An assignment is a folder in chapters/exercises; its wrong answers stand in tests/exercises/<name>_wrong.py.
"""

import ast
import contextlib
import copy
import csv
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import matplotlib
import nbformat
import pytest
from bs4 import BeautifulSoup
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parent.parent
ASSIGNMENTS = sorted(path.stem for path in ROOT.glob("chapters/exercises/*/*.ipynb"))
FIRST = pytest.mark.parametrize("course", ASSIGNMENTS[:1], indirect=True)  # tries nbgrader, not the assignment
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", re.DOTALL)
SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


exercise_pages = module(ROOT / "_ext" / "exercise_pages.py")
plugins = module(ROOT / "tools" / "grading" / "plugins.py")


def source(name):
    return nbformat.read(ROOT / "chapters" / "exercises" / name / f"{name}.ipynb", as_version=4)


def handed_out(name):
    return nbformat.read(ROOT / "assignments" / f"{name}.ipynb", as_version=4)


def wrong_answers(name):
    return module(ROOT / "tests" / "exercises" / f"{name}_wrong.py").WRONG


def role(cell):
    return cell.metadata.get("nbgrader", {})


def answers(notebook):
    """Answer cells by grade_id."""
    return {role(c).grade_id: c for c in notebook.cells if c.cell_type == "code" and role(c).get("solution")}


def checks(notebook):
    """Test cells by the grade_id of the answer that they test."""
    cells = [c for c in notebook.cells if c.cell_type == "code" and role(c).get("grade")]
    return {role(c).grade_id.removesuffix("_test"): c for c in cells}


def written(notebook):
    """Answers graded by hand, by grade_id."""
    return {role(c).grade_id: c for c in notebook.cells if c.cell_type == "markdown" and role(c).get("grade")}


def changed(solution, old, new):
    assert old in solution, f"the solution has no {old!r} any more: bring the wrong answer up to date"
    return solution.replace(old, new)


def telling_lines(pattern, cells):
    """Lines that only stand in the hidden parts of cells, and would give something away."""
    hidden = {line.strip() for cell in cells for part in pattern.findall(cell.source) for line in part.split("\n")}
    shown = {line.strip() for cell in cells for line in pattern.sub("", cell.source).split("\n")}
    return {line for line in hidden - shown if len(line) > 12}


# ------------------------------------------------------------------------------- the source notebook


def test_there_is_an_assignment():
    assert ASSIGNMENTS


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_every_answer_has_tests_points_and_wrong_answers(name):
    notebook = source(name)
    wrong = wrong_answers(name)
    assert answers(notebook).keys() == checks(notebook).keys() == wrong.keys()
    assert all(len(known) >= 3 for known in wrong.values()), "at least three wrong answers a question"
    ids = [role(c).grade_id for c in notebook.cells if role(c)]
    assert len(ids) == len(set(ids))
    points = [role(c).get("points", 0) for c in notebook.cells]
    assert sum(points) % 10 == 0 and written(notebook)
    for name_, cell in answers(notebook).items():
        functions = [node for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef)]
        assert len(functions) == len(ast.parse(cell.source).body) == 1, f"{name_}: one function a cell"
        assert len(SOLUTION.findall(cell.source)) == 1 and ast.get_docstring(functions[0])
    for name_, cell in checks(notebook).items():
        hidden = HIDDEN.findall(cell.source)
        assert len(hidden) == 1 and "assert" in hidden[0], f"{name_}: one block of hidden tests"
        assert "assert" in HIDDEN.sub("", cell.source), f"{name_}: visible tests"


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_points_in_the_text_are_those_in_the_tests(name):
    """Headings say '(5 points)' or '(10 points, graded by hand)' before the answer that earns them."""
    promised, text = None, ""
    for cell in source(name).cells:
        text = cell.source if cell.cell_type == "markdown" else ""
        if found := re.findall(r"^#+ .*\((\d+) points", text, re.MULTILINE):
            assert promised is None, "a question without an answer"
            promised = int(found[-1])
        if role(cell).get("grade"):
            assert role(cell).points == promised, role(cell).grade_id
            promised = None
    assert promised is None


# ------------------------------------------------------------------------------- right and wrong answers

ALL_WRONG = [
    pytest.param(name, question, what, old, new, id=f"{question}-{what}".replace(" ", "_"))
    for name in ASSIGNMENTS
    for question, known in wrong_answers(name).items()
    for what, old, new in known
]


@pytest.fixture(scope="module")
def prepared():
    """Names that a notebook's setup cell defines, by assignment."""
    known = {}

    def prepare(name):
        if name not in known:
            known[name] = {}
            cell = next(c for c in source(name).cells if role(c).get("grade_id") == "setup")
            with contextlib.redirect_stdout(io.StringIO()), matplotlib.rc_context():
                exec(TransformerManager().transform_cell(cell.source), known[name])
        return dict(known[name])

    return prepare


def verdict(names, answer, test):
    """The error that `test` raises for `answer`, or None where it passes without a word on stderr."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            exec(answer, names)
            exec(test, names)
    except Exception as error:
        return error
    assert not said.getvalue(), "nbgrader takes output on stderr for a failure"


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_solutions_pass_alone(name, prepared):
    """Each in a fresh namespace: no answer and no test needs another."""
    notebook = source(name)
    for question, test in checks(notebook).items():
        assert verdict(prepared(name), answers(notebook)[question].source, test.source) is None, question


@pytest.mark.parametrize("name, question, what, old, new", ALL_WRONG)
def test_wrong_answer_fails(name, question, what, old, new, prepared):
    notebook = source(name)
    answer = changed(answers(notebook)[question].source, old, new)
    error = verdict(prepared(name), answer, checks(notebook)[question].source)
    assert error is not None, f"{question}: '{what}' passes the tests"
    assert not isinstance(error, (SyntaxError, NameError)), f"{question}: '{what}' is not an answer: {error}"


# ------------------------------------------------------------------------------- nbgrader, from end to end


def nbgrader(course, *arguments, check=True):
    """Runs nbgrader, or the Python file that comes first in `arguments`, with `course` as the course's folder."""
    env = os.environ | {"REPGEN_COURSE": str(course), "REPGEN_SANDBOX": "none", "OMP_NUM_THREADS": "1"}
    env.pop("REPGEN_EXERCISES", None)
    command = (
        [sys.executable, *arguments] if arguments[0].endswith(".py") else [sys.executable, "-m", "nbgrader", *arguments]
    )
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def submission(name, release, answer):
    """The student's version `release`, filled in: `answer(question, solution)` says with what. Without figures."""
    notebook, solved = copy.deepcopy(release), answers(source(name)) | written(source(name))
    notebook.cells = [c for c in notebook.cells if not c.id.endswith("-figure")]
    for cell in notebook.cells:
        if role(cell).get("solution"):
            new = answer(role(cell).grade_id, solved[role(cell).grade_id].source)
            cell.source = cell.source if new is None else new
    return notebook


class Course(types.SimpleNamespace):
    def score(self, student):
        """Points by question, and whether all of them are final."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}") as book:
            grades = book.find_submission_notebook(self.name, self.name, student).grades
            return {g.name.removesuffix("_test"): g.score for g in grades}

    def hand_in(self, student, notebook):
        folder = self.folder / "submitted" / student / self.name
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{self.name}.ipynb")


@pytest.fixture(scope="module")
def in_process(tmp_path_factory):
    """The folder of a course, and nbgrader for it in this process: what the commands run, without their start."""
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    folder = tmp_path_factory.mktemp("courses")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        patch.setenv("PATH", os.environ["PATH"])  # the settings add to both
        patch.setenv("REPGEN_COURSE", str(folder))
        patch.setenv("REPGEN_SANDBOX", "none")
        patch.delenv("REPGEN_EXERCISES", raising=False)
        settings = PyFileConfigLoader("nbgrader_config.py", str(ROOT)).load_config()
        yield folder, NbGraderAPI(config=settings, log_level="WARN")


def succeeded(result):
    assert result["success"], result.get("log", "") + result.get("error", "")


@pytest.fixture(scope="module", params=ASSIGNMENTS)
def course(request, tmp_path_factory):
    """A course in which students handed in the assignment, and all was graded.

    One makes mistakes in every second question: the odd ones in one assignment, the even ones in the next. The first
    has both, and one who edited the tests, which tries nbgrader rather than the assignment; and only there is nbgrader
    run by its commands, as the Makefile runs it.
    """
    name = request.param
    first = name == ASSIGNMENTS[0]
    folder, api = (tmp_path_factory.mktemp("course"), None) if first else request.getfixturevalue("in_process")
    before = set(os.listdir(ROOT)) | {"_build", ".pytest_cache", "__pycache__"}
    course = Course(name=name, folder=folder, points={q: role(c).points for q, c in checks(source(name)).items()})
    if first:
        nbgrader(folder, "generate_assignment", name, "--create", "--log-level=WARN")
    else:
        succeeded(api.generate_assignment(name))
    course.release = nbformat.read(folder / "release" / name / f"{name}.ipynb", as_version=4)
    wrong = wrong_answers(name)
    odd = {question for number, question in enumerate(wrong) if number % 2}
    course.mistakes = {"wrong-odd": odd, "wrong-even": wrong.keys() - odd}
    if not first:
        course.mistakes.pop(list(course.mistakes)[ASSIGNMENTS.index(name) % 2])

    def mistaken(which, number):
        def answer(question, solution):
            if question in which:
                return changed(solution, *wrong[question][number][1:])
            return solution

        return answer

    course.hand_in("right", submission(name, course.release, lambda question, solution: solution))
    course.hand_in("untouched", course.release)
    for student, questions in course.mistakes.items():
        course.hand_in(student, submission(name, course.release, mistaken(questions, 0)))
    if first:
        cheat = submission(name, course.release, mistaken(wrong.keys(), 1))
        for cell in checks(cheat).values():
            cell.source, cell.metadata.nbgrader.points = "pass", 1000
        course.hand_in("cheat", cheat)
        nbgrader(folder, "autograde", name, "--log-level=ERROR")
    else:
        for student in ("right", "untouched", *course.mistakes):
            succeeded(api.autograde(name, student))
    course.litter = set(os.listdir(ROOT)) - before
    return course


def test_the_solution_earns_every_point(course):
    score = course.score("right")
    assert {q: score[q] for q in course.points} == course.points


def test_the_untouched_version_earns_none(course):
    assert set(course.score("untouched").values()) == {0}


def test_a_wrong_answer_loses_its_points_and_no_others(course):
    assert course.mistakes and all(course.mistakes.values())
    for student, which in course.mistakes.items():
        score = course.score(student)
        expected = {q: 0 if q in which else points for q, points in course.points.items()}
        assert {q: score[q] for q in course.points} == expected


@FIRST
def test_edited_tests_are_put_back(course):
    assert set(course.score("cheat").values()) == {0}


@FIRST
def test_marks_and_feedback(course):
    """Written answers wait for a hand grade; with it, the CSV has the whole mark, and the student a page."""
    from nbgrader.api import Gradebook

    said = nbgrader(course.folder, "tools/grade.py", "grades", course.name).stdout
    assert all(re.search(rf"not final: {question}.*right", said) for question in written(source(course.name)))
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}") as book:
        for question, cell in written(source(course.name)).items():
            grade = book.find_grade(question, course.name, course.name, "right")
            assert grade.needs_manual_grade and grade.max_score == role(cell).points
            grade.manual_score, grade.needs_manual_grade = role(cell).points, False
        book.db.commit()
    said = nbgrader(course.folder, "tools/grade.py", "grades", course.name).stdout
    assert not re.search(r"not final.*right", said)
    with open(course.folder / "grades.csv", newline="") as file:
        marks = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)}
    total = sum(role(c).get("points", 0) for c in source(course.name).cells)
    expected = {"right": total, "untouched": 0, "cheat": 0}
    for student, questions in course.mistakes.items():
        expected[student] = sum(points for question, points in course.points.items() if question not in questions)
    assert {student: mark for student, (mark, _) in marks.items()} == expected
    assert {most for _, most in marks.values()} == {total}
    with open(course.folder / "questions.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["student_id"] == "right"]
    assert sum(float(row["score"]) for row in rows) == total and {row["final"] for row in rows} == {"True"}

    student = next(iter(course.mistakes))
    nbgrader(course.folder, "generate_feedback", course.name, f"--student={student}", "--log-level=ERROR")
    page = (course.folder / "feedback" / student / course.name / f"{course.name}.html").read_text()
    assert f"{expected[student]:g} / {total:g}" in re.sub(r"\.0\b", "", page)


def test_nothing_is_written_outside_the_course(course):
    assert course.litter == set(), "left behind in the repository"
    assert (course.folder / ".gitignore").read_text() == "*\n"


@FIRST
@pytest.mark.parametrize("student", ("right", "untouched"))
def test_students_can_check_their_own_notebook(course, student):
    notebook = f"{course.folder}/submitted/{student}/{course.name}/{course.name}.ipynb"
    done = nbgrader(course.folder, "tools/grade.py", "check", notebook, check=False)
    failed = len(course.points) + len(written(source(course.name)))
    said, status = {"right": ("Success", 0), "untouched": (f"FAILED ON {failed} CELL", 1)}[student]
    assert (said in done.stdout, done.returncode) == (True, status), done.stdout + done.stderr


def test_a_notebook_that_cannot_be_run_is_no_riddle(tmp_path):
    cells = [nbformat.v4.new_code_cell("import os; os._exit(3)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "ends.ipynb")
    done = nbgrader(tmp_path, "tools/grade.py", "check", str(tmp_path / "ends.ipynb"), check=False)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(
        f"{tmp_path / 'ends.ipynb'} did not run to its end"
    )


# ------------------------------------------------------------------------------- what students get and readers see


def text_of(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def test_the_notebook_handed_out_is_up_to_date(course):
    """assignments/NAME.ipynb is what nbgrader makes of the source; `make assignments` writes it anew."""
    picture = re.compile(r"base64,[\w+/=]+")
    bare = lambda notebook: [(c.cell_type, c.id, picture.sub("", c.source), c.metadata) for c in notebook.cells]
    assert bare(handed_out(course.name)) == bare(course.release), "run `make assignments`"


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_students_get_no_solution_and_no_hidden_test(name):
    notebook, text = source(name), text_of(handed_out(name))
    for line in telling_lines(SOLUTION, answers(notebook).values()) | telling_lines(HIDDEN, checks(notebook).values()):
        assert line not in text, line
    for cell in written(notebook).values():
        assert cell.source[:200] not in text and "YOUR ANSWER HERE" in text
    assert "HIDDEN" not in text and "BEGIN SOLUTION" not in text
    assert not any(cell.get("outputs") for cell in handed_out(name).cells)
    figures = [c for c in notebook.cells if "expected-figure" in c.metadata.get("tags", [])]
    assert text.count("data:image/png;base64,") == len(figures) > 0
    assert "](../" not in text, "a link that leads nowhere once the notebook is handed out"


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_page_folds_solutions_and_leaves_out_hidden_tests(name):
    notebook = source(name)
    page = exercise_pages.page(json.loads(nbformat.writes(notebook)), name, "https://colab.example/notebook")
    nbformat.validate(nbformat.from_dict(page))
    text = "\n".join(exercise_pages.source(cell) for cell in page["cells"])
    assert "HIDDEN" not in text and "BEGIN" not in text
    assert not [line for line in telling_lines(HIDDEN, checks(notebook).values()) if line in text]
    shown = {c["metadata"]["nbgrader"]["grade_id"]: c["source"] for c in page["cells"] if "nbgrader" in c["metadata"]}
    given = {role(c).grade_id: c.source for c in handed_out(name).cells if role(c)}
    for question in answers(notebook):
        assert shown[question] == given[question] and shown[f"{question}_test"] == given[f"{question}_test"]
    assert text.count("{dropdown} Solution") == len(answers(notebook))
    assert text.count("{dropdown} Model answer") == len(written(notebook))
    assert text.count("{dropdown} Hint") == text_of(notebook).count("<summary>Hint</summary>") >= len(answers(notebook))
    for line in telling_lines(SOLUTION, answers(notebook).values()):
        assert line in text


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_built_book_tells_no_hidden_test(name, book):
    """Neither the page, nor the source that it offers, nor the search index."""
    notebook, page = source(name), f"chapters/exercises/{name}/{name}"
    html = BeautifulSoup((book / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    offered = book / "_sources" / f"{page}.ipynb"
    assert offered.read_bytes() == (ROOT / "assignments" / f"{name}.ipynb").read_bytes()
    download = html.find("a", class_="download")["href"]
    assert (book / page).parent.joinpath(download).read_bytes() == offered.read_bytes()
    seen = html.get_text() + (book / "searchindex.js").read_text(encoding="utf-8")
    assert "BEGIN SOLUTION" not in seen and "HIDDEN" not in html.get_text()
    assert not [line for line in telling_lines(HIDDEN, checks(notebook).values()) if line in seen]
    folded = " ".join(element.get_text() for element in html.find_all("details"))
    solutions = telling_lines(SOLUTION, answers(notebook).values())
    assert solutions and all(line in folded for line in solutions)
    for element in html.find_all("details"):
        element.decompose()
    assert not [line for line in solutions if line in html.get_text()]


def test_a_marker_without_its_partner_stops_the_build():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1\n### BEGIN HIDDEN TESTS\nsecret")])
    with pytest.raises(exercise_pages.ExtensionError, match="no partner"):
        exercise_pages.page(json.loads(nbformat.writes(notebook)), "name", "")


# ------------------------------------------------------------------------------- collecting, and other people's code


@pytest.mark.parametrize(
    "path, student",
    [
        ("ada/01_x.ipynb", "ada"),
        ("ada/01_x (2).ipynb", "ada"),
        ("Ada King_117_assignsubmission_file/01_x.ipynb", "Ada_King_117"),
        ("ada_01_x.ipynb", "ada"),
        ("kingada_4711_8822_01_x-1.ipynb", "kingada_4711"),
        ("kingada_LATE_4711_8822_01_x.ipynb", "kingada_4711"),
        ("01_x_ada_attempt_2026-01-30-15-00-00_01_x.ipynb", "ada"),
        ("01_x.ipynb", None),
        ("ada/homework.ipynb", None),
    ],
)
def test_whose_submission_is_it(path, student):
    assert plugins.whose(Path("/course/extracted") / path, "01_x", "extracted")[0] == student


@FIRST
def test_collecting_from_a_zip(course, tmp_path):
    """One who hands in again is graded again; what is nobody's is left out, and named."""
    folder = tmp_path / "download"
    (folder / "right").mkdir(parents=True)
    (folder / "new").mkdir()
    nbformat.write(course.release, folder / "right" / f"{course.name}.ipynb")
    nbformat.write(course.release, folder / "new" / f"{course.name}.ipynb")
    (folder / f"{course.name}.ipynb").write_text("nobody's")
    archive = shutil.make_archive(str(tmp_path / "download"), "zip", folder)
    other = tmp_path / "course"
    shutil.copytree(course.folder, other)
    done = nbgrader(other, "tools/grade.py", "collect", course.name, archive)
    assert "new or changed: new, right" in done.stdout and "does not say whose" in done.stderr
    assert not (other / "autograded" / "right" / course.name).exists()
    assert (other / "autograded" / "untouched" / course.name).exists()
    for source_, complaint in (
        (tmp_path / "absent.zip", "no such file"),
        (ROOT / "LICENSE", "neither a folder nor a zip"),
    ):
        refused = nbgrader(other, "tools/grade.py", "collect", course.name, str(source_), check=False)
        assert refused.returncode == 1 and complaint in refused.stderr


def cells_run(monkeypatch, command, *sources):
    """Outputs of cells that ran in a sandbox started by `command`, as text."""
    monkeypatch.setenv("REPGEN_SANDBOX", "test")
    monkeypatch.setattr(plugins, "sandbox", lambda name: command)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in sources])
    plugins.SandboxedExecute(timeout=20).preprocess(notebook, {})
    return ["".join(o.get("text") or o.get("ename") or "" for o in cell.outputs) for cell in notebook.cells]


RUNNER = [sys.executable, str(ROOT / "tools" / "grading" / "run_notebook.py")]


def test_a_sandbox_gives_back_outputs_and_nothing_else(monkeypatch):
    with pytest.raises(plugins.NbGraderException, match="SANDBOX="):
        plugins.sandbox("")
    outputs = cells_run(
        monkeypatch, RUNNER, "import os; os.write(1, b'noise'); print('said')", "1 / 0", "print('after')"
    )
    assert "said" in outputs[0] and outputs[1:] == ["ZeroDivisionError", "after\n"]
    forged = "import sys; print(sys.stdin.read().replace('honest', 'forged'))"
    with pytest.raises(plugins.NbGraderException, match="another notebook"):
        cells_run(monkeypatch, [sys.executable, "-c", forged], "'honest'")
    with pytest.raises(plugins.NbGraderException, match="no notebook"):
        cells_run(monkeypatch, [sys.executable, "-c", "raise SystemExit(3)"], "1")


def bubblewrap_works():
    command = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    return bool(shutil.which("bwrap")) and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(not bubblewrap_works(), reason="no bubblewrap here: sandboxed grading is not tried")
def test_the_sandbox_keeps_code_in(monkeypatch):
    command = plugins.sandbox("bwrap")
    outside = ROOT / "repgen" / "planted.py"
    network, secret, plant, memory, ordinary = cells_run(
        monkeypatch,
        command,
        "import socket; socket.create_connection(('192.0.2.1', 80), 3)",
        f"open({str(ROOT / 'chapters' / 'exercises')!r})",
        f"open({str(outside)!r}, 'w')",
        "x = bytearray(50 * 10**9)",
        "from repgen import PCA; import torch; print(PCA(1).fit(torch.eye(3)).components.shape)",
    )
    assert network == "OSError" and secret == "FileNotFoundError" and memory == "MemoryError"
    assert plant == "OSError" and not outside.exists()
    assert ordinary == "torch.Size([1, 3])\n"
