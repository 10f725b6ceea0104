"""Collecting submissions: what students, and those who are none, put into archives."""

import importlib.util
import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("grade", ROOT / "tools" / "grade.py")
grade = importlib.util.module_from_spec(spec)
spec.loader.exec_module(grade)


def zipped(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path, files, links=(), mode="w:gz"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
        for name, kind, target in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)
    return path


def inside(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


GOOD = {"ada/01_x.ipynb": "ada's", "bob/01_x.ipynb": "bob's"}


@pytest.mark.parametrize("make", [zipped, tarred, lambda path, files: tarred(path, files, mode="w:xz")])
def test_a_folder_a_zip_and_a_tar_give_the_same(make, tmp_path):
    archive, folder = make(tmp_path / "all.bin", GOOD), tmp_path / "folder"
    for name, content in GOOD.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(content)
    for source in (archive, folder):
        out = tmp_path / f"out of {source.name}"
        assert grade.gather(source, out) == {} and inside(out) == GOOD


def hostile(name, tmp_path):
    """Archives that write, or point, to tmp_path / "course" / "escaped" from course/archive, or do other harm."""
    place = tmp_path / f"hostile.{'zip' if 'zip' in name else 'tar.gz'}"
    up, absolute = {"../escaped": "x"}, {str(tmp_path / "course" / "escaped"): "x"}
    link = ("exit", tarfile.SYMTYPE, "..")
    return {
        "tar up": lambda: tarred(place, up),
        "tar absolute": lambda: tarred(place, absolute),
        "tar by a link": lambda: tarred(
            place, {"fine": "x"}, [("exit", tarfile.SYMTYPE, str(tmp_path)), ("hard", tarfile.LNKTYPE, "../../secret")]
        ),
        "tar up a link": lambda: tarred(place, {}, [link]),
        "tar device": lambda: tarred(place, {}, [("null", tarfile.CHRTYPE, "")]),
        "tar pipe": lambda: tarred(place, {}, [("pipe", tarfile.FIFOTYPE, "")]),
        "zip up": lambda: zipped(place, up),
        "zip absolute": lambda: zipped(place, absolute),
        "zip backslash": lambda: zipped(place, {"..\\..\\escaped": "x"}),
        "zip drive": lambda: zipped(place, {"C:\\escaped": "x"}),
        "zip cut short": lambda: place.write_bytes(zipped(place, GOOD).read_bytes()[:-30]) and place,
        "zip damaged": lambda: (
            place.write_bytes(zipped(place, GOOD).read_bytes().replace(b"ada's", b"eve's")) and place
        ),
        "tar cut short": lambda: place.write_bytes(tarred(place, {"a": "x" * 100_000}).read_bytes()[:60]) and place,
        "tar of text": lambda: place.write_bytes(b"no archive") and place,
        "zip too large": lambda: zipped(place, {"a": "x" * 5000}),
        "tar too large": lambda: tarred(place, {"a": "x" * 5000}),
    }[name]()


KINDS = (
    "tar up",
    "tar absolute",
    "tar by a link",
    "tar up a link",
    "tar device",
    "tar pipe",
    "zip up",
    "zip absolute",
    "zip backslash",
    "zip drive",
    "zip cut short",
    "zip damaged",
    "tar cut short",
    "tar of text",
    "zip too large",
    "tar too large",
)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_does_harm_is_refused_and_leaves_nothing(kind, tmp_path, monkeypatch):
    monkeypatch.setitem(grade.LARGEST, "all", 4000)
    source, course = hostile(kind, tmp_path), tmp_path / "course"
    course.mkdir()
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ValueError) as error:
        grade.gather(source, course / "archive")
    assert set(tmp_path.rglob("*")) == before and str(error.value)
    if "large" in kind:
        assert "more than 0" in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_one_bad_submission_is_named_and_the_others_are_collected(kind, tmp_path, monkeypatch):
    monkeypatch.setitem(grade.LARGEST, "one", 4000)
    bad = hostile(kind, tmp_path)
    folder, course = tmp_path / "folder", tmp_path / "course"
    zipped(folder / "cyd.zip", {"01_x.ipynb": "cyd's"})
    tarred(folder / "dan" / "work.tar.gz", {"deep/01_x.ipynb": "dan's"})
    zipped(folder / "eve.zip", {"again.zip": zipped(tmp_path / "z", {"01_x.ipynb": "eve's"}).read_bytes()})
    for name, content in GOOD.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(content)
    shutil.copy(bad, folder / "mal" / bad.name) if (folder / "mal").mkdir() is None else None
    course.mkdir()
    before = set(tmp_path.rglob("*"))
    left_out = grade.gather(folder, course / "archive")
    assert list(left_out) == [f"mal/{bad.name}"] and left_out[f"mal/{bad.name}"]
    others = {"cyd/01_x.ipynb": "cyd's", "dan/work/deep/01_x.ipynb": "dan's", "eve/again/01_x.ipynb": "eve's"}
    assert inside(course / "archive") == GOOD | others
    assert {
        path for path in set(tmp_path.rglob("*")) - before if course / "archive" not in (path, *path.parents)
    } == set()


def test_no_archive_writes_over_what_another_handed_in(tmp_path):
    folder = tmp_path / "folder"
    zipped(folder / "ada.zip", {"01_x.ipynb": "forged"})
    (folder / "ada").mkdir()
    (folder / "ada" / "01_x.ipynb").write_text("ada's")
    assert grade.gather(folder, tmp_path / "out") == {"ada.zip": "there is a ada beside it"}
    assert inside(tmp_path / "out") == {"ada/01_x.ipynb": "ada's"}


def test_links_and_pipes_in_a_folder_are_named_and_not_followed(tmp_path):
    folder = tmp_path / "folder"
    (folder / "ada").mkdir(parents=True)
    (folder / "ada" / "01_x.ipynb").write_text("ada's")
    (tmp_path / "secret").write_text("secret")
    (folder / "ada" / "link.ipynb").symlink_to(tmp_path / "secret")
    (folder / "all").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    left_out = grade.gather(folder, tmp_path / "out")
    assert set(left_out) == {"ada/link.ipynb", "all", "pipe"} and inside(tmp_path / "out") == {
        "ada/01_x.ipynb": "ada's"
    }


def test_archives_without_end_are_left_out(tmp_path):
    content = {"01_x.ipynb": "x"}
    for depth in range(6):
        content = {"again.zip": zipped(tmp_path / str(depth), content).read_bytes()}
    left_out = grade.gather(zipped(tmp_path / "all.zip", content), tmp_path / "out")
    assert (
        list(left_out.values()) == ["it is an archive in an archive in an archive"] and inside(tmp_path / "out") == {}
    )


def test_the_command_says_what_was_left_out(tmp_path, monkeypatch, capsys):
    course = tmp_path / "course"
    (course / "release" / "01_x").mkdir(parents=True)
    monkeypatch.setenv("REPGEN_COURSE", str(course))

    def collect(*arguments):
        for path in (course / "downloaded" / "01_x" / "archive").glob("*/01_x.ipynb"):
            shutil.copytree(path.parent, course / "submitted" / path.parent.name / "01_x", dirs_exist_ok=True)

    monkeypatch.setattr(grade, "nbgrader", collect)
    source = tarred(tmp_path / "all.tar.gz", GOOD | {"mal/x.zip": "no archive"})
    grade.collect("01_x", str(source))
    said = capsys.readouterr()
    assert (
        "2 submissions of 01_x, new or changed: ada, bob" in said.out
        and "left out: mal/x.zip: it is neither" in said.err
    )
    with pytest.raises(SystemExit, match="hostile.tar.gz: .*outside"):
        grade.collect("01_x", str(hostile("tar up", tmp_path)))
    assert not (course / "downloaded" / "escaped").exists()
