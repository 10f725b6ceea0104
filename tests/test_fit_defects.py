"""What a run must not do: go on from another run's checkpoint, forget, or fail where it need not."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from test_train import ROOT, Climber, Killed, Noisy, dies_at, same, some, weights
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from repgen import GAN, PCA, VAE, Autoencoder, CheckpointError, Data, DenoisingAutoencoder, cosine, fit
from repgen.corruption import mask
from repgen.training.batches import Streamed, make_batches
from repgen.training.players import players_of

run = {"epochs": 2, "batch_size": 16, "lr": 1e-2, "progress": False}


# --- a checkpoint is of one run


def another_row(x, at=7):
    x = x.clone()
    x[at] = 0
    return x


class Half(nn.Module):
    """Two layers, of which one may be frozen."""

    def __init__(self, frozen=False):
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6)
        self.a.requires_grad_(not frozen)

    def loss(self, x, generator=None):
        return (self.b(self.a(x)) - x).square().sum(1).mean()


def vae(**options):
    return VAE.dense((6, 4, 2), output=nn.Identity, likelihood="gaussian", noise=0.5, **options)


def denoiser(p):
    from functools import partial

    return DenoisingAutoencoder((6, 3), output=nn.Identity, corrupt=partial(mask, p=p))


@pytest.mark.parametrize(
    "first, then, said",
    [
        ({}, {"data": another_row(some())}, "data 0"),
        ({}, {"data": some()[torch.randperm(50, generator=torch.Generator().manual_seed(1))]}, "data 0"),
        ({"validation": some(20)}, {"validation": another_row(some(20))}, "validation 0"),
        ({"model": vae}, {"model": lambda: vae(beta=100.0)}, "beta: 1.0 in the file, 100.0 now"),
        ({"model": vae, "data": torch.ones(50, 6) / 2}, {"model": lambda: vae(binarize=True)}, "binarize"),
        (
            {"model": lambda: Autoencoder((6, 3), nn.ReLU, output=nn.Identity)},
            {"model": lambda: Autoencoder((6, 3), nn.ReLU, output=nn.Tanh)},
            "layers",
        ),
        ({"model": lambda: denoiser(0.1)}, {"model": lambda: denoiser(0.2)}, "corrupt: .*0.1.* in the file"),
        (
            {"model": Half},
            {"model": lambda: Half(frozen=True)},
            "trained by model: a.weight, a.bias, b.weight, b.bias in the file",
        ),
        ({}, {"amp": True}, "amp: False in the file"),
        ({}, {"grad_clip": 1.0}, "grad_clip"),
        ({"schedule": lambda f: 1.0}, {"schedule": lambda f: 1.0 if f < 0.7 else 0.0}, "schedule"),
    ],
)
def test_another_run_is_told_from_this_one(tmp_path, first, then, said):
    settings = {"model": Noisy, "data": some(), **run, "checkpoint": tmp_path / "run.pt"}

    def go(changes):
        arguments = settings | changes
        torch.manual_seed(0)
        fit(arguments.pop("model")(), arguments.pop("data"), **arguments)

    go(first)
    go(first)  # the same run, made anew, is the same
    before = (tmp_path / "run.pt").read_bytes()
    with pytest.raises(CheckpointError, match=f"(?s)belongs to another run.*{said}"):
        go(first | then)
    assert (tmp_path / "run.pt").read_bytes() == before


def test_numbers_of_numpy_are_numbers(tmp_path):
    settings = {
        "batch_size": np.int64(16),
        "seed": np.int64(3),
        "lr": np.float64(1e-2),
        "checkpoint": tmp_path / "run.pt",
    }
    fit(Noisy(), some(), epochs=np.int64(1), progress=False, **settings)
    model, plain = Noisy(), Noisy()
    assert fit(model, some(), epochs=2, progress=False, **settings).epochs == 2
    fit(plain, some(), epochs=2, progress=False, batch_size=16, seed=3, lr=1e-2)
    assert same(weights(model), weights(plain))


def test_no_epochs_do_not_pass_by_a_checkpoint(tmp_path):
    fit(Noisy(), some(), checkpoint=tmp_path / "run.pt", **run)
    with pytest.raises(CheckpointError, match="holds 2 epochs and 0 were asked for"):
        fit(Noisy(), some(), checkpoint=tmp_path / "run.pt", **run | {"epochs": 0})


def test_patience_given_later_knows_the_earlier_epochs(tmp_path):
    values = [0.238, 0.544, 0.75, 0.867]
    act = lambda self, x: None if self.training else 0 * self.w + values[round(self.w.item() / 0.1) - 1]  # a line
    settings = {
        "lr": 0.1,
        "validation": some(8).double(),
        "checkpoint": tmp_path / "run.pt",
        "progress": False,
        "optimizer": "sgd",
    }
    fit(Climber(act), some(8).double(), epochs=2, **settings)
    model = Climber(act)
    history = fit(model, some(8).double(), epochs=4, patience=2, **settings)
    assert (history.best_epoch, history.epochs, history.stopped) == (1, 3, "early")
    assert model.w.item() == pytest.approx(0.1)


def test_the_home_folder_is_known_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    fit(Noisy(), some(), checkpoint="~/run.pt", **run)
    assert os.listdir(tmp_path) == ["run.pt"]


def test_a_model_in_bfloat16_has_checkpoints(tmp_path):
    x = some().bfloat16()
    model = Half().bfloat16()
    fit(model, x, checkpoint=tmp_path / "run.pt", **run)
    again = Half().bfloat16()
    fit(again, x, checkpoint=tmp_path / "run.pt", **run)
    assert same(weights(model), weights(again))


HOLDER = """
import sys
sys.path[:0] = {paths!r}
from test_fit_defects import *
def act(calls):
    if calls == 1:
        print("training", flush=True)
        sys.stdin.read()
fit(Noisy(act), some(), checkpoint=sys.argv[1], **run)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_two_runs_cannot_write_one_checkpoint(tmp_path):
    code = HOLDER.format(paths=[str(ROOT), str(ROOT / "tests")])
    other = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "run.pt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "training\n"
    model = Noisy()
    with pytest.raises(CheckpointError, match="is being written by another run; name another file"):
        fit(model, some(), checkpoint=tmp_path / "run.pt", **run)
    assert model.calls == 0
    other.communicate("")
    assert other.returncode == 0 and os.listdir(tmp_path) == ["run.pt"]
    fit(Noisy(), some(), checkpoint=tmp_path / "run.pt", resume=False, **run)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_what_may_not_be_read_is_not_called_damaged(tmp_path):
    fit(Noisy(), some(), checkpoint=tmp_path / "run.pt", **run)
    (tmp_path / "run.pt").chmod(0)
    with pytest.raises(CheckpointError, match="may not be read"):
        fit(Noisy(), some(), checkpoint=tmp_path / "run.pt", **run)


# --- the last batch


def test_a_last_batch_of_one_is_known_before_training():
    model = Noisy()
    before = weights(model)
    with pytest.raises(ValueError, match="33 examples in batches of 16 leave a last batch of one.*32 examples"):
        fit(model, some(33), **run)
    assert same(before, weights(model)) and model.calls == 0


# --- progress and clipping


def test_a_loss_that_asks_is_told_the_progress():
    told = []

    class Told(Climber):
        def loss(self, x, generator=None, progress=1.0):
            told.append(progress)
            return super().loss(x)

    fit(
        Told(),
        some(40).double(),
        epochs=3,
        batch_size=10,
        validation=some(10).double(),
        optimizer="sgd",
        progress=False,
    )
    per_epoch = [told[5 * e : 5 * e + 4] for e in range(3)]
    assert sum(per_epoch, []) == pytest.approx([k / 12 for k in range(12)]) and told[4::5] == [1.0] * 3


def test_a_resumed_run_is_told_the_same_progress(tmp_path):
    class Annealed(Noisy):
        def loss(self, x, generator=None, progress=1.0):
            return super().loss(x, generator) * (1 + progress)

    whole = Annealed()
    fit(whole, some(), **run | {"epochs": 4})
    with pytest.raises(Killed):
        fit(Annealed(dies_at(9)), some(), checkpoint=tmp_path / "run.pt", **run | {"epochs": 4})
    parts = Annealed()
    fit(parts, some(), checkpoint=tmp_path / "run.pt", **run | {"epochs": 4})
    assert same(weights(whole), weights(parts))


def test_noise_of_a_game_follows_the_progress():
    asked = []
    game = GAN(nn.Linear(2, 3), nn.Linear(3, 1), 2, instance_noise=lambda f: asked.append(f) or 1 - f)
    fit(game, some(20, 3), epochs=2, batch_size=10, progress=False)
    assert sorted(set(asked)) == pytest.approx([0, 0.25, 0.5, 0.75])


def test_gradients_are_cut_to_their_length():
    x = torch.ones(10, 1, dtype=torch.float64)

    class Steep(Climber):
        def loss(self, x, generator=None):
            return 10 * self.w

    model = Steep()
    history = fit(model, x, epochs=3, lr=0.1, grad_clip=0.5, optimizer="sgd", validation=x, progress=False)
    assert model.w.item() == pytest.approx(-3 * 0.1 * 0.5, rel=1e-5)
    assert history.training["grad_norm"] == pytest.approx([10] * 3) and list(history.validation) == ["loss"]


# --- data as they come


class Pairs(Dataset):
    """Examples made one by one, with a number each."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, at):
        return self.x[at], int(self.y[at])


class Labelled(Half):
    def loss(self, x, y, generator=None):
        return super().loss(x) * (1 + 0 * y).float().mean()


def test_all_forms_of_data_train_alike():
    x, ends = some(), []
    for data in (x, x.numpy(), x.double().numpy(), Data(x, None, "some", "here"), (x,), [x], TensorDataset(x)):
        torch.manual_seed(0)
        model = Half()
        fit(model, data, **run)
        ends.append(weights(model))
    assert all(same(ends[0], end) for end in ends)
    torch.manual_seed(0)
    model, y = Labelled(), torch.arange(50)
    fit(model, Pairs(x, y), **run)  # read once and held
    assert same(ends[0], weights(model))


def test_a_loader_is_streamed_and_a_resumed_run_sees_the_same_order(tmp_path):
    seen = []

    class Watch(Half):
        def loss(self, x, generator=None):
            seen.append(x.clone())
            return super().loss(x)

    def loader():
        return DataLoader(some(), batch_size=16, shuffle=True)

    torch.manual_seed(0)
    model = Watch()
    history = fit(model, loader(), **run | {"epochs": 3})
    assert [len(x) for x in seen] == [16, 16, 16, 2] * 3 and len(history.training["loss"]) == 3
    whole, order = weights(model), [x[0, 0].item() for x in seen]
    assert torch.equal(torch.cat(seen[:4]).sort(0).values, some().sort(0).values) and order[:4] != order[4:8]
    seen.clear()
    torch.manual_seed(0)
    fit(Watch(), loader(), checkpoint=tmp_path / "run.pt", **run | {"epochs": 1})
    parts = Watch()
    fit(parts, loader(), checkpoint=tmp_path / "run.pt", validation=None, **run | {"epochs": 3})
    assert [x[0, 0].item() for x in seen] == order and same(whole, weights(parts))


def test_what_does_not_fit_is_streamed(monkeypatch):
    monkeypatch.setattr("repgen.datasets.tensors._free_memory", lambda device: 1000)
    model = Labelled()
    batches = make_batches(model, players_of(model), Pairs(some(), torch.arange(50)), "data", 16)
    assert isinstance(batches, Streamed) and len(batches) == 4
    fit(model, Pairs(some(), torch.arange(50)), validation=Pairs(some(20), torch.arange(20)), **run)


def test_pictures_without_a_transform_are_named():
    class Raw(Pairs):
        def __getitem__(self, at):
            return object()

    with pytest.raises(TypeError, match="give the data set a transform, such as torchvision's ToTensor"):
        fit(Half(), Raw(some(), torch.arange(50)), **run)
    with pytest.raises(ValueError, match="data holds no examples"):
        fit(Half(), DataLoader([]), **run)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Autoencoder((6, 3)),
        lambda: Autoencoder((6, 3), reconstruction="cross-entropy"),
        lambda: VAE.dense((6, 2)),
    ],
)
@pytest.mark.parametrize("x", [255 * torch.rand(20, 6), some(20)], ids=["bytes", "a table"])
def test_data_that_a_model_cannot_reach_are_refused(make, x):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], found values from"):
        fit(make(), x, epochs=1, progress=False)


def test_a_loss_reads_nothing_from_the_device():
    """Each number read from the device by the host is a wait on a GPU: none by the loss of a step."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if "_local_scalar_dense" in str(function) or "is_nonzero" in str(function):
                reads.append(function)
            return function(*args, **kwargs or {})

    reads, counted = [], []

    class Watch(VAE):
        def loss(self, x, generator=None, progress=1.0):
            with Count():
                value = super().loss(x, generator)
            counted.append(len(reads))
            return value

    fit(Watch.dense((6, 2)), torch.rand(20, 6), epochs=2, batch_size=5, progress=False)
    assert len(counted) == 8 and counted[-1] == 0


# --- PCA


def test_a_fitted_pca_is_reloaded(tmp_path):
    x = some(60)
    model = PCA(3).fit(x)
    torch.save(model.state_dict(), tmp_path / "pca.pt")
    again = PCA(3)
    again.load_state_dict(torch.load(tmp_path / "pca.pt"))
    assert torch.equal(again.encode(x), model.encode(x)) and again.n_examples == 60
    with pytest.raises(RuntimeError, match="has not been fitted yet"):
        PCA(3).encode(x)


@pytest.mark.parametrize(
    "batches",
    [
        [torch.zeros(1, 6), some(5000) * torch.tensor([3, 2, 1, 0.5, 0.3, 0.1]) + 1000],
        [torch.cat([some(8192, 5), some(50_000, 5, seed=1) + 1e4])],
        [some(100) + 1e4, some(100, seed=1) - 1e4, some(1, seed=2)],
    ],
)
def test_variances_do_not_cancel_wherever_the_batches_lie(batches):
    x = torch.cat(batches)
    exact = torch.linalg.eigvalsh(torch.cov(x.double().T)).flip(0)[:3]
    model = PCA(3).fit(batches if len(batches) > 1 else x)
    torch.testing.assert_close(model.explained_variance.double(), exact, rtol=1e-5, atol=0)


def test_pca_keeps_the_precision_of_its_data_and_refuses_what_overflows():
    x = some(60)
    assert PCA(2).fit(x.double()).encode(x.double()).dtype == torch.float64
    assert PCA(2).fit(x.half()).explained_variance.dtype == torch.float32
    for far in (1e20, 1e25):
        with pytest.raises(ValueError, match="too large for their precision.*x.double"):
            PCA(2).fit(x * far)
        with pytest.raises(ValueError, match="too large for their precision.*x.double"):
            PCA(2).fit(x[:4] * far) if far > 1e160 else PCA(2).fit(x * far)
    big = PCA(2).fit(x.double() * 1e25)
    torch.testing.assert_close(big.components, PCA(2).fit(x.double()).components)


def test_pca_takes_arrays_pictures_and_loaders():
    from sklearn.datasets import load_digits

    pictures = load_digits().images  # (1797, 8, 8)
    model = PCA(5).fit(pictures)
    assert model.components.shape == (5, 64) and model.n_examples == 1797
    assert PCA(2).fit(np.random.default_rng(0).normal(size=(200, 3, 8, 8))).mean.shape == (192,)
    x = torch.from_numpy(pictures).float().flatten(1)
    again = PCA(5).fit(DataLoader(TensorDataset(x), batch_size=100))
    torch.testing.assert_close(again.explained_variance, model.explained_variance.float(), rtol=1e-5, atol=0)


def test_schedules_are_compared_at_many_places(tmp_path):
    fit(Noisy(), some(), schedule=cosine, checkpoint=tmp_path / "run.pt", **run)
    fit(Noisy(), some(), schedule=cosine, checkpoint=tmp_path / "run.pt", **run)
