"""The zoo through every change of the code: weights to the bit, what models make of a fixed input within rounding.

`python tests/test_zoo_outputs.py` writes tests/zoo_outputs.safetensors anew, for a model that is meant to be new.
"""

import hashlib
import math
from functools import cache
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from repgen import zoo

RECORD = Path(__file__).parent / "zoo_outputs.safetensors"
SHIPPED = [name for name in zoo.names() if zoo.record(name)["sha256"]]
SIDES = {"digits": 8, "faces": 64, "mnist": 28, "curves": 28, "linear-ae-faces": 32, "vae-faces32": 32}  # pixels
N = 4  # examples
KEPT = 64  # numbers of each output
# As a share of an output's largest number, ten times what was measured: with torch's kernels for AVX-512, AVX2 and
# neither, oneDNN's for SSE4.1 to AMX, and 1, 2 and 4 threads, outputs differed by 2.9e-6 at most. Codes of logistic
# PCA are where Newton's method stops, a step earlier or later: 7.9e-5.
TOLERANCE = 3e-5
TOLERANCE_OF_NEWTON = 8e-4


def pixels(*shape: int) -> Tensor:
    """Mostly dark, some bright, the same everywhere: torch's uniform numbers are exact on every processor."""
    u = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return u * u * u * u


def latents(k: int) -> Tensor:
    """(N, k), from -2 to 2: normal draws would be rounded differently from processor to processor."""
    return 4 * torch.rand(N, k, generator=torch.Generator().manual_seed(1)) - 2


def outputs(name: str, model: nn.Module) -> dict[str, Tensor]:
    """What a model of the zoo, or each of several nets in it, makes of pixels, latents, labels and pictures."""
    side = SIDES.get(name, SIDES[zoo.record(name)["data"][0]["name"]])
    x, pictures, labels = pixels(N, side**2), pixels(N, 1, side, side), torch.arange(N)
    if name == "cgan-mnist":
        return {"told": model["told"](latents(32), labels), "untold": model["untold"](latents(32))}
    if name == "halves-mnist":
        made = {key: model[key](latents(8), pictures) for key in ("distance", "game", "both")}
        return made | {"patches": model["patches"](pictures, pictures.flip(3))}
    if name.startswith("enlarge"):
        small = pixels(N, 1, side // 4, side // 4)
        return {key: net(latents(net.latent_dim), small) for key, net in model.items()}
    if name == "styles-mnist":
        return {"forward": model(latents(32))}
    if name in ("logistic-pca-curves", "small-aes-mnist"):
        return {f"{key}, {what}": y for key, net in model.named_children() for what, y in codes(net, x).items()}
    if name == "face-features":
        return {"forward": model(pictures), "distances": model.distances(pictures, pictures.flip(3))}
    if hasattr(model, "encode"):
        return codes(model, x)
    if hasattr(model, "discriminator"):
        data = x if name == "gan-mnist" else pictures
        return {"decode": model.decode(latents(model.latent_dim)), "logits": model.logits(data)}
    if name == "dbn-mnist":
        return {"features": model.features(x), "log_p_label": model.top.log_p_label(model.features(x))}
    return {"forward": model(pictures if name == "judge-mnist" else x)}


def codes(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    z = net.encode(x)
    return {"encode": z, "decode": net.decode(z)}


def some(y: Tensor) -> Tensor:
    """At most KEPT numbers of an output, evenly over the whole of it."""
    flat = y.detach().flatten()
    return flat[:: math.ceil(len(flat) / KEPT)].clone()


def digest(model: nn.Module) -> str:
    """sha256 of all weights as loaded; names do not count, nor counters."""
    weights = [
        value.contiguous().numpy().tobytes() for value in model.state_dict().values() if value.is_floating_point()
    ]
    return hashlib.sha256(b"".join(sorted(weights))).hexdigest()


@cache
def recorded() -> tuple[dict[str, str], dict[str, Tensor]]:
    with safetensors.safe_open(RECORD, "pt") as file:
        return file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, no mapping


def test_the_record_is_of_the_models_that_are_shipped():
    weights, kept = recorded()
    assert sorted(weights) == SHIPPED == sorted({key.split("/")[0] for key in kept})
    assert RECORD.stat().st_size < 300_000


@pytest.mark.parametrize("name", SHIPPED)
def test_weights_and_outputs_are_those_on_record(name):
    weights, kept = recorded()
    model, again = zoo.load_pretrained(name), zoo.load_pretrained(name)
    assert digest(model) == weights[name]
    with torch.no_grad():
        first, second = outputs(name, model), outputs(name, again)
    assert {f"{name}/{what}" for what in first} == {key for key in kept if key.split("/")[0] == name}
    for what, y in first.items():
        assert y.isfinite().all() and torch.equal(y, second[what])
        expected = kept[f"{name}/{what}"]
        scale = expected.abs().max().item()
        assert scale > 0, f"{what} of {name} is 0 throughout, which shows nothing"
        share = TOLERANCE_OF_NEWTON if name.startswith("logistic-pca") else TOLERANCE
        torch.testing.assert_close(some(y), expected, rtol=0, atol=share * scale, msg=lambda m, w=what: f"{w}: {m}")


if __name__ == "__main__":
    models = {name: zoo.load_pretrained(name) for name in SHIPPED}
    with torch.no_grad():
        made = {f"{name}/{what}": some(y) for name, model in models.items() for what, y in outputs(name, model).items()}
    safetensors.torch.save_file(made, RECORD, {name: digest(model) for name, model in models.items()})
