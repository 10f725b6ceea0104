"""The page's forward pass against torch, on the same weights."""

import base64
from pathlib import Path

import pytest
import torch
from torch import nn

from repgen.conv_vae import conv_vae
from repgen.pca import PCA
from repgen.widgets import Network

FORWARD = (Path(__file__).parents[2] / "repgen/widgets/forward.js").read_text("utf-8")
RUN = """([source, spec, weights, codes]) => {
  const { buildNetwork } = new Function(source + "; return { buildNetwork }")();
  const bytes = Uint8Array.from(atob(weights), (c) => c.charCodeAt(0));
  const shifted = new Uint8Array(bytes.length + 3);  // a message may deliver a view that starts anywhere
  shifted.set(bytes, 3);
  const network = buildNetwork(spec, new DataView(shifted.buffer, 3));
  return codes.map((z) => Array.from(network.forward(z)));
}"""


def in_the_page(page, network, z):
    weights = base64.b64encode(network.weights).decode()
    return torch.tensor(page.evaluate(RUN, [FORWARD, network.spec, weights, z.tolist()]))


def pca():
    x = torch.rand(40, 30)
    return PCA(5).fit(x)


def louder(module):
    for tensor in module.parameters():
        tensor.data *= 2.5  # as drawn, six layers make every picture grey
    return module


NETS = {
    "digits": lambda: nn.Sequential(nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, 784), nn.Sigmoid()),
    "bounded": lambda: nn.Sequential(nn.Linear(7, 33), nn.Tanh(), nn.Linear(33, 5, bias=False), nn.LeakyReLU(0.3)),
    "softplus": lambda: nn.Sequential(
        nn.Linear(3, 20), nn.Softplus(beta=2, threshold=3), nn.Linear(20, 4), nn.Softplus()
    ),
    "deep": lambda: nn.Sequential(*(m for _ in range(5) for m in (nn.Linear(16, 16), nn.Tanh(), nn.Identity()))),
    "pca": pca,
    "faces": lambda: louder(conv_vae(64, (16, 24, 32, 64), 32, noise=0.1).decoder),
    "maps": lambda: nn.Sequential(
        nn.Unflatten(1, (2, 5, 6)),
        nn.Conv2d(2, 7, (3, 5), stride=(2, 1), padding=(1, 3)),
        nn.Tanh(),
        nn.ConvTranspose2d(7, 3, (3, 2), stride=(3, 2), padding=(1, 1), output_padding=(1, 0), bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(336, 4),
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", NETS)
def test_javascript_and_torch_agree(page, name, dtype):
    torch.manual_seed(1)
    module = NETS[name]()
    if dtype == "float16":  # the same weights: as rounded for the page
        for tensor in [*module.parameters(), *([module.mean, module.components] if name == "pca" else [])]:
            tensor.data = tensor.data.half().float()
    network = Network.from_module(module, dtype)
    z = 3 * torch.randn(20, network.spec["n_in"])
    z[0] = 0
    want = network.decode(z)
    assert want.std() > 0.01  # not a constant, which anything would match
    assert (in_the_page(page, network, z) - want).abs().max() < 1e-4


def test_every_half_precision_number_is_read_right(page):
    """All 65,536 patterns of bits but the infinities and NaN, subnormals included, as weights of one layer."""
    bits = torch.arange(65536, dtype=torch.int32)
    bits = bits[(bits >> 10) & 31 != 31]
    values = bits.to(torch.uint16).view(torch.float16).float()
    module = nn.Linear(1, len(values))
    module.weight.data, module.bias.data = values[:, None], torch.zeros(len(values))
    got = in_the_page(page, Network.from_module(module, "float16"), torch.ones(1, 1))
    assert torch.equal(got[0], values)


def test_what_the_page_cannot_do_is_an_error(page):
    network = Network.from_module(nn.Linear(2, 3), "float32")
    z = torch.zeros(1, 2)
    for broken, message in [
        (Network(spec={**network.spec, "layers": [{"type": "gelu"}]}, weights=network.weights), 'unknown layer "gelu"'),
        (Network(spec=network.spec, weights=network.weights + bytes(4)), "take 9 weights, the buffer holds 10"),
        (Network(spec=network.spec, weights=network.weights[:-4]), "the buffer holds 8"),
    ]:
        with pytest.raises(Exception, match=message):
            in_the_page(page, broken, z)
    with pytest.raises(Exception, match="code of 3 numbers for a decoder of 2"):
        in_the_page(page, network, torch.zeros(1, 3))


def test_a_face_of_64_by_64_takes_less_than_a_frame(page):
    """At its best of 20 calls, so that a busy machine does not count: 15 of the 16.7 ms between two pictures."""
    network = Network.from_module(NETS["faces"]())
    timed = RUN.replace(
        "return codes.map",
        "codes = codes.flatMap((z) => Array(20).fill(z)); let t = 0; const lap = () => -t + (t = performance.now());\n"
        "  const forward = network.forward; const times = codes.map((z) => (lap(), forward(z), lap())); return "
        "[[Math.min(...times)]]; codes.map",
    )
    weights = base64.b64encode(network.weights).decode()
    [[milliseconds]] = page.evaluate(timed, [FORWARD, network.spec, weights, [[0.5] * 32]])
    assert 0 < milliseconds < 15
