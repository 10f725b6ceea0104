"""Each kind of damage against its closed form: share, mean, variance, within six standard errors."""

import math
from functools import partial

import pytest
import torch

from repgen.corruption import gaussian, mask, salt_and_pepper

KINDS = {
    "mask": partial(mask, p=0.3),
    "gaussian": partial(gaussian, std=0.5),
    "salt and pepper": partial(salt_and_pepper, p=0.4),
}
N = 400_000


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def near_share(hits, p):
    """Whether a share of N independent trials is p, to six standard errors."""
    return abs(hits.double().mean().item() - p) <= 6 * math.sqrt(p * (1 - p) / N)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_masking_sets_a_share_to_zero_and_leaves_the_rest(share):
    x = 0.25 + 0.5 * torch.rand(N // 100, 100, generator=seeded(1))  # no pixel is 0 of itself
    y = mask(x, share, seeded())
    assert near_share(y == 0, share)
    assert y[y != 0].equal(x[y != 0])
    # variance of a constant picture's pixels: c^2 p (1 - p)
    flat = mask(torch.full((N,), 0.8), share, seeded()).double()
    assert flat.var().item() == pytest.approx(0.64 * share * (1 - share), abs=6 * 0.64 / 2 / math.sqrt(N))


@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
def test_salt_is_as_likely_as_pepper(share):
    y = salt_and_pepper(torch.full((N,), 0.5), share, seeded())
    assert near_share(y == 0, share / 2)
    assert near_share(y == 1, share / 2)
    assert near_share(y == 0.5, 1 - share)
    # e = y - 1/2 is +-1/2 with probability p, else 0: mean 0, variance p / 4
    assert (y - 0.5).double().mean().abs() <= 6 * math.sqrt(share / 4 / N)
    assert (y - 0.5).double().square().mean().item() == pytest.approx(
        share / 4, abs=6 * math.sqrt(share * (1 - share) / 16 / N)
    )


@pytest.mark.parametrize("sd", [0.1, 0.5, 2.0])
def test_gaussian_noise_has_its_moments_and_is_not_clipped(sd):
    x = torch.rand(N, generator=seeded(1))
    noise = (gaussian(x, sd, seeded()) - x).double() / sd
    assert abs(noise.mean().item()) <= 6 / math.sqrt(N)
    assert abs(noise.var().item() - 1) <= 6 * math.sqrt(2 / N)
    assert abs(noise.pow(4).mean().item() - 3) <= 6 * math.sqrt(96 / N)  # E[e^8] - E[e^4]^2 = 105 - 9
    assert gaussian(x, 0.5, seeded()).min() < 0 and gaussian(x, 0.5, seeded()).max() > 1


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_damaged_independently(kind):
    y = KINDS[kind](torch.full((N // 2, 2), 0.5), generator=seeded())
    correlation = torch.corrcoef(y.double().T)[0, 1].item()
    assert abs(correlation) <= 6 / math.sqrt(N // 2)
    rows = torch.corrcoef(y[: N // 4 * 2].double().reshape(-1, 4)[:, [0, 2]].T)[0, 1].item()  # one image and the next
    assert abs(rows) <= 6 / math.sqrt(N // 4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_generator_gives_the_same_noise(kind):
    corrupt, x = KINDS[kind], torch.rand(50, 1, 8, 8, generator=seeded(1))
    before = x.clone()
    y = corrupt(x, generator=seeded(7))
    assert y.shape == x.shape and y.dtype == x.dtype
    assert x.equal(before), "the images themselves were damaged"
    torch.manual_seed(99)  # torch's own generator has no say
    assert corrupt(x, generator=seeded(7)).equal(y)
    assert not corrupt(x, generator=seeded(8)).equal(y)
    g = seeded(7)
    assert corrupt(x, generator=g).equal(y) and not corrupt(x, generator=g).equal(y), "the second draw is a new one"
    torch.manual_seed(5)
    own = corrupt(x)
    torch.manual_seed(5)
    assert corrupt(x).equal(own)


def test_no_damage_and_all_damage():
    x = torch.rand(20, 30, generator=seeded(1))
    assert mask(x, 0.0).equal(x) and gaussian(x, 0.0).equal(x) and salt_and_pepper(x, 0.0).equal(x)
    assert mask(x, 1.0).equal(torch.zeros_like(x))
    y = salt_and_pepper(x, 1.0)
    assert ((y == 0) | (y == 1)).all() and 0 < y.mean() < 1


@pytest.mark.parametrize("corrupt", [mask, salt_and_pepper])
@pytest.mark.parametrize("share", [-0.01, 1.01, 40, float("nan")])
def test_a_share_outside_0_to_1_is_refused(corrupt, share):
    with pytest.raises(ValueError, match=r"in \[0, 1\], got " + str(share)):
        corrupt(torch.rand(2, 3), share)


@pytest.mark.parametrize("sd", [-0.1, float("inf"), float("nan")])
def test_a_negative_standard_deviation_is_refused(sd):
    with pytest.raises(ValueError, match=f"0 or more, got {sd}"):
        gaussian(torch.rand(2, 3), sd)
