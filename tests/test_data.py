"""Named data sets: the real files against the standard loaders, and everything that can go wrong with them."""

import collections
import contextlib
import copy
import dataclasses
import http.server
import io
import json
import os
import pickle
import re
import socket
import tarfile
import threading
import time
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
import sklearn.datasets._olivetti_faces as olivetti
import sklearn.datasets._twenty_newsgroups as twenty
import torch
import torchvision.datasets.mnist as vision
from scipy.io import savemat
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from repgen import datasets
from repgen.datasets import DataError, check, download, load_data, newsgroups

NAMES = tuple(datasets._SETS)
TRAIN_LABELS = "MNIST/raw/train-labels-idx1-ubyte"
FACES = "sklearn/olivetti_py3.pkz"
NEWS = "sklearn/20news-bydate_py3.pkz"
EXACT = "donot_use_mm_for_euclid_dist"  # so that equal rows are at distance zero


@pytest.fixture
def real(request):
    """The real root; skips where the files are not there."""
    source = request.param
    if download.problems(source):
        pytest.skip(f"{source} is not in {download.root()}: set REPGEN_DATA, or python -m repgen data fetch {source}")
    return download.root()


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty root, no network, and a process that has tried and said nothing yet."""
    monkeypatch.setenv("REPGEN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("REPGEN_OFFLINE", "1")
    monkeypatch.setattr(download, "_failed", {})
    monkeypatch.setattr(download, "_said", set())
    return tmp_path / "data"


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# --- what load returns ---


@pytest.mark.parametrize("name", NAMES)
def test_every_set_is_float32_images_in_range_or_points_and_splits_differ(name, empty):
    options = {"n": 50} if name in ("curves", "natural_patches", "face_patches") else {}
    for split in datasets._SETS[name].splits:
        d = load_data(name, split, **options)
        assert d.x.dtype == torch.float32 and d.x.is_contiguous() and d.flat.shape == (len(d.x), d.x[0].numel())
        assert d.name == name and d.origin and str(download.root()) not in repr(d)
        assert d.x.ndim == 2 or (d.x.ndim == 4 and d.x.min() >= 0 and d.x.max() <= 1)
        assert d.labels is None or (d.labels.dtype == torch.int64 and d.labels.shape == (len(d.x),))
        assert d.stand_in == (name in ("mnist", "faces", "face_patches", "newsgroups"))
        moved = d.to("meta")
        assert moved.x.device.type == "meta" and (d.labels is None or moved.labels.device.type == "meta")
    again = load_data(name, split, "meta", **options), load_data(name, split, **options)
    assert again[0].x.device.type == "meta" and torch.equal(again[1].x, d.x)
    if "test" in datasets._SETS[name].splits:
        train, test = (load_data(name, split, **options).flat for split in ("train", "test"))
        assert torch.cdist(train[:500], test[:500], compute_mode=EXACT).min() > 0


@pytest.mark.parametrize(
    "name", ["curves", "ring", "grid", "spiral", "swiss_roll", "moons", "natural_patches", "face_patches"]
)
def test_generated_sets_depend_on_the_seed_and_keep_to_n(name, empty):
    a, b = load_data(name, n=40, seed=1), load_data(name, n=40, seed=2)
    assert len(a.x) == len(b.x) == 40 and not torch.equal(a.x, b.x)


def test_published_sizes_are_the_defaults(empty):
    assert len(load_data("curves").x) == 20_000 and len(load_data("curves", "test").x) == 10_000
    assert load_data("face_patches", "validation").x.shape == (20_700, 1, 25, 25)


@pytest.mark.parametrize("real", ["mnist"], indirect=True)
@pytest.mark.parametrize("split", ["train", "test"])
def test_mnist_is_torchvisions(real, split):
    theirs = vision.MNIST(real, train=split == "train")
    ours = load_data("mnist", split)
    assert (
        torch.equal(ours.x[:, 0], theirs.data / 255) and torch.equal(ours.labels, theirs.targets) and not ours.stand_in
    )


@pytest.mark.parametrize("real", ["faces"], indirect=True)
def test_faces_are_scikit_learns_pooled_and_split_by_person(real):
    theirs = sklearn.datasets.fetch_olivetti_faces(data_home=real / "sklearn", download_if_missing=False)
    pooled = theirs.images.reshape(400, 32, 2, 32, 2).mean((2, 4))
    every, train, test = load_data("faces", "all"), load_data("faces"), load_data("faces", "test")
    assert np.allclose(every.x[:, 0].numpy(), pooled, atol=1e-6) and np.array_equal(every.labels.numpy(), theirs.target)
    assert torch.equal(torch.cat([train.x, test.x]), every.x) and (len(train.x), len(test.x)) == (300, 100)
    assert train.labels.max() == 29 and test.labels.min() == 30
    assert np.array_equal(load_data("faces", "all", size=64).x[:, 0].numpy(), theirs.images)


@pytest.mark.parametrize("real", ["faces"], indirect=True)
def test_face_patches_come_from_the_people_of_their_split(real, monkeypatch):
    """With every face painted in the grey of its person, a patch tells whose it is."""
    grey = types.SimpleNamespace(seen=None)
    painted = np.repeat(np.arange(40) / 40, 10)[:, None, None].astype(np.float32).repeat(64, 1).repeat(64, 2)
    monkeypatch.setattr(datasets, "_read_faces", lambda: painted)
    for split, people in (("train", range(30)), ("validation", range(30)), ("test", range(30, 40))):
        grey.seen = (load_data("face_patches", split, n=2000).x[:, 0, 12, 12] * 40).round().int().unique().tolist()
        assert grey.seen == list(people)


@pytest.mark.parametrize("real", ["newsgroups"], indirect=True)
def test_newsgroups_are_scikit_learns_posts_counted_one_by_one(real):
    stop = {*ENGLISH_STOP_WORDS, *newsgroups.FRAGMENTS}
    for split, total in (("train", 11_314), ("test", 7_532)):
        theirs = sklearn.datasets.fetch_20newsgroups(
            data_home=real / "sklearn", subset=split, remove=("headers", "footers", "quotes"), download_if_missing=False
        )
        posts = [collections.Counter(re.findall("[a-z]{2,}", post.lower())) for post in theirs.data]
        if split == "train":
            seen = collections.Counter(word for post in posts for word in post if word not in stop)
            names = sorted(sorted(seen, key=lambda word: (-seen[word], word))[:2000])
        counts = torch.tensor([[post[word] for word in names] for post in posts]).float()
        some = counts.sum(1) > 0
        ours = load_data("newsgroups", split)
        assert ours.words == tuple(names) and ours.classes == tuple(theirs.target_names)
        assert len(theirs.data) == total and torch.equal(ours.labels, torch.from_numpy(theirs.target)[some])
        assert torch.equal(newsgroups.unscale(ours.x), counts[some].clamp(max=15)) and 0.95 < some.float().mean() < 0.98
        assert not ours.stand_in and ours.x.max() == 1 and ours.to("cpu").words == ours.words


def test_words_by_hand():
    texts = ["Dogs don't bark; DOGS run, x2y.", "A dog? dogs!", "cats run, cats bark", ""]
    assert newsgroups.count_words(texts[:1], ("bark", "dogs", "don", "run", "t", "x")).tolist() == [[1, 2, 1, 1, 0, 0]]
    assert newsgroups.vocabulary(texts, 3) == ("bark", "dogs", "run")  # each in two posts; "don" is a fragment
    assert newsgroups.vocabulary(texts, 4) == ("bark", "cats", "dogs", "run")  # "cats" before "dog", in one post each
    counts = newsgroups.count_words(texts, ("dogs", "run"))
    assert counts.tolist() == [[2, 1], [1, 0], [0, 1], [0, 0]]
    assert torch.allclose(
        newsgroups.log_scale(torch.tensor([0.0, 1, 3, 7, 15, 800])), torch.tensor([0, 0.25, 0.5, 0.75, 1, 1])
    )
    every = torch.arange(16.0)
    assert torch.equal(newsgroups.unscale(newsgroups.log_scale(every)), every)


def test_posts_that_stand_in_have_the_topics_that_they_were_made_with():
    counts, groups, words = newsgroups.topic_model(4000, 400, torch.Generator().manual_seed(0))
    assert counts.shape == (4000, 400) and len(set(words)) == 400 and set(groups.tolist()) == set(range(20))
    assert counts.sum(1).min() >= 10 and counts.sum(1).max() <= 60
    owner = torch.tensor(
        [newsgroups.GROUPS.index(w.rsplit("-", 1)[0]) if not w.startswith("common-") else -1 for w in words]
    )
    own = (counts * (owner == groups[:, None])).sum() / counts.sum()
    following = (counts * (owner == (groups[:, None] + 1) % 20)).sum() / counts.sum()
    assert own == pytest.approx(0.3, abs=0.01) and following == pytest.approx(0.1, abs=0.01)


def test_digits_are_scikit_learns_at_their_own_size_and_fill_the_frame_at_others():
    theirs = sklearn.datasets.load_digits()
    own = [load_data("digits", split, size=8) for split in ("train", "test")]
    assert np.array_equal(torch.cat([d.x for d in own])[:, 0].numpy(), theirs.images / 16)
    assert np.array_equal(torch.cat([d.labels for d in own]).numpy(), theirs.target)
    large = load_data("digits", "all", size=28).x
    back = torch.nn.functional.interpolate(large, (8, 8), mode="area")[:, 0].flatten()
    assert torch.corrcoef(torch.stack([back, torch.from_numpy(theirs.images).float().flatten()]))[0, 1] > 0.97


def test_pictures_and_their_patches():
    theirs = sklearn.datasets.load_sample_images().images
    x = load_data("pictures").x
    assert x.shape == (2, 3, 427, 640) and np.allclose(x[1, :, 5, 7].numpy() * 255, theirs[1][5, 7], atol=1e-4)
    grey = np.stack(theirs) / 255 @ [0.299, 0.587, 0.114]
    windows = np.lib.stride_tricks.sliding_window_view(grey, (12, 12), axis=(1, 2))  # (2, 416, 629, 12, 12)
    for split, columns in (("train", slice(0, 469)), ("test", slice(480, None))):
        for patch in load_data("natural_patches", split, n=5).x[:, 0].numpy():
            candidates = np.abs(windows[:, :, columns, 0, 0] - patch[0, 0]) < 1e-5
            assert np.abs(windows[:, :, columns][candidates] - patch).max((1, 2)).min() < 1e-5


def test_rotating_digit_is_one_digit_all_the_way_round():
    d = load_data("rotating_digit", n=8, digit=7)
    assert torch.equal(d.labels, torch.arange(8)) and torch.allclose(d.x[2], d.x[0].rot90(1, (1, 2)), atol=1e-4)
    mass = d.flat.sum(1)
    assert (mass / mass[0] - 1).abs().max() < 0.01  # nothing turns out of the frame


# --- Data ---


def some():
    return datasets.Data(torch.rand(6, 1, 2, 2), torch.arange(6), "six", "made here", classes=tuple("abcdef"))


def test_the_length_of_data_is_the_number_of_examples():
    assert len(load_data("digits")) == 1500 and len(load_data("ring", n=7)) == 7 and len(some()) == 6


@pytest.mark.parametrize(
    "rows",
    [
        slice(None, None, 2),
        slice(1, 1),
        [4, 0],
        torch.tensor([5, 5, 1]),
        np.array([2, 3]),
        [],
        torch.arange(6) % 3 == 0,
        -torch.arange(1, 3),
    ],
)
def test_rows_of_data_are_data(rows):
    data, part = some(), some()[rows]
    index = rows if isinstance(rows, slice) else np.asarray(rows, dtype=int if len(rows) == 0 else None)
    assert np.array_equal(part.labels.numpy(), np.arange(6)[index])
    part = data[rows]
    assert type(part) is datasets.Data and torch.equal(part.x, data.x[part.labels]) and part.x.is_contiguous()
    assert (part.name, part.classes) == (data.name, data.classes) and len(part) == len(part.x)
    assert datasets.Data(data.x, None, "six", "here")[rows].labels is None


@pytest.mark.parametrize("rows", [0, -1, (0, 1), "x", None, ..., torch.tensor(3), torch.zeros(2, 2, dtype=int), 1.5])
def test_one_example_or_nonsense_is_no_data(rows):
    with pytest.raises(TypeError, match=r"data\[rows\] takes a slice.*data.x\[i\]"):
        some()[rows]


def test_data_is_not_a_tuple_and_cannot_be_changed():
    data = some()
    with pytest.raises(TypeError, match="not a tuple.*data.x and data.labels"):
        x, labels = data
    with pytest.raises(AttributeError):
        data.x = torch.zeros(6, 1, 2, 2)
    assert not isinstance(data, tuple) and not hasattr(data, "count") and not hasattr(data, "index")
    with pytest.raises(DataError, match="six: 2 examples have 6 labels"):
        dataclasses.replace(data, x=data.x[:2])


def test_data_is_copied_pickled_and_replaced():
    data = some()
    for again in (pickle.loads(pickle.dumps(data)), copy.deepcopy(data), dataclasses.replace(data)):
        assert torch.equal(again.x, data.x) and torch.equal(again.labels, data.labels) and repr(again) == repr(data)
    assert repr(data) == "six: 6 x 1 x 2 x 2 on cpu; made here"
    other = dataclasses.replace(data, x=data.x + 1, stand_in=True)
    assert torch.equal(other.x, data.x + 1) and repr(other).endswith("made here (a stand-in)")


# --- names, splits, options ---


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: load_data("minst"), ["'minst'", "Did you mean 'mnist'?", *NAMES]),
        (lambda: load_data("MNIST"), ["Did you mean 'mnist'?"]),
        (lambda: load_data(["mnist"]), ["data set"]),
        (lambda: load_data("digits", "tset"), ["split of digits", "Did you mean 'test'?", "train, test, all"]),
        (lambda: load_data("curves", "all"), ["split of curves", "train, test"]),
        (lambda: load_data("faces", sise=32), ["option of faces", "Did you mean 'size'?"]),
        (lambda: load_data("mnist", n=10), ["option of mnist", "Known: none"]),
        (lambda: load_data("faces", size=30), ["divide 64", "30"]),
        (lambda: load_data("faces", size=128), ["size", "1 to 64", "128"]),
        (lambda: load_data("digits", size=0), ["size", "0"]),
        (lambda: load_data("ring", n=0), ["n must be", "at least 1", "0"]),
        (lambda: load_data("curves", n=2.5), ["n must be", "2.5"]),
        (lambda: load_data("curves", n=True), ["n must be", "True"]),
        (lambda: load_data("grid", seed=-1), ["seed", "-1"]),
        (lambda: load_data("spiral", noise=-0.1), ["noise", "-0.1"]),
        (lambda: load_data("spiral", noise=float("nan")), ["noise", "nan"]),
        (lambda: load_data("moons", noise="much"), ["noise", "'much'"]),
        (lambda: load_data("rotating_digit", digit=10), ["digit", "0 to 9", "10"]),
        (lambda: load_data("natural_patches", size=161), ["size", "1 to 160"]),
        (lambda: load_data("newsgroups", words=99), ["words", "100 to 20000", "99"]),
        (lambda: load_data("newsgroups", "all"), ["split of newsgroups", "train, test"]),
        (lambda: datasets.fetch("facse"), ["Did you mean 'faces'?"]),
        (lambda: datasets.verify("curve"), ["Did you mean 'curves'?"]),
    ],
)
def test_what_makes_no_sense_is_named(call, words):
    with pytest.raises(DataError) as error:
        call()
    for word in words:
        assert word in str(error.value)


# --- check ---


def spoilt(value, *places, shape=(3, 4)):
    x = torch.full(shape, 0.5)
    for place in places:
        x[place] = value
    return x


@pytest.mark.parametrize(
    ("x", "asked", "words"),
    [
        (spoilt(float("nan"), (1, 2), (2, 0)), {}, ["images", "(3, 4)", "2 of its 12", "nan at [1, 2]"]),
        (spoilt(float("inf"), (2, 3)), {}, ["1 of its 12", "inf at [2, 3]"]),
        (spoilt(float("-inf"), (0, 0)), {}, ["-inf at [0, 0]"]),
        (
            spoilt(1.5, (1, 1), (2, 2), (2, 3)),
            {"unit": True},
            ["3 of its 12", "outside [0, 1]", "0.5 to 1.5", "1.5 at [1, 1]"],
        ),
        (spoilt(-0.25, (0, 3)), {"unit": True}, ["-0.25 at [0, 3]"]),
        (spoilt(1.0000001, (0, 3)), {"unit": True}, ["found 0.5 to 1.0000001", "1.0000001 at [0, 3]"]),
        (
            spoilt(1 + 1e-15, (0, 3)).double().index_fill(0, torch.tensor(1), 1 + 4e-16),
            {"unit": True},
            ["1.0000000000000004 at [1, 0]"],
        ),
        (spoilt(1.0, (0, 3)).bfloat16() * 1.0079, {"unit": True}, ["1.0078125 at [0, 3]"]),
        (torch.zeros(3, 4, dtype=torch.uint8), {}, ["uint8", ".float()"]),
        (torch.zeros(3, 4, dtype=torch.int64), {}, ["int64"]),
        (torch.zeros(3, 4, dtype=torch.complex64), {}, ["complex64"]),
        (torch.zeros(0, 4), {}, ["(0, 4)", "nothing"]),
        (torch.zeros(4, 0), {}, ["(4, 0)", "nothing"]),
        (torch.tensor(1.0), {}, ["()", "rows"]),
        (torch.zeros(3, 1, 2, 2), {"ndim": 2}, ["(3, 1, 2, 2)", "2 dimensions"]),
        (torch.zeros(3, 1, 2, 2), {"features": 5}, ["(3, 1, 2, 2)", "4 numbers", "5"]),
        (torch.zeros(3, 4), {"features": 3}, ["4 numbers", "3"]),
        (np.zeros((3, 4)), {}, ["ndarray", "torch.as_tensor"]),
    ],
)
def test_check_says_what_is_wrong_where(x, asked, words):
    with pytest.raises(ValueError) as error:
        check(x, "images", **asked)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_check_passes_what_is_right_on(dtype):
    x = torch.rand(3, 1, 2, 2).to(dtype).requires_grad_()
    assert check(x, ndim=4, features=4, unit=True) is x
    assert check(100 * x) is not None


# --- the stand-in ---


def test_missing_mnist_is_stood_in_for_with_one_line(empty, capsys):
    train, test = load_data("mnist"), load_data("mnist", "test")
    digits = load_data("digits", size=20)
    assert train.stand_in and test.stand_in and train.x.shape == (1500, 1, 28, 28) and test.x.shape == (297, 1, 28, 28)
    assert torch.equal(train.x[..., 4:24, 4:24], digits.x) and torch.equal(train.labels, digits.labels)
    assert train.x.sum() == pytest.approx(digits.x.sum().item(), rel=1e-5)  # a black border
    (line,) = capsys.readouterr().out.splitlines()
    for word in ("mnist", str(empty), "REPGEN_OFFLINE", "stand in"):
        assert word in line


def test_missing_faces_become_forty_people_of_ten(empty, capsys):
    every, train, test = (load_data("faces", split) for split in ("all", "train", "test"))
    assert (
        every.stand_in
        and every.x.shape == (400, 1, 32, 32)
        and torch.equal(every.labels.bincount(), torch.full((40,), 10))
    )
    assert train.labels.max() == 29 and test.labels.min() == 30 and torch.equal(torch.cat([train.x, test.x]), every.x)
    assert len(every.flat.unique(dim=0)) == 400  # nobody twice
    digits = load_data("digits", "all", size=64)
    label = {x.numpy().tobytes(): int(y) for x, y in zip(digits.x, digits.labels)}
    own = torch.tensor([label[x.numpy().tobytes()] for x in load_data("faces", "all", size=64).x])
    assert torch.equal(own, every.labels % 10)  # each person writes one digit
    assert load_data("face_patches", n=5).stand_in
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_failed_download_is_tried_once_in_a_process_but_again_when_asked_for(empty, monkeypatch):
    tries = []
    monkeypatch.setattr(download, "_reach", lambda urls: None)
    monkeypatch.setitem(
        download.SOURCES,
        "mnist",
        download.SOURCES["mnist"]._replace(fetch=lambda folder: tries.append(folder) or 1 / 0),
    )
    assert load_data("mnist").stand_in and load_data("mnist", "test").stand_in and len(tries) == 1
    with pytest.raises(DataError, match="could not be downloaded"):
        datasets.fetch("mnist")
    assert len(tries) == 2


def test_a_root_that_cannot_be_written_is_named(tmp_path, empty, monkeypatch, capsys):
    put(tmp_path / "file", b"")
    monkeypatch.setenv("REPGEN_DATA", str(tmp_path / "file" / "data"))  # binds root, too, unlike chmod
    assert load_data("mnist").stand_in
    (line,) = capsys.readouterr().out.splitlines()
    assert (
        "fetch mnist" in line
        and "cannot be written" in line
        and str(tmp_path / "file" / "data") in line
        and "REPGEN_DATA" in line
    )
    with pytest.raises(DataError, match="REPGEN_DATA"):
        datasets.fetch("faces")


# --- downloads ---


def test_a_download_that_breaks_off_leaves_nothing(empty, monkeypatch, capsys):
    """torchvision's own loader, whose transfer of the third file breaks off half-way."""
    written = []

    def transfer(url, download_root, filename, md5):
        path = put(Path(download_root) / filename.removesuffix(".gz"), b"half a file")
        written.append(path)
        if len(written) == 3:
            raise ConnectionResetError("the line went dead")

    monkeypatch.setattr(download, "_reach", lambda urls: None)
    monkeypatch.setattr(vision, "download_and_extract_archive", transfer)
    assert load_data("mnist").stand_in and len(written) == 3
    assert "the line went dead" in capsys.readouterr().out
    assert list(empty.rglob("*")) == []


def test_a_download_that_is_interrupted_leaves_nothing(empty, monkeypatch):
    def fetch(folder):
        put(folder / FACES, b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_reach", lambda urls: None)
    monkeypatch.setitem(download.SOURCES, "faces", download.SOURCES["faces"]._replace(fetch=fetch))
    with pytest.raises(KeyboardInterrupt):
        load_data("faces")
    assert list(empty.rglob("*")) == []


def test_a_download_of_something_else_is_refused(empty, monkeypatch):
    source = download.SOURCES["mnist"]
    monkeypatch.setattr(download, "_reach", lambda urls: None)
    monkeypatch.setitem(
        download.SOURCES,
        "mnist",
        source._replace(fetch=lambda folder: [put(folder / file, b"a login page") for file in source.files]),
    )
    with pytest.raises(DataError, match="could not be downloaded.*is not the original"):
        datasets.fetch("mnist")
    assert list(empty.rglob("*")) == []


def test_fetch_brings_what_is_missing_or_damaged_and_leaves_the_rest(empty, monkeypatch):
    content = {"a/one": b"one", "a/two": b"two", "three": b"three"}
    sums = {file: (len(x), download.hashlib.md5(x).hexdigest()) for file, x in content.items()}
    fetched = download.Source(list, 1, lambda folder: [put(folder / file, x) for file, x in content.items()], sums)
    monkeypatch.setattr(download, "_reach", lambda urls: None)
    monkeypatch.setitem(download.SOURCES, "mnist", fetched)
    right, wrong = put(empty / "a/one", b"one"), put(empty / "a/two", b"tw")
    before = right.stat().st_ino
    assert [row.state for row in datasets.status() if row.name == "mnist"] == ["damaged"]
    assert datasets.fetch("mnist") == datasets.verify("mnist") == [empty / file for file in content]
    assert wrong.read_bytes() == b"two" and right.stat().st_ino == before
    assert sorted(p.name for p in empty.iterdir()) == ["a", "three"]
    assert datasets.status()[0] == datasets.Status("mnist", "verified", str(empty / "a"), 11, "")
    monkeypatch.setattr(download, "root", lambda: pytest.fail("nothing to do") if not empty.exists() else empty)
    assert datasets.fetch("mnist")  # nothing to bring: no download


def knowing(monkeypatch, source, content: bytes):
    """The source, were this the content of its one file."""
    (file,) = download.SOURCES[source].files
    sums = {file: (len(content), download.hashlib.md5(content).hexdigest())}
    monkeypatch.setitem(download.SOURCES, source, download.SOURCES[source]._replace(files=sums))


def as_npy(images) -> bytes:
    packed = io.BytesIO()
    np.save(packed, images)
    return packed.getvalue()


def test_the_faces_are_kept_as_plain_numbers_whatever_scikit_learn_writes(empty, monkeypatch, capsys):
    """Its pickle has other bytes on other versions; its conversion runs for real here."""
    pixels = np.random.default_rng(0).integers(0, 256, (4096, 400), dtype=np.uint8)
    pixels[:2, 0] = 0, 255
    expected = pixels.T.reshape(400, 64, 64).swapaxes(1, 2).astype(np.float32) / 255

    def remote(metadata, dirname, **_):
        savemat(Path(dirname) / "raw.mat", {"faces": pixels})
        return Path(dirname) / "raw.mat"

    monkeypatch.setattr(download, "_reach", lambda urls: None)
    monkeypatch.setattr(olivetti, "_fetch_remote", remote)
    with pytest.raises(DataError, match="olivetti.npy is damaged, or is not the original"):
        datasets.fetch("faces")  # these are not the faces
    assert not list(empty.rglob("*"))
    knowing(monkeypatch, "faces", as_npy(np.ascontiguousarray(expected)))
    foreign = put(empty / FACES, b"written by some other version")
    with pytest.raises(DataError, match="olivetti_py3.pkz is damaged.*never opened.*fetch faces"):
        load_data("faces")
    capsys.readouterr()
    assert datasets.fetch("faces") == datasets.verify("faces") == [empty / download.FACES]
    assert capsys.readouterr().out == f"faces: downloading about 4 MB to {empty}, once\n"
    assert sorted(p.name for p in empty.rglob("*")) == ["olivetti.npy", "olivetti_py3.pkz", "repgen", "sklearn"]
    assert foreign.read_bytes() == b"written by some other version"
    got = load_data("faces", "all", size=64)
    assert (
        not got.stand_in
        and np.array_equal(got.x[:, 0].numpy(), expected)
        and torch.equal(got.labels, torch.arange(400) // 10)
    )
    assert next(row for row in datasets.status() if row.name == "faces").state == "verified"
    put(empty / download.FACES, (empty / download.FACES).read_bytes() + b"!")
    with pytest.raises(DataError, match="olivetti.npy is damaged"):
        load_data("faces")


@pytest.mark.parametrize("real", ["faces", "newsgroups"], indirect=True)
def test_what_is_kept_of_a_download_is_what_the_code_knows(real, request, empty, monkeypatch):
    """From the copy of known bytes that scikit-learn keeps: the same checksum, and the same data afterwards."""
    source = request.node.callspec.params["real"]
    (kept,) = download.SOURCES[source].kept
    if not (real / kept).exists():
        pytest.skip(f"{kept} is not in {real}")
    put(empty / kept, (real / kept).read_bytes())
    before = load_data(source, "test")
    entry = download.SOURCES[source]

    def fetch(folder):
        put(folder / kept, (real / kept).read_bytes())  # where scikit-learn would put it
        entry.fetch(folder)

    monkeypatch.setattr(download, "_reach", lambda urls: None)
    monkeypatch.setitem(download.SOURCES, source, entry._replace(fetch=fetch))
    (empty / kept).unlink()
    assert datasets.fetch(source) == [empty / file for file in entry.files] and not (empty / kept).exists()
    after = load_data(source, "test")
    assert not after.stand_in and torch.equal(after.x, before.x) and torch.equal(after.labels, before.labels)


@pytest.mark.parametrize("file", [TRAIN_LABELS, FACES, NEWS, download.FACES, download.NEWSGROUPS])
def test_a_note_beside_a_file_is_no_word_for_it(file, empty):
    """No file in the data folder may say that another one is right."""
    path = put(empty / file, b"altered")
    for name in (".md5", ".sha256"):
        put(path.with_name(path.name + name), download.hashlib.md5(b"altered").hexdigest().encode() + b"\n")
    source = "mnist" if "MNIST" in file else "faces" if "olivetti" in file else "newsgroups"
    with pytest.raises(DataError, match=f"{path.name} is damaged"):
        load_data(source)


def archive(train, test) -> bytes:
    """The newsgroups' archive with these posts: {group: text} each."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for folder, texts in (("20news-bydate-train", train), ("20news-bydate-test", test)):
            for i, (group, text) in enumerate(texts.items()):
                entry = tarfile.TarInfo(f"{folder}/{group}/{i}")
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


HEADER = "From: someone\nSubject: zebra\n\n"
TRAIN_POSTS = {
    "alt.atheism": HEADER + "the sky, sky",
    "sci.space": HEADER + "Rocket the\nsky",
    "sci.med": HEADER + "the",
}
TEST_POSTS = {
    "alt.atheism": HEADER + "sky sky\nSKY comet",
    "sci.space": HEADER + "comet",
    "sci.med": HEADER + "> sky\nrocket",
}


def test_the_newsgroups_are_kept_as_plain_text_and_counted(empty, monkeypatch):
    """scikit-learn's conversion runs for real here, on an archive of six posts."""

    def remote(metadata, dirname, **_):
        return put(Path(dirname) / metadata.filename, archive(TRAIN_POSTS, TEST_POSTS))

    monkeypatch.setattr(download, "_reach", lambda urls: None)
    monkeypatch.setattr(twenty, "_fetch_remote", remote)
    home = str(empty.parent / "theirs")
    theirs = [
        twenty.fetch_20newsgroups(data_home=home, subset=s, remove=("headers", "footers", "quotes"))
        for s in ("train", "test")
    ]
    posts = {split: [found.data, found.target.tolist()] for split, found in zip(("train", "test"), theirs)}
    knowing(monkeypatch, "newsgroups", json.dumps(posts, separators=(",", ":")).encode())
    assert datasets.fetch("newsgroups") == datasets.verify("newsgroups") == [empty / download.NEWSGROUPS]
    assert sorted(p.name for p in empty.rglob("*")) == ["20newsgroups.json", "repgen"]
    train, test = load_data("newsgroups"), load_data("newsgroups", "test")
    assert not train.stand_in and train.words == test.words == ("rocket", "sky")  # no headers, no stop words
    assert sorted(newsgroups.unscale(train.x).tolist()) == [[0, 2], [1, 1]]  # nothing is left of the third post
    assert sorted(newsgroups.unscale(test.x).tolist()) == [[0, 3], [1, 0]]  # nor of "comet", nor of what was quoted


def test_a_download_of_the_newsgroups_that_is_cut_short_leaves_nothing(empty, monkeypatch, capsys):
    def remote(metadata, dirname, **_):
        return put(Path(dirname) / metadata.filename, archive(TRAIN_POSTS, TEST_POSTS)[:-200])

    monkeypatch.setattr(download, "_reach", lambda urls: None)
    monkeypatch.setattr(twenty, "_fetch_remote", remote)
    assert load_data("newsgroups").stand_in and list(empty.rglob("*")) == []
    first, line = capsys.readouterr().out.splitlines()
    assert (
        first.startswith("newsgroups: downloading about 14 MB")
        and line.startswith("newsgroups: not found")
        and "topic model stand in" in line
        and "digits" not in line
    )


class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


def test_reach_tells_an_answer_from_a_refusal_and_from_silence(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("REPGEN_OFFLINE", raising=False)
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server, socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answers = f"http://127.0.0.1:{server.server_port}"
        hangs = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with socket.create_server(("127.0.0.1", 0)) as closed:
            refuses = f"http://127.0.0.1:{closed.getsockname()[1]}"
        download._reach([refuses, answers])  # even a 404 is an answer
        with pytest.raises(OSError, match="refused"):
            download._reach([refuses])
        with pytest.raises(OSError, match="no answer|timed out"):
            download._reach([hangs], seconds=0.3)
        server.shutdown()


class Trickle(http.server.BaseHTTPRequestHandler):
    """A server that promises much and sends a byte now and then."""

    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.server.over.wait(0.02):
                self.wfile.write(b"x")

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("limit", "stall", "said"), [(0.5, 60, "it took more than 0.5 s"), (60, 0.5, "nothing came for 0.5 s")]
)
def test_a_server_that_trickles_is_given_up(limit, stall, said, empty, monkeypatch, capsys):
    """torchvision's own loader; it writes what came by the 32 KB, and so nothing at all in this time."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("REPGEN_OFFLINE")
    monkeypatch.setattr(download, "LIMIT", limit)
    monkeypatch.setattr(download, "STALL", stall)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trickle) as server:
        server.over = threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(vision.MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        start = time.monotonic()
        assert load_data("mnist").stand_in
        assert time.monotonic() - start < 10
        server.over.set()
        server.shutdown()
    first, line = capsys.readouterr().out.splitlines()
    assert first == f"mnist: downloading about 12 MB to {empty}, once" and said in line
    assert list(empty.rglob("*")) == []


def test_what_killed_downloads_left_is_removed_and_what_others_are_at_is_not(empty, monkeypatch):
    old, young = empty / "faces-abcdefgh.part", empty / "newsgroups-abcdefgh.part"
    other = empty / "my-own.part"
    for folder in (old, young, other):
        put(folder / "sklearn" / "half", b"a file")
    for folder in (old, other):
        os.utime(folder, (time.time() - 7200,) * 2)
    with pytest.raises(DataError, match="REPGEN_OFFLINE"):
        datasets.fetch("mnist")
    assert sorted(empty.iterdir()) == [other, young]


# --- damage ---


def test_damaged_files_are_named_and_neither_replaced_nor_stood_in_for(empty):
    right = np.zeros(60_008, np.uint8).tobytes()  # the right size, the wrong labels
    for content in (right, right[:-1], b""):
        path = put(empty / TRAIN_LABELS, content)
        with pytest.raises(DataError) as error:
            load_data("mnist")
        found = download.hashlib.md5(content).hexdigest()
        for word in (
            str(path),
            f"{len(content):,} bytes",
            found,
            "60,008",
            "a25bea736e30d166cdddb491f175f624",
            "data fetch mnist",
        ):
            assert word in str(error.value)
        assert path.read_bytes() == content
        row = datasets.status()[0]
        assert row.state == "damaged" and str(path) in row.note and row.size == len(content)


@pytest.mark.parametrize("real", ["mnist"], indirect=True)
def test_one_altered_byte_is_found_even_after_the_file_was_verified(real, empty):
    path = put(empty / TRAIN_LABELS, (real / TRAIN_LABELS).read_bytes())
    assert TRAIN_LABELS not in download.problems("mnist")
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="train-labels.*damaged"):
        load_data("mnist")


def test_a_file_that_cannot_be_read_is_named(empty):
    (empty / TRAIN_LABELS).mkdir(parents=True)
    with pytest.raises(DataError, match="train-labels-idx1-ubyte cannot be read"):
        load_data("mnist")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize(
    ("name", "file"), [("mnist", TRAIN_LABELS), ("faces", FACES), ("newsgroups", NEWS), ("faces", download.FACES)]
)
def test_a_named_pipe_is_not_waited_for(name, file, empty):
    (empty / file).parent.mkdir(parents=True)
    os.mkfifo(empty / file)
    start = time.monotonic()
    for look in (load_data, datasets.verify):
        with pytest.raises(DataError, match=f"{Path(file).name} cannot be read .it is not a file"):
            look(name)
    assert "it is not a file" in next(row for row in datasets.status() if row.name == name).note
    assert time.monotonic() - start < 20


def test_nothing_is_unpickled_before_its_checksum_is_right(empty, tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    put(empty / FACES, pickle.dumps(Trap()))
    put(empty / NEWS, zlib.compress(pickle.dumps(Trap())))
    for name, file in (("faces", FACES), ("face_patches", FACES), ("newsgroups", NEWS)):
        with pytest.raises(DataError, match=f"{Path(file).name} is damaged"):
            load_data(name)
    assert not (tmp_path / "sprung").exists()
    pickle.loads((empty / FACES).read_bytes())
    assert (tmp_path / "sprung").exists()  # it would have sprung


def test_verification_is_remembered_while_a_file_does_not_change(empty, monkeypatch):
    path = put(empty / TRAIN_LABELS, b"x")
    reads = []
    monkeypatch.setattr(
        download.hashlib, "file_digest", lambda *a, real=download.hashlib.file_digest: reads.append(1) or real(*a)
    )
    download.problems("mnist")
    download.problems("mnist")
    assert len(reads) == 1
    with pytest.raises(DataError):
        datasets.verify("mnist")  # asked for: reads again
    assert len(reads) == 2
    path.write_bytes(b"xy")
    download.problems("mnist")
    assert len(reads) == 3


# --- where things are ---


def test_root(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REPGEN_DATA", "~/here")
    assert datasets.root() == tmp_path / "here"
    monkeypatch.setenv("REPGEN_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(download.sys, "platform", "linux")
    assert datasets.root() == tmp_path / "xdg" / "repgen"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert datasets.root() == tmp_path / ".cache" / "repgen"
    monkeypatch.setattr(download.sys, "platform", "darwin")
    assert datasets.root() == tmp_path / "Library" / "Caches" / "repgen"
    monkeypatch.setattr(download.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says its specification
    assert datasets.root() == tmp_path / ".cache" / "repgen"


@pytest.mark.parametrize("chosen", ["data", "./data", "../data", ".", "~nobody-of-this-name/data"])
def test_a_root_that_depends_on_where_python_was_started_is_refused(chosen, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPGEN_DATA", chosen)
    for ask in (datasets.root, datasets.status, lambda: load_data("mnist"), lambda: datasets.fetch("faces")):
        with pytest.raises(DataError, match=f"REPGEN_DATA is '{chosen}'.*set it to {tmp_path.parent}"):
            ask()
    assert not list(tmp_path.iterdir()) and len(load_data("ring", n=3)) == 3


def test_status_has_a_row_for_every_name_and_fetch_and_verify_nothing_to_do_without_files(empty):
    rows = {row.name: row for row in datasets.status()}
    assert tuple(rows) == NAMES
    assert {name for name, row in rows.items() if row.state == "missing"} == {
        "mnist",
        "faces",
        "face_patches",
        "newsgroups",
    }
    assert rows["digits"].where == "scikit-learn" and rows["ring"].state == "generated" and rows["faces"].size == 0
    assert "fetch mnist" in rows["mnist"].note and not empty.exists()
    assert datasets.fetch("ring") == datasets.verify("digits") == []
    with pytest.raises(DataError, match="missing.*data fetch faces"):
        datasets.verify("face_patches")
