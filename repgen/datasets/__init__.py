"""Named data sets as tensors on a device: found, verified, fetched, generated, or stood in for."""

import contextlib
import difflib
import functools
import inspect
import json
import operator
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from repgen.datasets import download, newsgroups, synthetic
from repgen.datasets.download import DataError, root

__all__ = ["Data", "DataError", "Status", "check", "fetch", "load_data", "load_images", "root", "status", "verify"]


@dataclass(frozen=True, repr=False, eq=False)
class Data:
    """What `load_data` returns.

    `x`: images (N, C, H, W) or documents (N, words) in [0, 1], or points (N, d); float32, contiguous. `labels`: (N,)
    int64, or None. `name` and `origin` say what it is and where it came from; `stand_in` is True where other data had
    to take the place of `name`. `classes` are the names of the labels and, of documents, `words` those of the columns
    of x.

    `len(data)` is N, and `data[rows]` the Data of these rows: a slice, a list of numbers, or a tensor of numbers or of
    N truth values. It is not a tuple: iterate over `data.x`, or `zip(data.x, data.labels)`. Cannot be changed;
    `dataclasses.replace(data, x=...)` makes another.
    """

    x: Tensor
    labels: Tensor | None
    name: str
    origin: str
    stand_in: bool = False
    classes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.labels is not None and len(self.labels) != len(self.x):
            raise DataError(f"{self.name}: {len(self.x)} examples have {len(self.labels)} labels; one each is wanted")

    @property
    def flat(self) -> Tensor:
        """Every example as one row: (N, C, H, W) -> (N, C H W)."""
        return self.x.flatten(1)

    def to(self, device: torch.device | str) -> "Data":
        """The same data on another device."""
        return replace(self, x=self.x.to(device), labels=None if self.labels is None else self.labels.to(device))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice | list[int] | Tensor | np.ndarray) -> "Data":
        if not isinstance(rows, slice | list | Tensor | np.ndarray) or getattr(rows, "ndim", 1) != 1:
            found = f"shape {tuple(rows.shape)}" if isinstance(rows, Tensor | np.ndarray) else repr(rows)
            raise TypeError(
                f"data[rows] takes a slice, a list or a tensor of rows, and is the Data of these; got {found}. "
                "One example is data.x[i] and data.labels[i]; data[[i]] is the Data of it alone"
            )
        rows = rows if isinstance(rows, slice) else torch.as_tensor(rows, device=self.x.device)
        if not isinstance(rows, slice) and not len(rows):
            rows = rows.long()  # an empty list has no type of its own
        return replace(self, x=self.x[rows].contiguous(), labels=None if self.labels is None else self.labels[rows])

    def __iter__(self) -> NoReturn:
        raise TypeError("a Data is not a tuple: take data.x and data.labels, or iterate over one of them")

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.x.shape))
        return f"{self.name}: {shape} on {self.x.device}; {self.origin}{' (a stand-in)' * self.stand_in}"


def check(
    x: Tensor, what: str = "x", *, ndim: int | None = None, features: int | None = None, unit: bool = False
) -> Tensor:
    """Return `x` if it can be learned from, else raise DataError (a ValueError) that begins with `what`.

    `x` must be a floating-point tensor with at least one row and no NaN or infinity; with `ndim` dimensions, with
    `features` numbers per row (after flattening) and, with `unit`, within [0, 1] where these are asked for.
    One pass over `x` and one synchronisation with the device; a second pass only to say what is wrong.
    """
    if not isinstance(x, Tensor):
        raise DataError(f"{what} is a {type(x).__name__}, not a tensor; pass torch.as_tensor(...)")
    shape = tuple(x.shape)
    if not x.is_floating_point():
        raise DataError(
            f"{what} holds {str(x.dtype).removeprefix('torch.')}, not floats; use .float() (and / 255 for bytes)"
        )
    if x.ndim == 0 or (ndim is not None and x.ndim != ndim):
        raise DataError(
            f"{what} has shape {shape}, but {'rows' if ndim is None else f'{ndim} dimensions'} were expected"
        )
    if x.numel() == 0:
        raise DataError(f"{what} has shape {shape}: there is nothing in it")
    if features is not None and x[0].numel() != features:
        raise DataError(f"{what} has shape {shape}, {x[0].numel()} numbers per row, but {features} were expected")
    low, high = torch.stack(x.detach().aminmax()).tolist()  # NaN, if there is any, is both
    if not (np.isfinite(low) and np.isfinite(high)):
        raise _find_wrong(x.detach(), what, ~x.detach().isfinite(), "not finite (NaN or infinite)")
    if unit and not (low >= 0 and high <= 1):
        found = " to ".join(_write(end) for end in x.detach().aminmax())
        raise _find_wrong(x.detach(), what, (x.detach() < 0) | (x.detach() > 1), f"outside [0, 1] (found {found})")
    return x


def _find_wrong(x: Tensor, what: str, wrong: Tensor, how: str) -> DataError:
    """The error that says how many values of x are wrong, and where the first of them is."""
    first = tuple(int(i) for i in np.unravel_index(int(wrong.flatten().byte().argmax()), x.shape))
    return DataError(
        f"{what} has shape {tuple(x.shape)}, and {int(wrong.sum()):,} of its {x.numel():,} values are {how}; "
        f"the first is {_write(x[first])} at {list(first)}"
    )


def _write(number: Tensor) -> str:
    """A number with as many digits as tell it from its neighbours."""
    number = number.cpu()
    return str((number.float() if number.dtype == torch.bfloat16 else number).numpy()[()])


def load_data(name: str, split: str = "train", device: torch.device | str = "cpu", **options) -> Data:
    """Load a data set by name.

    name            x, and what labels are                         splits                   options and defaults
    mnist           (60000 | 10000, 1, 28, 28), digit              train, test
    faces           (300 | 100 | 400, 1, size, size), person 0-39  train, test, all         size=32, a divisor of 64
    digits          (1500 | 297 | 1797, 1, size, size), digit      train, test, all         size=28
    pictures        (2, 3, 427, 640)                               train
    curves          (n, 1, 28, 28)                                 train, test              n=20000 | 10000, seed=0
    natural_patches (n, 1, size, size)                             train, test              n=10000, size=12, seed=0
    face_patches    (n, 1, 25, 25)                                 train, validation, test  n=103500|20700|41400, seed=0
    rotating_digit  (n, 1, 28, 28), k of the angle 360 k / n       train                    n=180, digit=3
    ring, grid      (n, 2), which Gaussian                         train, test              n=10000, noise=.01|.05
    spiral          (n, 2), rank along the arm                     train, test              n=1000, seed=0, noise=.01
    swiss_roll      (n, 3), rank along the roll                    train, test              n=1000, seed=0, noise=0
    moons           (n, 2), which half circle                      train, test              n=1000, seed=0, noise=.05
    newsgroups      (N, words), group 0-19                         train, test              words=2000

    Splits share nothing: other people (faces 0-29 and 30-39; face_patches alike, its validation patches being other
    crops of the training people), other parts of the pictures, or other random numbers. Generated data depend on seed
    and split alone. Images are in [0, 1]. How each is made: `repgen.datasets.synthetic`. Standardised face patches:
    `synthetic.standardize`.

    The newsgroups are 20 groups' posts split by date, without headers, footers and quotations; `words` are those in
    most training posts, stop words apart (`repgen.datasets.newsgroups`). x is log2(1 + count) / 4, from 15 on 1:
    `newsgroups.unscale` gives the counts. Posts that hold none of the words are left out: of 11,314 and 7,532 with
    2,000 words about one in 30.

    MNIST, the faces and the newsgroups are files under `root()`, in the layouts of torchvision and scikit-learn. What
    is there is verified by its checksum; what is missing is downloaded; where that fails, the digits bundled with
    scikit-learn stand in, for the newsgroups posts drawn from a topic model, and one printed line says so.

    Parameters
    ----------
    name : str
        One of the names above.
    split : str
        One of its splits.
    device : torch.device or str
        Where the tensors go.
    **options
        As above.

    Returns
    -------
    Data
        The examples ``x``, their ``labels`` or None, where they are from, and whether they stand in for others.

    Raises
    ------
    DataError
        For an unknown name, split or option, for a value that makes no sense, and for a damaged file, which is never
        replaced unasked.

    Examples
    --------
    >>> digits = load_data("digits", size=8)
    >>> digits.x.shape, digits.labels.shape
    (torch.Size([1500, 1, 8, 8]), torch.Size([1500]))
    >>> load_data("ring", "test", n=80, seed=1).x.shape
    torch.Size([80, 2])
    """
    kind = _SETS[check_choice("data set", name, _SETS)]
    check_choice(f"split of {name}", split, kind.splits)
    allowed = [p.name for p in inspect.signature(kind.make).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        check_choice(f"option of {name}", option, allowed)
    x, labels, origin, *more = kind.make(split, **options)  # more: stand_in, classes, words
    check(x, name, unit=x.ndim == 4 or len(more) > 1)
    return Data(x.contiguous(), labels, name, origin, *more).to(device)


def load_images(folder: str | Path, size: int = 64, channels: int = 3, device: torch.device | str = "cpu") -> Data:
    """A folder of your own pictures: x (N, channels, size, size) in [0, 1], in the order of their names.

    Of each the shorter side is made `size` pixels and the middle is cut out; `channels` is 1 for grey or 3 for colour.
    Where the pictures lie in folders in it, these are the classes: `classes` their names, `labels` (N,) which.
    All are held in memory, 4 bytes a number: 10,000 in colour at 64 x 64 take half a gigabyte.

    Raises DataError for a folder that is missing or without pictures, for a file that cannot be read (and names it),
    for a size or number of channels that makes no sense, and where only some pictures lie in folders.
    """
    from repgen.datasets.folder import list_pictures, read_picture

    folder, size = Path(folder).expanduser(), check_whole("size", size, 1, 4096)
    if channels not in (1, 3) or isinstance(channels, bool):
        raise DataError(f"channels is 1 for grey or 3 for colour, got {channels!r}")
    files, labels, classes = list_pictures(folder)
    x = torch.empty(len(files), channels, size, size)
    for row, file in zip(x, files):
        row.copy_(read_picture(file, size, channels))
    of_each = None if labels is None else torch.tensor(labels)
    return Data(x, of_each, folder.resolve().name, "pictures from a folder", classes=classes).to(device)


def check_choice(what: str, word: str, known: Iterable[str]) -> str:
    """`word`, or DataError with the nearest known one where it is not among them."""
    if word in (known := list(known)):
        return word
    near = difflib.get_close_matches(str(word).lower(), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise DataError(f"unknown {what}: {word!r}.{hint} Known: {', '.join(known) or 'none'}.")


def check_whole(what: str, value, low: int, high: int | None = None) -> int:
    with contextlib.suppress(TypeError):
        if not isinstance(value, bool) and (n := operator.index(value)) >= low and (high is None or n <= high):
            return n
    wanted = f"from {low} to {high}" if high is not None else f"of at least {low}"
    raise DataError(f"{what} must be a whole number {wanted}, got {value!r}")


def check_number(what: str, value) -> float:
    with contextlib.suppress(TypeError, ValueError):
        if not isinstance(value, (str, bool)) and 0 <= float(value) < float("inf"):
            return float(value)
    raise DataError(f"{what} must be a number of at least 0, got {value!r}")


def verify(name: str) -> list[Path]:
    """Read the files of `name` again and compare checksums: their paths, [] for data without files.

    Raises DataError where one is damaged or missing.
    """
    source = _SETS[check_choice("data set", name, _SETS)].source
    return download.verify(source) if source in download.SOURCES else []


def fetch(name: str) -> list[Path]:
    """Download the files of `name` that are missing or damaged: the paths of all, [] for data without files.

    Raises DataError where that fails; nothing half-written is left (`repgen.datasets.download.fetch`).
    """
    source = _SETS[check_choice("data set", name, _SETS)].source
    return download.fetch(source) if source in download.SOURCES else []


class Status(NamedTuple):
    """One row of `status`. `state`: verified, missing or damaged for files; bundled or generated for what needs
    none."""

    name: str
    state: str
    where: str  # a folder, or the library that brings the data, or "made when asked for"
    size: int  # bytes on disk, 0 without files
    note: str  # what is wrong, else ""


def status() -> list[Status]:
    """What is here: one row for every name that `load_data` knows. Downloads nothing, and raises nothing about the
    files."""
    rows = []
    for name, (_, _, source) in _SETS.items():
        if source not in download.SOURCES:
            rows.append(Status(name, source, "scikit-learn" if source == "bundled" else "made when asked for", 0, ""))
            continue
        there = [path for path in download.paths(source) if os.path.isfile(path)]
        damaged, wrong = download.damaged(source), "; ".join(download.problems(source).values())
        state = "damaged" if damaged else "missing" if wrong else "verified"
        folder = str(download.paths(source)[0].parent)
        rows.append(Status(name, state, folder, sum(map(os.path.getsize, there)), wrong))
    return rows


# --- the data sets: each returns x, labels, origin and, where it may be one, whether it is a stand-in ---


def _mnist(split: str) -> tuple:
    if not download.available("mnist", "mnist"):
        x, labels, origin = _digits(split, size=20)  # MNIST's digits, too, fill the middle 20 x 20
        return F.pad(x, (4, 4, 4, 4)), labels, origin, True
    folder, part = root() / "MNIST" / "raw", "train" if split == "train" else "t10k"
    # The checksum is right, so the header is: 16 bytes before the images, 8 before the labels.
    x = torch.from_numpy(np.fromfile(folder / f"{part}-images-idx3-ubyte", np.uint8, offset=16))
    labels = torch.from_numpy(np.fromfile(folder / f"{part}-labels-idx1-ubyte", np.uint8, offset=8))
    return x.view(-1, 1, 28, 28) / 255, labels.long(), "LeCun, Cortes and Burges, MNIST, the original files"


def _faces(split: str, *, size: int = 32) -> tuple:
    if check_whole("size", size, 1, 64) and 64 % size:
        raise DataError(f"size must divide 64, so that pixels can be averaged in squares; got {size}")
    if real := download.available("faces", "faces"):
        x = torch.from_numpy(_read_faces()).reshape(-1, 1, 64, 64)
        people = torch.arange(len(x)) // 10
        origin = "AT&T Laboratories Cambridge, Olivetti faces, as scikit-learn keeps them"
    else:
        x, digit, origin = _digits("all", size=64)
        # "Person" p writes the digit p mod 10, ten times.
        x = torch.cat([x[digit == p % 10][p // 10 * 10 :][:10] for p in range(40)])
        people = torch.arange(40).repeat_interleave(10)
    keep = {"train": people < 30, "test": people >= 30, "all": people >= 0}[split]
    return F.avg_pool2d(x[keep], 64 // size), people[keep], origin, not real


def _read_faces() -> np.ndarray:
    """The photographs (400, 64, 64), from a file that has been verified."""
    from sklearn.datasets import fetch_olivetti_faces

    (path,) = download.paths("faces")
    if path.suffix == ".npy":
        return np.load(path)
    return fetch_olivetti_faces(data_home=str(path.parent), download_if_missing=False).images


def _digits(split: str, *, size: int = 28) -> tuple:
    from sklearn.datasets import load_digits

    check_whole("size", size, 1, 1024)
    x, labels = load_digits(return_X_y=True)
    keep = {"train": slice(1500), "test": slice(1500, None), "all": slice(None)}[split]  # the order is by writer
    x, labels = torch.from_numpy(x[keep]).float().view(-1, 1, 8, 8) / 16, torch.from_numpy(labels[keep]).long()
    if size != 8:
        x = F.interpolate(x, (size, size), mode="bicubic", antialias=size < 8).clamp(0, 1)
    return x, labels, "E. Alpaydin and C. Kaynak, optical digits 8 x 8, bundled with scikit-learn"


def _pictures(split: str) -> tuple:
    from sklearn.datasets import load_sample_images

    x = torch.from_numpy(np.stack(load_sample_images().images))  # (2, 427, 640, 3)
    return x.permute(0, 3, 1, 2) / 255, None, "china.jpg and flower.jpg, bundled with scikit-learn"


def _curves(split: str, *, n: int | None = None, seed: int = 0) -> tuple:
    n = check_whole("n", {"train": 20_000, "test": 10_000}[split] if n is None else n, 1)
    return synthetic.curves(n, _generator(seed, split))[0], None, "generated, after Hinton & Salakhutdinov 2006"


def _natural_patches(split: str, *, n: int = 10_000, size: int = 12, seed: int = 0) -> tuple:
    x, _, origin = _pictures(split)
    grey = (x * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)  # luma of ITU-R BT.601
    grey = grey[..., :480] if split == "train" else grey[..., 480:]
    x = synthetic.patches(grey, check_whole("n", n, 1), check_whole("size", size, 1, 160), _generator(seed, split))
    return x, None, f"patches of {origin}"


def _face_patches(split: str, *, n: int | None = None, seed: int = 0) -> tuple:
    n = check_whole("n", {"train": 103_500, "validation": 20_700, "test": 41_400}[split] if n is None else n, 1)
    generator = _generator(seed, split)
    faces, _, origin, stand_in = _faces("test" if split == "test" else "train", size=64)
    return synthetic.face_patches(faces, n, generator), None, f"patches of {origin}", stand_in


def _newsgroups(split: str, *, words: int = 2000) -> tuple:
    check_whole("words", words, 100, 20_000)
    if download.available("newsgroups", "newsgroups", "posts drawn from a topic model"):
        (path,) = download.paths("newsgroups")
        vocabulary = _read_vocabulary(path, words)
        texts, groups = _read_posts(path, split)
        counts, labels = newsgroups.count_words(texts, vocabulary), torch.tensor(groups)
        origin, stand_in = "K. Lang, 20 newsgroups, split by date (J. Rennie), as scikit-learn keeps them", False
    else:
        n = {"train": 3000, "test": 2500}[split]
        counts, labels, vocabulary = newsgroups.topic_model(n, words, _generator(0, split))
        origin, stand_in = "generated from a topic model", True
    some = counts.any(1)
    return newsgroups.log_scale(counts[some]), labels[some], origin, stand_in, newsgroups.GROUPS, vocabulary


@functools.lru_cache(maxsize=2)
def _read_posts(path: Path, split: str) -> tuple[list[str], list[int]]:
    """Texts and groups, from a file that has been verified."""
    from sklearn.datasets import fetch_20newsgroups

    if path.suffix == ".json":
        return tuple(json.loads(path.read_text(encoding="ascii"))[split])
    remove = ("headers", "footers", "quotes")
    kept = fetch_20newsgroups(data_home=str(path.parent), subset=split, remove=remove, download_if_missing=False)
    return kept.data, kept.target.tolist()


@functools.lru_cache(maxsize=4)
def _read_vocabulary(path: Path, words: int) -> tuple[str, ...]:
    return newsgroups.vocabulary(_read_posts(path, "train")[0], words)


def _rotating_digit(split: str, *, n: int = 180, digit: int = 3) -> tuple:
    x, labels, origin = _digits("all", size=20)
    # its corners stay inside when it turns
    image = F.pad(x[labels == check_whole("digit", digit, 0, 9)][0], (4, 4, 4, 4))
    return *synthetic.rotations(image, check_whole("n", n, 1)), f"generated from {origin}"


def _points(make, default_n: int, default_noise: float):
    def points(split: str, *, n: int = default_n, seed: int = 0, noise: float = default_noise) -> tuple:
        return *make(check_whole("n", n, 1), _generator(seed, split), check_number("noise", noise)), "generated"

    return points


def _generator(seed: int, split: str) -> torch.Generator:
    """Random numbers of their own for every seed and split."""
    return torch.Generator().manual_seed(
        3 * check_whole("seed", seed, 0, 2**31 - 1) + ("train", "validation", "test").index(split)
    )


class _Set(NamedTuple):
    make: Callable[..., tuple]  # of the split; its keyword-only arguments are the options of `load_data`
    splits: tuple[str, ...]
    source: str  # a key of download.SOURCES, "bundled" or "generated"


_SETS = {
    "mnist": _Set(_mnist, ("train", "test"), "mnist"),
    "faces": _Set(_faces, ("train", "test", "all"), "faces"),
    "digits": _Set(_digits, ("train", "test", "all"), "bundled"),
    "pictures": _Set(_pictures, ("train",), "bundled"),
    "curves": _Set(_curves, ("train", "test"), "generated"),
    "natural_patches": _Set(_natural_patches, ("train", "test"), "bundled"),
    "face_patches": _Set(_face_patches, ("train", "validation", "test"), "faces"),
    "rotating_digit": _Set(_rotating_digit, ("train",), "bundled"),
    "ring": _Set(_points(synthetic.ring, 10_000, 0.01), ("train", "test"), "generated"),
    "grid": _Set(_points(synthetic.grid, 10_000, 0.05), ("train", "test"), "generated"),
    "spiral": _Set(_points(synthetic.spiral, 1000, 0.01), ("train", "test"), "generated"),
    "swiss_roll": _Set(_points(synthetic.swiss_roll, 1000, 0.0), ("train", "test"), "generated"),
    "moons": _Set(_points(synthetic.moons, 1000, 0.05), ("train", "test"), "generated"),
    "newsgroups": _Set(_newsgroups, ("train", "test"), "newsgroups"),
}
