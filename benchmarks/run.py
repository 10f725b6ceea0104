"""repgen's speed beside its peers' on this machine: `make bench`, or `python benchmarks/run.py`.

Contenders take turns in one run, in a new order each round, so that whatever else the machine is
doing slows all of them alike; a ratio is the median of the ratios of the rounds. Writes
results/MACHINE.json and a table in results/MACHINE.md. All rates are images per second. The peers compute
in float32; where ours may round the entries of its products (amp="auto"), the row says so.
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import io
import json
import logging
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import sklearn.decomposition
import sklearn.neural_network
import torch
import torchvision
from pythae.data.datasets import BaseDataset
from pythae.models import VAE as PythaeVAE
from pythae.models import VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import nn

from repgen import GAN, PCA, RBM, VAE, fit, load_data
from repgen.dcgan import discriminator, generator
from repgen.zoo import machine

HERE = Path(__file__).parent
BATCH, GAME_BATCH = 128, 64
EPOCHS = 3  # of a VAE: the first is not like the others, Adam's means reach the slow denormal numbers in the second


class PlainVAE(nn.Module):
    """784-400-20-400-784 with a Bernoulli likelihood, as one would write it by hand."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40))
        self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

    def loss(self, x, generator=None):
        x = x.flatten(1)
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        noise = torch.randn(mean.shape, generator=generator, device=x.device)
        logits = self.decoder(mean + (log_var / 2).exp() * noise)
        nll = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum()
        return (nll + kl) / len(x)


class Encoder(BaseEncoder):
    """The same encoder, for pythae."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
        self.mean, self.log_var = nn.Linear(400, 20), nn.Linear(400, 20)

    def forward(self, x):
        h = self.hidden(x.flatten(1))
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_var(h))


class Decoder(BaseDecoder):
    """The same decoder, for pythae."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())

    def forward(self, z):
        return ModelOutput(reconstruction=self.layers(z))


def pythae_loop(x: torch.Tensor, device: torch.device, epochs: int) -> None:
    """pythae's own trainer, which fetches one image at a time and writes its model at the end."""
    model = PythaeVAE(VAEConfig(input_dim=(784,), latent_dim=20, reconstruction_loss="bce"), Encoder(), Decoder())
    data = BaseDataset(x, torch.zeros(len(x)))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            per_device_train_batch_size=BATCH,
            learning_rate=1e-3,
            no_cuda=device.type == "cpu",
        )
        BaseTrainer(model, data, training_config=settings).train()


class Pictures(torchvision.datasets.MNIST):
    """torchvision's own MNIST, with these images (N, 28, 28) of bytes for those of its files."""

    def __init__(self, x: torch.Tensor):
        self.data, self.targets = x, torch.zeros(len(x), dtype=torch.long)
        self.transform, self.target_transform = torchvision.transforms.ToTensor(), None


def plain_loop(x: torch.Tensor, epochs: int) -> None:
    """The loop one would write by hand, with the optimiser that fit takes."""
    model = PlainVAE().to(x.device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).to(x.device).split(BATCH):
            loss = model.loss(x[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def loader_loop(data: torch.utils.data.Dataset, device: torch.device, epochs: int, **options) -> None:
    """The loop of most tutorials: a DataLoader that fetches one image at a time; ``options`` of Adam."""
    model = PlainVAE().to(device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, **options)
    for _ in range(epochs):
        for x, *_ in torch.utils.data.DataLoader(data, BATCH, shuffle=True):
            loss = model.loss(x.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def plain_cd(x: torch.Tensor, batch: int) -> None:
    """An epoch of CD-1 as one would write it by hand: statistics of both phases, no autograd."""
    weight, b, c = (
        0.01 * torch.randn(784, 500, device=x.device),
        torch.zeros(784, device=x.device),
        torch.zeros(500, device=x.device),
    )
    for rows in torch.randperm(len(x)).to(x.device).split(batch):
        v = x[rows]
        h = torch.sigmoid(v @ weight + c)
        seen = torch.bernoulli(torch.sigmoid(torch.bernoulli(h) @ weight.T + b))
        h_seen = torch.sigmoid(seen @ weight + c)
        weight += 0.1 / len(v) * (v.T @ h - seen.T @ h_seen)
        b += 0.1 * (v - seen).mean(0)
        c += 0.1 * (h - h_seen).mean(0)


def adam(parameters, lr: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr, betas=(0.5, 0.999), fused=True)


def loader_game(data: torch.utils.data.Dataset, device: torch.device) -> None:
    """An epoch of a DCGAN as PyTorch's own example plays it: one batch of made pictures serves both players."""
    d, g = discriminator().to(device), generator().to(device)
    of_d, of_g = adam(d.parameters(), 2e-4), adam(g.parameters(), 2e-4)
    bce = nn.BCEWithLogitsLoss()
    for x, *_ in torch.utils.data.DataLoader(data, GAME_BATCH, shuffle=True):
        one, zero = torch.ones(len(x), 1, device=device), torch.zeros(len(x), 1, device=device)
        d.zero_grad()
        bce(d(x.to(device)), one).backward()
        made = g(torch.randn(len(x), 32, device=device))
        bce(d(made.detach()), zero).backward()
        of_d.step()
        g.zero_grad()
        bce(d(made), one).backward()
        of_g.step()


def turns(contenders: dict[str, Callable], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each contender in each round; the first round warms up and is dropped."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            time.sleep(0.5)  # a library's threads go on spinning after its work, on the next contender's cores
            began = time.perf_counter()
            contenders[name]()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - began)
    return {name: times[1:] for name, times in seconds.items()}


def compare(work: str, ours: str, contenders: dict, images: int, rounds: int, device, asked: dict) -> list[dict]:
    return rated(work, ours, turns(contenders, rounds, device), images, asked)


def rated(work: str, ours: str, seconds: dict[str, list[float]], images: int, asked: dict) -> list[dict]:
    """A row for each contender, with its ratio to ``ours``."""
    rows = []
    for name, times in seconds.items():
        ratios = [t / o for t, o in zip(times, seconds[ours])]
        rates = [images / t for t in times]
        rows.append(
            {
                "work": work,
                "contender": name,
                "images_per_second": round(statistics.median(rates)),
                "slowest": round(min(rates)),
                "fastest": round(max(rates)),
                "ours_over_theirs": None if name == ours else round(statistics.median(ratios), 3),
                "asked": asked.get(name),
            }
        )
        print(f"{work}: {name}: {rows[-1]['images_per_second']:,} images/s, ratio {rows[-1]['ours_over_theirs']}")
    return rows


def compare_both(
    work: str, ours: tuple[str, str], contenders: dict, images: int, rounds: int, device, asked: dict
) -> list[dict]:
    """Two of ours in the same turns, in float32 and with amp="auto": each beside all that is not ours."""
    seconds = turns(contenders, rounds, device)
    rows = []
    for mine, other, precision in ((*ours, "float32"), (*ours[::-1], 'amp="auto"')):
        rows += rated(
            f"{work}, {precision}", mine, {name: t for name, t in seconds.items() if name != other}, images, asked
        )
    return rows


def pictures() -> tuple[torch.Tensor, str]:
    """MNIST's training images (60000, 784), or noise of the same shape."""
    mnist = load_data("mnist")
    if mnist.stand_in:
        return torch.rand(
            60_000, 784, generator=torch.Generator().manual_seed(0)
        ), "random pixels, as MNIST is not here"
    return mnist.flat, "MNIST"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds (default 7)")
    parser.add_argument("--images", type=int, default=60_000, help="use the first so many images")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the results")
    args = parser.parse_args()
    device = torch.device(args.device)
    logging.getLogger("pythae").setLevel(logging.ERROR)
    images, origin = pictures()
    images = images[: args.images]
    x, flat, n = images.to(device), images.numpy(), len(images)

    def reference(solver: str) -> Callable:
        return lambda: sklearn.decomposition.PCA(30, svd_solver=solver, random_state=0).fit(flat)

    pca = {
        "repgen.PCA": lambda: PCA(30).fit(x),
        "scikit-learn, auto": reference("auto"),
        "scikit-learn, covariance_eigh": reference("covariance_eigh"),
        "scikit-learn, randomized": reference("randomized"),
    }
    asked = {name: 1.0 for name in pca if name.startswith("scikit")}
    rows = compare(f"PCA, 30 components of {n:,} x 784", "repgen.PCA", pca, n, 3 * args.rounds, device, asked)

    pixels, tensors = images.view(-1, 28, 28).mul(255).round().byte(), torch.utils.data.TensorDataset(images)

    def vae(**options) -> None:
        fit(VAE.dense((784, 400, 20), nn.ReLU).to(device), x, epochs=EPOCHS, batch_size=BATCH, **options)

    training = {
        "repgen.fit of repgen.VAE, bar on": vae,
        'repgen.fit of repgen.VAE, bar on, amp="auto"': lambda: vae(amp="auto"),
        "plain loop over slices": lambda: plain_loop(x, EPOCHS),
        "DataLoader of torchvision's MNIST, Adam as it comes": lambda: loader_loop(Pictures(pixels), device, EPOCHS),
        "DataLoader of torchvision's MNIST, Adam fused": lambda: loader_loop(
            Pictures(pixels), device, EPOCHS, fused=True
        ),
        "pythae's trainer": lambda: pythae_loop(images, device, EPOCHS),
        "DataLoader of a TensorDataset, Adam fused": lambda: loader_loop(tensors, device, EPOCHS, fused=True),
    }
    asked = {
        "plain loop over slices": 0.95,
        "DataLoader of torchvision's MNIST, Adam as it comes": 3.0,
        "pythae's trainer": 1.5,
    }
    work = f"{EPOCHS} epochs of a VAE 784-400-20, batch {BATCH}, Adam"
    rows += compare_both(work, tuple(training)[:2], training, EPOCHS * n, args.rounds, device, asked)

    def rbm(**options) -> None:
        fit(RBM().to(device), x, epochs=1, batch_size=100, lr=0.1, optimizer="sgd", **options)

    machines = {
        "repgen.fit of repgen.RBM, bar on": rbm,
        'repgen.fit of repgen.RBM, bar on, amp="auto"': lambda: rbm(amp="auto"),
        "plain loop without autograd": lambda: plain_cd(x, 100),
        "scikit-learn, BernoulliRBM": lambda: sklearn.neural_network.BernoulliRBM(500, batch_size=100, n_iter=1).fit(
            flat
        ),
    }
    asked = {"plain loop without autograd": 1.0, "scikit-learn, BernoulliRBM": 1.8}
    work = "an epoch of an RBM 784-500, one Gibbs step, batch 100"
    rows += compare_both(work, tuple(machines)[:2], machines, n, 3 * args.rounds, device, asked)

    few = images[:6400]  # 100 steps
    square, shown = few.view(-1, 1, 28, 28).to(device), Pictures(pixels[:6400])
    games = {
        "repgen.fit of repgen.GAN, bar on": lambda: fit(
            GAN(generator(), discriminator(), 32).to(device),
            square,
            epochs=1,
            batch_size=GAME_BATCH,
            lr=2e-4,
            optimizer=adam,
        ),
        "PyTorch's example, one image at a time": lambda: loader_game(shown, device),
    }
    rows += compare(
        f"100 steps of a DCGAN, batch {GAME_BATCH}",
        "repgen.fit of repgen.GAN, bar on",
        games,
        len(few),
        args.rounds,
        device,
        {},
    )

    here = machine(device) | {"threads": torch.get_num_threads()}
    record = {
        "machine": here,
        "date": datetime.date.today().isoformat(),
        "data": origin,
        "images": n,
        "rounds": args.rounds,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
            "pythae": importlib.metadata.version("pythae"),
        },
        "results": rows,
    }
    name = here["processor"] if here["device"] == "CPU" else here["device"]
    stem = re.sub(r"[^a-z0-9]+", "-", f"{name} {here['cores']} cores".lower()).strip("-")
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{stem}.json").write_text(json.dumps(record, indent=1) + "\n")
    (args.out / f"{stem}.md").write_text(table(record))
    print(f"written: {args.out / stem}.json and .md")


def table(record: dict) -> str:
    here, versions = record["machine"], record["versions"]
    lines = [
        f"# {here['processor']}, {here['cores']} cores, {here['device']}",
        "",
        f"{record['date']}; {here['threads']} threads; {', '.join(f'{k} {v}' for k, v in versions.items())}; "
        f"{record['data']}. "
        f"Median of {record['rounds']} rounds (thrice as many for PCA and the RBM) in which the contenders take "
        f"turns; a ratio is the "
        "median of the rounds' ratios.",
        "",
        "| work | contender | images/s | slowest to fastest | repgen is faster by | asked |",
        "|---|---|---|---|---|---|",
    ]
    for row in record["results"]:
        ratio = "" if row["ours_over_theirs"] is None else f"{row['ours_over_theirs']:.2f} x"
        asked = "" if row["asked"] is None else f"{row['asked']:.2f} x"
        spread = f"{row['slowest']:,} to {row['fastest']:,}"
        lines.append(
            f"| {row['work']} | {row['contender']} | {row['images_per_second']:,} | {spread} | {ratio} | {asked} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
