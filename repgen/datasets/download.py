"""The files behind the data sets: where they are, whether they are right, and how to get them."""

import contextlib
import functools
import hashlib
import io
import os
import queue
import shutil
import socket
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class DataError(ValueError):
    """Data that cannot be used: the message says what was found, where, and what to do."""


def root() -> Path:
    """The folder of the data files: REPGEN_DATA where it is set, else `repgen` in the user's cache folder."""
    if chosen := os.environ.get("REPGEN_DATA"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "repgen"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repgen"


def _fetch_mnist(folder: Path) -> None:
    from torchvision.datasets import MNIST

    _reach(MNIST.mirrors)
    MNIST(folder, download=True)  # verifies the md5 of each archive


def _fetch_faces(folder: Path) -> None:
    from sklearn.datasets import fetch_olivetti_faces

    _reach(["https://ndownloader.figshare.com/files/5976027"])
    with contextlib.redirect_stdout(io.StringIO()):  # it would name the temporary folder
        fetch_olivetti_faces(data_home=folder / "sklearn")  # verifies the sha256 of what it downloads
    # It keeps a compressed copy whose bytes depend on the versions at work, so the checksum of ours is noted beside it.
    file = folder / "sklearn" / "olivetti_py3.pkz"
    _note(file).write_text(_md5(file) + "\n")


def _fetch_newsgroups(folder: Path) -> None:
    from sklearn.datasets import fetch_20newsgroups

    _reach(["https://ndownloader.figshare.com/files/5975967"])
    fetch_20newsgroups(data_home=folder / "sklearn")  # verifies the sha256 of what it downloads
    file = folder / "sklearn" / "20news-bydate_py3.pkz"  # likewise a compressed copy of its own
    _note(file).write_text(_md5(file) + "\n")


class Source(NamedTuple):
    fetch: Callable[[Path], None]  # the standard loader, downloading into an empty folder
    files: dict[str, tuple[int, str]]  # path in the folder: bytes, md5


SOURCES = {
    "mnist": Source(
        _fetch_mnist,
        {
            "MNIST/raw/train-images-idx3-ubyte": (47_040_016, "6bbc9ace898e44ae57da46a324031adb"),
            "MNIST/raw/train-labels-idx1-ubyte": (60_008, "a25bea736e30d166cdddb491f175f624"),
            "MNIST/raw/t10k-images-idx3-ubyte": (7_840_016, "2646ac647ad5339dbf082846283269ea"),
            "MNIST/raw/t10k-labels-idx1-ubyte": (10_008, "27ae3e4e09519cfbb04c329615203637"),
        },
    ),
    "faces": Source(_fetch_faces, {"sklearn/olivetti_py3.pkz": (1_422_821, "9676897d3de253a778cb2a83246b9ac2")}),
    "newsgroups": Source(
        _fetch_newsgroups, {"sklearn/20news-bydate_py3.pkz": (15_280_399, "3e6004178397e95ee4893f4a4f613502")}
    ),
}


def paths(source: str) -> list[Path]:
    """Where the files of a source belong."""
    return [root() / file for file in SOURCES[source].files]


def problems(source: str, folder: Path | None = None) -> dict[str, str]:
    """What is wrong with each file of a source that is not right: {path in the folder: a sentence}."""
    folder, wrong = folder or root(), {}
    for file, (size, md5) in SOURCES[source].files.items():
        path = folder / file
        try:
            found = _md5(path)
            if found == md5 or (_note(path).exists() and found == _note(path).read_text(errors="replace").strip()):
                continue
            wrong[file] = (
                f"{path} is damaged, or is not the original: found {path.stat().st_size:,} bytes with md5 {found}, "
                f"expected {size:,} bytes with md5 {md5}. "
                f"Delete it, or replace it with: python -m repgen data fetch {source}"
            )
        except (FileNotFoundError, NotADirectoryError):
            wrong[file] = f"{path} is missing. Fetch it with: python -m repgen data fetch {source}"
        except OSError as error:
            wrong[file] = f"{path} cannot be read ({error.strerror})"
    return wrong


def damaged(source: str) -> str:
    """What is wrong with the first file that is here but not right, else an empty string."""
    return next((text for file, text in problems(source).items() if os.path.lexists(root() / file)), "")


def verify(source: str) -> list[Path]:
    """Read the files of a source again; returns their paths, or raises DataError if one is missing or damaged."""
    _digest.cache_clear()
    for text in problems(source).values():
        raise DataError(text)
    return paths(source)


def fetch(source: str) -> list[Path]:
    """Download what is missing or damaged with the standard loader; returns the paths of all files of the source.

    The download goes to a folder of its own, and each file moves into place once all are whole and verified: one that
    breaks off leaves nothing behind. Raises DataError where it fails, or where the data folder cannot be written.
    """
    wanted = problems(source)
    if not wanted:
        return paths(source)
    try:
        root().mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f"{source}-", suffix=".part", dir=root()))
    except OSError as error:
        raise DataError(
            f"the data folder {root()} cannot be written ({error.strerror}); set REPGEN_DATA to a folder of your own"
        ) from error
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)  # seconds; the standard loaders set none and would wait for ever
    try:
        SOURCES[source].fetch(part)
        for text in problems(source, part).values():
            raise DataError(text)
        for file in wanted:
            (root() / file).parent.mkdir(parents=True, exist_ok=True)
            if _note(part / file).exists():
                os.replace(_note(part / file), _note(root() / file))  # first: a note without its file does no harm
            os.replace(part / file, root() / file)
    except Exception as error:  # whatever the loader, the network or the disk had to say
        raise DataError(f"{source} could not be downloaded: {' '.join(str(error).split())[:300]}") from error
    finally:
        socket.setdefaulttimeout(patience)
        shutil.rmtree(part, ignore_errors=True)
    return paths(source)


_failed: dict[tuple[str, Path], str] = {}
_said: set[str] = set()


def available(source: str, name: str, instead: str = "scikit-learn's bundled digits") -> bool:
    """Whether the files of a source are here and right, after one attempt per process to download what is missing.

    If they are not, one printed line per `name` says why, and what stands in. Raises DataError for a damaged file: that is the user's to
    decide, and nothing stands in for it.
    """
    if text := damaged(source):
        raise DataError(text)
    if not problems(source):
        return True
    key = (source, root())
    if key not in _failed:
        try:
            fetch(source)
            return True
        except DataError as error:
            _failed[key] = str(error)
    if name not in _said:
        _said.add(name)
        print(
            f"{name}: not found in {root()}, and {_failed[key]}. "
            f"{instead} stand in; claims about {name} are not checked."
        )
    return False


def _reach(urls: list[str], seconds: float = 5) -> None:
    """Raise OSError unless a server answers. In threads, because looking up a name may hang without a time limit."""
    if os.environ.get("REPGEN_OFFLINE"):
        raise OSError("REPGEN_OFFLINE is set")
    answers: queue.SimpleQueue = queue.SimpleQueue()

    def ask(url: str) -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()
            answers.put(None)
        except Exception as error:  # a refusal over HTTP is an answer, too
            answers.put(None if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error))

    for url in urls:
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    for _ in urls:
        try:
            if (error := answers.get(timeout=seconds)) is None:
                return
        except queue.Empty:
            error = f"no answer in {seconds:g} s"
    raise OSError(f"no server could be reached ({error})")


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".md5")


def _md5(path: Path) -> str:
    """The md5 of a file, remembered in memory until its size or time changes."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, functools.partial(hashlib.md5, usedforsecurity=False)).hexdigest()
