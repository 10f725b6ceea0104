"""What the recipes share: rates, stages, and pictures moved as by hand."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from repgen.train import History
from repgen.zoo.recipes import _common

X = torch.rand(6, 1, 7, 9, generator=torch.Generator().manual_seed(0))


def by_hand(picture, down, across, most):
    """A picture (1, H, W) through a window moved in a copy whose rim is repeated ``most`` times."""
    _, h, w = picture.shape
    wide = F.pad(picture[None], (most,) * 4, mode="replicate")[0]
    return wide[:, most + down : most + down + h, most + across : most + across + w]


def test_each_picture_is_moved_in_its_own_way():
    x, down, across = X.expand(-1, 3, -1, -1), torch.tensor([0, 1, -2, 3, 0, -3]), torch.tensor([0, -1, 3, 0, 2, -3])
    moved = _common.shift(x, down, across)
    for before, after, i, j in zip(x, moved, down.tolist(), across.tolist(), strict=True):
        assert torch.equal(after, by_hand(before, i, j, 3))


def test_all_ways_of_moving_by_up_to_two_pixels():
    moved = _common.shift_everywhere(X, 2)
    ways = [(i, j) for i in range(-2, 3) for j in range(-2, 3)]
    assert torch.equal(moved, torch.stack([by_hand(p, i, j, 2) for i, j in ways for p in X]))


def test_copies_are_moved_at_random_and_every_second_one_is_mirrored():
    torch.manual_seed(3)
    out = _common.augment(X, 40, most=2)
    assert out.shape == (240, 1, 7, 9) and torch.equal(out[:6], X)
    found = set()
    for number in range(1, 40):
        for n in range(6):
            picture = out[6 * number + n]
            picture = picture.flip(2) if number % 2 else picture
            ways = [(i, j) for i in range(-2, 3) for j in range(-2, 3) if torch.equal(picture, by_hand(X[n], i, j, 2))]
            assert len(ways) == 1
            found |= set(ways)
    assert len(found) == 25
    torch.manual_seed(3)
    assert torch.equal(out, _common.augment(X, 40, most=2))


def test_schedules():
    assert [_common.linear_decay(f) for f in (0, 0.25, 1)] == [1, 0.75, 0]
    assert _common.half_cosine_decay(0) == _common.half_cosine_decay(0.5) == 1
    assert _common.half_cosine_decay(0.75) == pytest.approx(0.5) and _common.half_cosine_decay(1) == pytest.approx(0)


def test_each_stage_has_a_file_beside_the_one_that_was_named():
    options = {"seed": 2, "checkpoint": "runs/of today.v2.pt"}
    own = _common.checkpoint_for(options, "ring: Adam with b1 = 0,5")
    assert own == {"seed": 2, "checkpoint": Path("runs/of today.v2-ring-adam-with-b1-0-5.pt")}
    assert options["checkpoint"] == "runs/of today.v2.pt"
    for without in ({"seed": 2}, {"seed": 2, "checkpoint": None}):
        assert _common.checkpoint_for(without, "stage") == without


def test_several_trainings_are_one_entry():
    histories = [History({"loss": [3.0] * n}, {}, n, 2.5 * n, "finished") for n in (2, 3)]
    assert _common.combine_histories(histories) == History({"loss": [3.0] * 3}, {}, 5, 12.5, "finished")
