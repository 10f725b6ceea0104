"""A folder of one's own pictures: what comes back, and all that can lie in such a folder."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from repgen import DataError, load_images


def paint(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path, **options)
    return path


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_pictures_of_the_right_size_come_back_as_they_are_in_the_order_of_their_names(tmp_path):
    pictures = {name: noise(8, 8, 3, seed=i) for i, name in enumerate(["b.png", "a.PNG", "c.bmp"])}
    for name, pixels in pictures.items():
        paint(tmp_path / "mine" / name, pixels)
    data = load_images(tmp_path / "mine", size=8)
    assert data.x.shape == (3, 3, 8, 8) and data.x.dtype == torch.float32 and data.x.is_contiguous()
    for row, name in zip(data.x, sorted(pictures)):
        assert torch.equal(row, torch.from_numpy(pictures[name]).permute(2, 0, 1) / 255)
    assert data.labels is None and data.classes == () and data.name == "mine" and not data.stand_in
    assert str(tmp_path) not in repr(data)
    grey = load_images(str(tmp_path / "mine"), size=8, channels=1)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    assert torch.allclose(grey.x, (data.x * luma).sum(1, keepdim=True), atol=1 / 255)
    assert load_images(tmp_path / "mine", 8, device="meta").x.device.type == "meta"


def test_folders_are_classes_with_all_that_is_below_them(tmp_path):
    for name in ("cat/2.png", "cat/1.png", "ape/deep/down/9.png", "dog/0.png"):
        paint(tmp_path / name, np.full((4, 4), int(name[-5]) * 10, np.uint8))
    (tmp_path / "empty").mkdir()
    data = load_images(tmp_path, size=4, channels=1)
    assert (
        data.classes == ("ape", "cat", "dog")
        and data.labels.tolist() == [0, 1, 1, 2]
        and data.labels.dtype == torch.int64
    )
    assert (data.x[:, 0, 0, 0] * 255).round().tolist() == [90, 10, 20, 0]


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (17, 23), (5, 9), (8, 8)])
def test_the_shorter_side_fits_and_the_middle_is_kept(shape, tmp_path):
    """On a ramp along the longer side, the middle of the picture is the middle of what comes back."""
    h, w = shape
    ramp = np.linspace(0, 255, max(shape)).round().astype(np.uint8)
    pixels = np.tile(ramp, (h, 1)) if w >= h else np.tile(ramp[:, None], (1, w))
    paint(tmp_path / "ramp.png", pixels)
    x = load_images(tmp_path, size=8, channels=1).x[0, 0]
    assert x.shape == (8, 8) and x.mean().item() == pytest.approx(0.5, abs=0.07)
    line = x.mean(0) if w >= h else x.mean(1)
    assert (line.diff() > 0).all() and (line[-1] - line[0]).item() == pytest.approx(
        7 * min(shape) / 8 / (max(shape) - 1), abs=0.06
    )


def test_what_else_pictures_can_be(tmp_path):
    red = np.zeros((4, 6, 4), np.uint8)
    red[..., 0], red[:, 3:, 3] = 255, 255  # opaque on the right only
    paint(tmp_path / "a.png", red)
    paint(tmp_path / "b.png", np.full((5, 5), 65535 // 2, np.uint16))
    Image.fromarray(noise(6, 6, 3)).quantize(8).save(tmp_path / "c.gif")
    turned = Image.Exif()
    turned[0x0112] = 6  # taken with the camera turned by a right angle
    half = np.zeros((8, 8), np.uint8)
    half[:4] = 255
    paint(tmp_path / "d.jpg", half, exif=turned, quality=95)
    Image.fromarray(half > 0).save(tmp_path / "e.png")
    x = load_images(tmp_path, size=4).x
    # white behind
    assert torch.equal(x[0, :, 0, 0], torch.ones(3)) and torch.equal(x[0, :, 0, 3], torch.tensor([1.0, 0, 0]))
    assert torch.allclose(x[1], torch.tensor(0.5), atol=1e-4)
    assert x[2].std() > 0.05 and x.min() >= 0 and x.max() <= 1
    assert x[3, 0, :, 3].min() > 0.9 and x[3, 0, :, 0].max() < 0.1  # the top is on the right
    assert x[4, 0, 0].min() == 1 and x[4, 0, 3].max() == 0


def test_other_files_are_passed_over(tmp_path):
    paint(tmp_path / "a.png", noise(4, 4))
    for name in ("notes.txt", ".hidden.png", "._a.png", "__MACOSX/._a.png", ".trash/b.png", "noending"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no picture")
    data = load_images(tmp_path, size=4)
    assert len(data) == 1 and data.labels is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 0}, "size must be a whole number from 1 to 4096, got 0"),
        ({"size": -8}, "size"),
        ({"size": 8.5}, "size"),
        ({"size": (8, 8)}, "size"),
        ({"size": True}, "size"),
        ({"size": 10**6}, "size"),
        ({"channels": 2}, "1 for grey or 3.*got 2"),
        ({"channels": 4}, "channels"),
        ({"channels": True}, "channels"),
        ({"channels": "RGB"}, "channels"),
    ],
)
def test_settings_that_make_no_sense_are_named(options, words, tmp_path):
    paint(tmp_path / "a.png", noise(4, 4))
    with pytest.raises(DataError, match=words):
        load_images(tmp_path, **options)


def test_folders_that_make_no_sense_are_named(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path / 'none'} is missing"):
        load_images(tmp_path / "none")
    with pytest.raises(DataError, match=f"there is no picture in {tmp_path}.*.png"):
        load_images(tmp_path)
    file = paint(tmp_path / "a.png", noise(4, 4))
    with pytest.raises(DataError, match="a.png is not a folder"):
        load_images(file)
    paint(tmp_path / "cat" / "b.png", noise(4, 4))
    with pytest.raises(DataError, match="1 pictures itself and 1 in folders.*put a.png"):
        load_images(tmp_path)


@pytest.mark.parametrize("kind", ["empty", "text", "cut short", "damaged", "floats", "dangling", "pipe"])
def test_a_file_that_cannot_be_read_is_named(kind, tmp_path):
    paint(tmp_path / "a.png", noise(40, 40))
    bad = tmp_path / "b.png"
    whole = (tmp_path / "a.png").read_bytes()
    if kind == "dangling":
        bad.symlink_to(tmp_path / "gone.png")
    elif kind == "pipe":
        os.mkfifo(bad)
    elif kind == "floats":
        bad = paint(tmp_path / "b.tif", np.ones((4, 4), np.float32))
    else:
        content = {
            "empty": b"",
            "text": b"no picture",
            "cut short": whole[:-200],
            "damaged": whole[:60] + b"????" + whole[64:],
        }
        bad.write_bytes(content[kind])
    with pytest.raises(DataError, match=f"{bad.name} cannot be read as a picture"):
        load_images(tmp_path)
