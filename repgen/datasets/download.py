"""The files behind the data sets: where they are, whether they are right, and how to get them."""

import contextlib
import errno
import functools
import hashlib
import io
import json
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import NamedTuple

LIMIT, STALL = 600, 60  # seconds: of a whole download, and of one that brings nothing
FACES, NEWSGROUPS = "repgen/olivetti.npy", "repgen/20newsgroups.json"  # as this module keeps them, see `_fetch_faces`


class DataError(ValueError):
    """Data that cannot be used: the message says what was found, where, and what to do."""


def root() -> Path:
    """The folder of the data files: REPGEN_DATA where it is set, else `repgen` in the user's cache folder.

    Raises DataError where REPGEN_DATA is a relative path: what it meant would depend on where Python was started.
    """
    if chosen := os.environ.get("REPGEN_DATA"):
        folder = Path(os.path.expanduser(chosen))
        if not folder.is_absolute():
            raise DataError(f"REPGEN_DATA is {chosen!r}, not a whole path; set it to {os.path.abspath(chosen)}, say")
        return folder
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "repgen"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or ".")
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "repgen"


def _fetch_mnist(folder: Path) -> None:
    from torchvision.datasets import MNIST

    MNIST(folder, download=True)  # verifies the md5 of each archive


def _fetch_faces(folder: Path) -> None:
    """What scikit-learn downloads (and verifies by its sha256) and keeps is a pickle, whose bytes depend on the
    versions at work, so that a copy could be verified only by opening it. What it returns is kept instead: plain
    numbers."""
    import numpy as np
    from sklearn.datasets import fetch_olivetti_faces

    images = fetch_olivetti_faces(data_home=str(folder / "sklearn")).images  # (400, 64, 64), ten of each person in turn
    (folder / FACES).parent.mkdir()
    np.save(folder / FACES, np.ascontiguousarray(images, "<f4"))


def _fetch_newsgroups(folder: Path) -> None:
    """Likewise: plain text, of each split the posts and their groups."""
    from sklearn.datasets import fetch_20newsgroups

    home, remove = str(folder / "sklearn"), ("headers", "footers", "quotes")
    splits = {split: fetch_20newsgroups(data_home=home, subset=split, remove=remove) for split in ("train", "test")}
    (folder / NEWSGROUPS).parent.mkdir()
    posts = {split: [found.data, found.target.tolist()] for split, found in splits.items()}
    (folder / NEWSGROUPS).write_text(json.dumps(posts, separators=(",", ":")), encoding="ascii")


def _mnist_servers() -> list[str]:
    from torchvision.datasets import MNIST

    return MNIST.mirrors


class Source(NamedTuple):
    servers: Callable[[], list[str]]  # addresses, of which one has to answer
    megabytes: int  # what is downloaded, about
    fetch: Callable[[Path], None]  # the standard loader, downloading into an empty folder
    files: dict[str, tuple[int, str]]  # path in the folder: bytes, md5
    kept: dict[str, tuple[int, str]] = {}  # noqa: RUF012 # never changed: a copy of known bytes that scikit-learn keeps, as good as `files`


SOURCES = {
    "mnist": Source(
        _mnist_servers,
        12,
        _fetch_mnist,
        {
            "MNIST/raw/train-images-idx3-ubyte": (47_040_016, "6bbc9ace898e44ae57da46a324031adb"),
            "MNIST/raw/train-labels-idx1-ubyte": (60_008, "a25bea736e30d166cdddb491f175f624"),
            "MNIST/raw/t10k-images-idx3-ubyte": (7_840_016, "2646ac647ad5339dbf082846283269ea"),
            "MNIST/raw/t10k-labels-idx1-ubyte": (10_008, "27ae3e4e09519cfbb04c329615203637"),
        },
    ),
    "faces": Source(
        lambda: ["https://ndownloader.figshare.com/files/5976027"],
        4,
        _fetch_faces,
        {FACES: (6_553_728, "07a0b12da3a900df29bf4bb54db20ddc")},
        {"sklearn/olivetti_py3.pkz": (1_422_821, "9676897d3de253a778cb2a83246b9ac2")},
    ),
    "newsgroups": Source(
        lambda: ["https://ndownloader.figshare.com/files/5975967"],
        14,
        _fetch_newsgroups,
        {NEWSGROUPS: (22_763_875, "d88e5ec5b3f562a142008da0510749d9")},
        {"sklearn/20news-bydate_py3.pkz": (15_280_399, "3e6004178397e95ee4893f4a4f613502")},
    ),
}


def paths(source: str) -> list[Path]:
    """The files of a source: those that scikit-learn kept where they are right, else where ours are or belong."""
    kept = SOURCES[source].kept
    return [root() / file for file in (kept if kept and not _compare(root(), kept) else SOURCES[source].files)]


def problems(source: str, folder: Path | None = None) -> dict[str, str]:
    """What is wrong with each file of a source that is not right: {path in the folder: a sentence}.

    Nothing, where what scikit-learn kept is right. Where it is not, and ours are missing, it is named, too.
    """
    folder, kept = folder or root(), SOURCES[source].kept
    fetch = f"python -m repgen data fetch {source}"
    wrong = _compare(folder, SOURCES[source].files)
    if not wrong or (kept and not (wrong_kept := _compare(folder, kept))):
        return {}
    advice = {file: f"Delete it, or replace it with: {fetch}" for file in wrong}
    if kept:
        wrong |= {file: text for file, text in wrong_kept.items() if text != "missing"}
        pickle = f"A pickle of unknown bytes is never opened, whoever wrote it; for a copy beside it: {fetch}"
        advice |= {file: pickle for file in kept}
    return {
        file: f"{folder / file} is missing. Fetch it with: {fetch}"
        if text == "missing"
        else f"{folder / file} {text} {advice[file]}"
        for file, text in wrong.items()
    }


def _compare(folder: Path, files: dict[str, tuple[int, str]]) -> dict[str, str]:
    """What is wrong with files of known bytes and md5: {path in the folder: what, "missing" or a part of a
    sentence}."""
    wrong = {}
    for file, (size, md5) in files.items():
        path = folder / file
        try:
            if (found := _md5(path)) != md5:
                wrong[file] = (
                    f"is damaged, or is not the original: found {path.stat().st_size:,} bytes with md5 {found}, "
                    f"expected {size:,} bytes with md5 {md5}."
                )
        except (FileNotFoundError, NotADirectoryError):
            wrong[file] = "missing"
        except OSError as error:
            wrong[file] = f"cannot be read ({error.strerror})."
    return wrong


def damaged(source: str) -> str:
    """What is wrong with the first file that is here but not right, else an empty string."""
    return next((text for file, text in problems(source).items() if os.path.lexists(root() / file)), "")


def verify(source: str) -> list[Path]:
    """Read the files of a source again; returns their paths, or raises DataError if one is missing or damaged."""
    _digest.cache_clear()
    if text := damaged(source) or next(iter(problems(source).values()), ""):
        raise DataError(text)
    return paths(source)


def fetch(source: str) -> list[Path]:
    """Download what is missing or damaged with the standard loader; returns the paths of all files of the source.

    The download goes to a folder of its own, and each file moves into place once all are whole and verified: one that
    breaks off leaves nothing behind. Raises DataError where it fails, or where the data folder cannot be written.
    """
    wanted = [file for file in problems(source) if file in SOURCES[source].files]
    if not wanted:
        return paths(source)
    try:
        root().mkdir(parents=True, exist_ok=True)
        _remove_leftovers()
        part = Path(tempfile.mkdtemp(prefix=f"{source}-", suffix=".part", dir=root()))
    except OSError as error:
        raise DataError(
            f"the data folder {root()} cannot be written ({error.strerror}); set REPGEN_DATA to a folder of your own"
        ) from error
    try:
        _reach(SOURCES[source].servers())
        print(f"{source}: downloading about {SOURCES[source].megabytes} MB to {root()}, once", flush=True)
        with contextlib.redirect_stdout(io.StringIO()):  # some loaders name the folder that is soon gone
            _watch(part, lambda: SOURCES[source].fetch(part))
        for text in problems(source, part).values():
            raise DataError(text)
        for file in wanted:
            (root() / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(part / file, root() / file)
    except Exception as error:  # whatever the loader, the network or the disk had to say
        raise DataError(f"{source} could not be downloaded: {' '.join(str(error).split())[:300]}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return paths(source)


def _remove_leftovers(hours: float = 1) -> None:
    """Removes the folders of downloads whose process was killed: no download takes so long."""
    for source in SOURCES:
        for part in root().glob(f"{source}-*.part"):
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > 3600 * hours:
                    shutil.rmtree(part, ignore_errors=True)


_failed: dict[tuple[str, Path], str] = {}
_said: set[str] = set()


def available(source: str, name: str, instead: str = "scikit-learn's bundled digits") -> bool:
    """Whether the files of a source are here and right, after one attempt per process to download what is missing.

    If they are not, one printed line per `name` says why, and what stands in. Raises DataError for a damaged file: that
    is the user's to decide, and nothing stands in for it.
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
            f"{instead} stand in; claims about {name} are not checked. "
            f"To try again: python -m repgen data fetch {source}"
        )
    return False


def _reach(urls: list[str], seconds: float = 5) -> None:
    """Raise OSError unless a server answers."""
    if os.environ.get("REPGEN_OFFLINE"):
        raise OSError("REPGEN_OFFLINE is set")
    for url in urls:
        ask = urllib.request.Request(url, method="HEAD")
        try:
            _start(functools.partial(urllib.request.urlopen, ask, timeout=seconds)).result(seconds).close()
            return
        except urllib.error.HTTPError:  # a refusal is an answer, too
            return
        except futures.TimeoutError:
            error = f"no answer in {seconds:g} s"
        except OSError as found:
            error = str(getattr(found, "reason", found))
    raise OSError(f"no server could be reached ({error})")


def _watch(folder: Path, task: Callable[[], None]) -> None:
    """Runs a task that fills a folder; OSError once it takes LIMIT seconds, or STALL seconds in which nothing comes.

    The standard loaders set no time limit, and one for each read would not stop a server that sends a byte now and
    then. A task that is given up goes on in its thread, where no one waits for it, until the program ends.
    """
    outcome, start = _start(task), time.monotonic()
    size, moved = 0, start
    while not futures.wait([outcome], timeout=min(0.5, STALL, LIMIT)).done:
        now, grown = time.monotonic(), _count_bytes(folder)
        size, moved = (grown, now) if grown != size else (size, moved)
        if now - moved > STALL:
            raise OSError(f"nothing came for {STALL:g} s; {size:,} bytes are here")
        if now - start > LIMIT:
            raise OSError(f"it took more than {LIMIT:g} s; {size:,} bytes are here")
    outcome.result()


def _count_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # gone in between
            total += path.lstat().st_size
    return total


def _start(task: Callable) -> futures.Future:
    """Runs a task in a thread that the program's end does not wait for: a look-up of a name cannot be stopped."""
    outcome: futures.Future = futures.Future()

    def work() -> None:
        try:
            outcome.set_result(task())
        except BaseException as error:  # for the one who asks for the result
            outcome.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return outcome


def _md5(path: Path) -> str:
    """The md5 of a file, remembered in memory until its size or time changes. OSError for what is not a file: a pipe
    would be waited for."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a file")
    return _digest(path, found.st_size, found.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, functools.partial(hashlib.md5, usedforsecurity=False)).hexdigest()
