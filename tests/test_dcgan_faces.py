"""What moves the pictures before the discriminator sees them, against moving them by hand."""

import itertools

import torch
from torch import nn

from repgen.zoo.recipes._common import DiffAugment


def by_hand(picture, s):
    """Every position of a picture (H, W), by index: {(mirrored, down, across): (H, W)}; outside repeats the rim."""
    h, w = picture.shape
    out = {}
    for mirrored, down, across in itertools.product((False, True), range(-s, s + 1), range(-s, s + 1)):
        rows = [min(max(i + down, 0), h - 1) for i in range(h)]
        columns = [min(max(j + across, 0), w - 1) for j in range(w)]
        columns = [w - 1 - j for j in columns] if mirrored else columns
        out[mirrored, down, across] = picture[rows][:, columns]
    return out


def test_each_picture_is_one_of_its_positions_and_lighter_or_darker():
    torch.manual_seed(0)
    x = torch.rand(400, 1, 5, 6)
    moved = DiffAugment(nn.Identity(), most=2, light=0.2).train()(x)
    found, lights = set(), []
    for before, after in zip(x[:, 0], moved[:, 0], strict=True):
        which = {}
        for name, position in by_hand(before, 2).items():
            light = after - position
            if light.max() - light.min() < 1e-5:
                which[name] = light.mean().item()
        assert len(which) == 1
        found |= set(which)
        lights += which.values()
    assert found == set(itertools.product((False, True), range(-2, 3), range(-2, 3)))
    assert -0.2 <= min(lights) < -0.19 and 0.19 < max(lights) <= 0.2
    assert len({round(light, 5) for light in lights}) > 350  # each picture has its own


def test_gradients_come_back_to_the_pixels_that_were_seen():
    torch.manual_seed(1)
    x = torch.rand(3, 1, 4, 4, requires_grad=True)
    weights = torch.rand(3, 1, 4, 4)
    moving = DiffAugment(nn.Identity(), most=1).train()
    torch.manual_seed(2)
    (moving(x) * weights).sum().backward()
    numeric = torch.zeros_like(x)
    for i in range(x.numel()):  # the map is linear, so a difference is exact
        step = torch.zeros(x.numel())
        step[i] = 1
        torch.manual_seed(2)
        ahead = moving(x.detach() + step.view_as(x))
        torch.manual_seed(2)
        numeric.view(-1)[i] = ((ahead - moving(x.detach())) * weights).sum()
    assert torch.allclose(x.grad, numeric, atol=1e-4)


def test_nothing_is_moved_after_training():
    x = torch.rand(5, 1, 8, 8)
    assert torch.equal(DiffAugment(nn.Identity()).eval()(x), x)
