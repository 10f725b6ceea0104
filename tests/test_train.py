"""fit against iterates computed by hand, and against itself when killed, resumed or interrupted."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from repgen.train import CheckpointError, History, Player, TrainingDiverged, cosine, fit, warmup_cosine
from repgen.training.amp import resolve_amp
from repgen.training.meter import LossMeter
from repgen.training.players import Stepper, players_of

ROOT = Path(__file__).parent.parent
quick = {"progress": False, "optimizer": "sgd"}


class Line(nn.Module):
    """y = w x + b, in float64 so that NumPy gives the same digits."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(-1.0, dtype=torch.float64))

    def loss(self, x, y, generator=None):
        return (self.w * x + self.b - y).square().mean()


class Climber(nn.Module):
    """Its weight is the sum of the learning rates of all its steps: loss -w, gradient -1."""

    def __init__(self, act=lambda self, x: None):
        super().__init__()
        self.w = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.calls, self.act = 0, act

    def loss(self, x, generator=None):
        self.calls += 1
        other = self.act(self, x)
        return -self.w if other is None else other


class Noisy(nn.Module):
    """Everything that a resumed run could get wrong: dropout, drawn noise, running means."""

    def __init__(self, act=lambda calls: None):
        super().__init__()
        torch.manual_seed(3)
        self.net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 6))
        self.calls, self.act = 0, act

    def loss(self, x, generator=None):
        self.calls += self.training
        self.act(self.calls)
        noise = torch.randn(x.shape, generator=generator)
        return (self.net(x + 0.1 * noise) - x).square().sum(1).mean()


def some(n=50, d=6, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def weights(model) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# --- the steps


@pytest.mark.parametrize("schedule", [None, lambda f: 1 - f])
def test_full_batches_make_gradient_descent_as_by_hand(schedule):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=20), rng.normal(size=20)
    model = Line()
    history = fit(
        model, (torch.tensor(x), torch.tensor(y)), epochs=12, batch_size=20, lr=0.1, schedule=schedule, **quick
    )
    w, b, losses = 0.5, -1.0, []
    for k in range(12):
        error = w * x + b - y
        losses.append((error**2).mean())
        rate = 0.1 * (1 if schedule is None else 1 - k / 12)
        w, b = w - rate * 2 * (error * x).mean(), b - rate * 2 * error.mean()
    assert np.allclose([model.w.item(), model.b.item()], [w, b], rtol=1e-12)
    assert np.allclose(history.training["loss"], losses, rtol=1e-12)
    assert (history.epochs, history.stopped, history.validation) == (12, "finished", {})


def test_minibatches_visit_every_example_once_an_epoch_and_keep_pairs_together():
    x = torch.arange(23, dtype=torch.float64)
    seen = []

    class Watch(Line):
        def loss(self, x, y, generator=None):
            assert torch.equal(y, -x)
            seen.append(x.int().tolist())
            return super().loss(x, y) * 1e-6

    fit(Watch(), (x, -x), epochs=2, batch_size=5, **quick)
    first, second = sum(seen[:5], []), sum(seen[5:], [])
    assert [len(b) for b in seen] == [5, 5, 5, 5, 3] * 2
    assert sorted(first) == sorted(second) == list(range(23))
    assert first != second and first != list(range(23))
    again = seen.copy()
    seen.clear()
    fit(Watch(), (x, -x), epochs=2, batch_size=5, **quick)
    assert seen == again
    seen.clear()
    fit(Watch(), (x, -x), epochs=2, batch_size=5, seed=1, **quick)
    assert seen != again


@pytest.mark.parametrize("schedule", [None, cosine, warmup_cosine(0.25), lambda f: f * f])
def test_a_schedule_scales_each_step(schedule):
    model = Climber()
    fit(model, some(40).double(), epochs=3, batch_size=10, lr=0.2, schedule=schedule, **quick)
    factors = [1.0 if schedule is None else schedule(k / 12) for k in range(12)]
    assert model.w.item() == pytest.approx(0.2 * sum(factors), rel=1e-12)


def test_the_schedules_are_what_they_say():
    assert [cosine(f) for f in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert [warmup_cosine(0.2)(f) for f in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0, 0.5, 1, 0.5, 0])
    with pytest.raises(ValueError, match="warmup"):
        warmup_cosine(5)


def test_optimizers():
    x = some(10).double()
    model = Climber()
    fit(model, x, epochs=3, lr=0.1, optimizer="adam", progress=False)
    assert model.w.item() == pytest.approx(0.3, rel=1e-6)  # a constant gradient: Adam steps by lr
    model = Climber()
    fit(model, x, epochs=3, lr=0.1, optimizer=lambda p, lr: torch.optim.SGD(p, lr, momentum=0.5), progress=False)
    assert model.w.item() == pytest.approx(0.1 * (1 + 1.5 + 1.75), rel=1e-12)


# --- several players


class Game(nn.Module):
    """x y, which x wants small and y large; z belongs to nobody."""

    def __init__(self, steps=(1, 1), rates=(None, None)):
        super().__init__()
        self.x, self.y, self.z = (nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in (1.0, 2.0, 3.0))
        self.steps, self.rates, self.turns = steps, rates, []

    def players(self):
        return (
            Player("down", [self.x], lambda batch, generator: self.value("x", 1), self.steps[0], self.rates[0]),
            Player("up", [self.y], lambda batch, generator: self.value("y", -1), self.steps[1], self.rates[1]),
        )

    def value(self, name, sign):
        if torch.is_grad_enabled():
            self.turns.append(name)
            assert [p.requires_grad for p in (self.x, self.y, self.z)] == [name == "x", name == "y", False]
        return sign * self.x * self.y * self.z / 3


@pytest.mark.parametrize("steps", [(1, 1), (2, 1), (1, 3)])
@pytest.mark.parametrize("rates", [(None, None), (0.05, None)])
def test_two_players_step_in_turn_as_by_hand(steps, rates):
    model = Game(steps, rates)
    history = fit(model, some(14).double(), epochs=2, batch_size=2, lr=0.1, **quick)
    x, y, turns, down = 1.0, 2.0, [], []
    for k in range(14):
        j = k % max(steps)
        if j >= max(steps) - steps[0]:
            down.append(x * y)
            x, turns = x - (rates[0] or 0.1) * y, turns + ["x"]
        if j >= max(steps) - steps[1]:
            y, turns = y + (rates[1] or 0.1) * x, turns + ["y"]
    assert model.turns == turns
    assert [model.x.item(), model.y.item()] == pytest.approx([x, y], rel=1e-12)
    assert model.z.item() == 3
    assert set(history.training) == {"down.loss", "up.loss"}
    if steps == (1, 1):
        assert history.training["down.loss"] == pytest.approx([np.mean(down[:7]), np.mean(down[7:])], rel=1e-12)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_a_player_who_was_not_due_has_no_loss_on_record():
    history = fit(Game((1, 3)), some(4).double(), epochs=3, batch_size=4, **quick)
    assert np.isnan(history.training["down.loss"][:2]).all() and np.isfinite(history.training["down.loss"][2])
    assert np.isfinite(history.training["up.loss"]).all()


def test_frozen_parameters_stay():
    model = Line()
    model.b.requires_grad_(False)
    x = some(10, 1).double()[:, 0]
    fit(model, (x, 2 * x), epochs=3, lr=0.1, **quick)
    assert model.b.item() == -1 and not model.b.requires_grad and model.w.item() != 0.5


# --- what is recorded


class Parts(NamedTuple):
    total: Tensor
    first: Tensor
    second: Tensor


def test_history_holds_the_mean_over_examples_of_every_field():
    x = some(23, 2).double()
    model = Climber(lambda self, x: Parts(x.mean() + 0 * self.w, x[:, 0].mean(), x[:, 1].mean()))
    history = fit(model, x, epochs=2, batch_size=5, validation=x[:7], **quick)
    for means, data in ((history.training, x), (history.validation, x[:7])):
        assert list(means) == ["total", "first", "second"]
        assert means["total"] == pytest.approx([data.mean().item()] * 2, rel=1e-12)
        assert means["second"] == pytest.approx([data[:, 1].mean().item()] * 2, rel=1e-12)
    assert history.seconds > 0


def test_validation_is_in_eval_mode_without_gradients_and_with_the_same_draws():
    seen = []

    class Watch(Noisy):
        def loss(self, x, generator=None):
            value = super().loss(x, generator)
            if not self.training:
                seen.append((torch.is_grad_enabled(), self.net[3].training, value.item()))
            return value

    model = Watch()
    model.net[1].eval()
    history = fit(model, some(), epochs=2, lr=1e-12, batch_size=16, validation=some(40, seed=1), **quick)
    assert all(grad is False and dropout is False for grad, dropout, _ in seen)
    assert model.training and not model.net[1].training and model.net[3].training  # as they were
    means = [sum(n * v for n, (*_, v) in zip((16, 16, 8), part)) / 40 for part in (seen[:3], seen[3:])]
    assert history.validation["loss"] == pytest.approx(means, rel=1e-6)
    assert seen[0][2] != seen[1][2]
    # the weights hardly moved but the running means did; the noise is the same
    assert history.validation["loss"][0] == pytest.approx(history.validation["loss"][1], rel=0.2)


def test_validation_draws_the_same_noise_every_epoch():
    class Draws(Climber):
        def loss(self, x, generator=None):
            return torch.randn((), generator=generator).double() + torch.rand(()).double() + 0 * self.w

    history = fit(Draws(), some().double(), epochs=3, batch_size=16, validation=some().double(), **quick)
    assert len(set(history.validation["loss"])) == 1
    assert len(set(history.training["loss"])) == 3


def test_the_callers_randomness_is_left_alone_and_the_seed_decides():
    torch.manual_seed(5)
    expected = torch.rand(3)
    results = []
    for seed, outer in ((0, 5), (0, 6), (1, 5)):
        model = Noisy()
        torch.manual_seed(outer)
        fit(model, some(), epochs=2, batch_size=16, seed=seed, **quick)
        if outer == 5:
            assert torch.equal(torch.rand(3), expected)
        results.append(weights(model))
    assert same(results[0], results[1]) and not same(results[0], results[2])


def test_early_stopping_gives_back_the_best_weights():
    # w grows by 0.1 an epoch; the validation loss (w - 0.34)^2 is least after epoch 3
    act = lambda self, x: None if self.training else (self.w - 0.34).square()
    model, x = Climber(act), some(8).double()
    history = fit(model, x, epochs=20, lr=0.1, validation=x, patience=4, **quick)
    assert (history.epochs, history.best_epoch, history.stopped) == (7, 3, "early")
    assert model.w.item() == pytest.approx(0.3, rel=1e-12)
    assert np.allclose(history.validation["loss"], [(0.1 * e - 0.34) ** 2 for e in range(1, 8)])
    flat = Climber(lambda self, x: None if self.training else 0 * self.w)
    assert fit(flat, x, epochs=20, lr=0.1, validation=x, patience=2, **quick).epochs == 3  # equal is not better


def test_early_stopping_survives_resumption(tmp_path):
    act = lambda self, x: None if self.training else (self.w - 0.34).square()
    x, settings = some(8).double(), {"lr": 0.1, "checkpoint": tmp_path / "run.pt", **quick}
    for epochs in (2, 5, 20, 20):  # the last one finds a finished run
        model = Climber(act)
        history = fit(model, x, epochs=epochs, validation=x, patience=4, **settings)
    assert (history.epochs, history.best_epoch, history.stopped) == (7, 3, "early")
    assert model.w.item() == pytest.approx(0.3, rel=1e-12) and model.calls == 0


def test_no_epochs_change_nothing():
    model = Noisy()
    before = weights(model)
    assert fit(model, some(), epochs=0, **quick) == History({}, {}, 0, 0.0, "finished")
    assert same(before, weights(model)) and model.calls == 0


def test_the_bar_is_shown_or_not(capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    fit(Climber(), some().double(), epochs=2, batch_size=10)
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown and "10/10" in shown and "loss" in shown
    fit(Climber(), some().double(), epochs=2, batch_size=10, progress=False)
    assert capsys.readouterr().err == ""


# --- precision and compilation


@pytest.mark.parametrize("amp, expected", [(False, torch.float32), ("auto", torch.float32), (True, torch.bfloat16)])
def test_bfloat16_is_on_only_when_asked_for_on_a_cpu(amp, expected):
    seen = set()

    class Watch(Noisy):
        def loss(self, x, generator=None):
            y = self.net(x)
            seen.add(y.dtype)
            return (y - x).square().sum(1).mean()

    model = Watch()
    fit(model, some(), epochs=1, amp=amp, validation=some(), **quick)
    assert seen == {expected} and model.net[0].weight.dtype == torch.float32


def test_matrix_products_in_bfloat16_round_the_entries_and_nothing_else():
    """Against the product of entries that were rounded by hand; a processor without the units multiplies as ever."""
    if not hasattr(torch.cpu, "_is_amx_tile_supported"):
        pytest.skip("this torch does not say which units the processor has")
    a, b = torch.randn(2, 256, 256, generator=torch.Generator().manual_seed(0))
    exact, rounded = a.double() @ b.double(), a.bfloat16().double() @ b.bfloat16().double()
    seen = {}

    class Watch(Noisy):
        def loss(self, x, generator=None):
            seen["product"] = (a @ b).double()
            seen["dtype"] = self.net(x).dtype
            return super().loss(x, generator)

    fit(Watch(), some(), epochs=1, amp="matmul", **quick)
    assert seen["dtype"] == torch.float32 and torch.get_float32_matmul_precision() == "highest"
    expected = rounded if torch.cpu._is_amx_tile_supported() else exact
    torch.testing.assert_close(seen["product"], expected, atol=1e-4, rtol=1e-4)
    assert (rounded - exact).abs().max() > 0.1
    torch.testing.assert_close((a @ b).double(), exact, atol=1e-4, rtol=1e-4)  # as before, once it is over


@pytest.mark.parametrize("tiles, expected", [(True, "matmul"), (False, False)])
def test_auto_takes_the_units_that_a_cpu_has(monkeypatch, tiles, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles, raising=False)
    assert resolve_amp("auto", torch.device("cpu")) is expected
    assert resolve_amp(1, torch.device("cpu")) is True


def test_precision_is_given_back_after_an_error():
    class Broken(Noisy):
        def loss(self, x, generator=None):
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fit(Broken(), some(), epochs=1, amp="matmul", **quick)
    assert torch.get_float32_matmul_precision() == "highest"


def test_compilation_is_on_only_when_asked_for_on_a_cpu(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda loss: compiled.append(loss) or loss)
    fit(Climber(), some().double(), epochs=1, **quick)
    fit(Climber(), some().double(), epochs=40, batch_size=1, compile="auto", **quick)
    assert compiled == []
    model = Climber()
    fit(model, some().double(), epochs=1, compile=True, **quick)
    assert compiled == [model.loss]


# --- killed and resumed


class Killed(Exception):
    pass


def dies_at(call):
    def act(calls):
        if calls == call:
            raise Killed

    return act


run = {"epochs": 4, "batch_size": 16, "lr": 1e-2, "validation": some(20, seed=1), "patience": 3, "progress": False}


@pytest.fixture(scope="module")
def uninterrupted():
    model = Noisy()
    return weights(model), fit(model, some(), schedule=cosine, **run), weights(model)


@pytest.mark.parametrize("call", [1, 3, 5, 8, 9, 11, 16])  # four steps an epoch
def test_a_killed_run_resumes_to_the_same_bits(call, uninterrupted, tmp_path):
    start, expected, end = uninterrupted
    path = tmp_path / "new folder" / "run.pt"
    with pytest.raises(Killed):
        fit(Noisy(dies_at(call)), some(), schedule=cosine, checkpoint=path, **run)
    assert path.exists() == (call > 4)
    model = Noisy()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(0.5 if path.exists() else 1)  # what the file does not restore would show
    history = fit(model, some(), schedule=cosine, checkpoint=path, **run)
    assert model.calls == 16 - 4 * ((call - 1) // 4)
    assert same(weights(model), end) and not same(start, end)
    assert history._replace(seconds=0) == expected._replace(seconds=0)
    assert os.listdir(path.parent) == ["run.pt"]


def test_a_longer_run_extends_a_shorter_one(uninterrupted, tmp_path):
    whole, parts, path = Noisy(), Noisy(), tmp_path / "run.pt"
    expected = fit(whole, some(), **run)
    fit(parts, some(), checkpoint=path, **run | {"epochs": 1})
    os.link(path, tmp_path / "old.pt")
    history = fit(parts, some(), checkpoint=path, **run)
    assert torch.load(tmp_path / "old.pt")["history"]["epochs"] == 1  # replaced, never written over
    assert same(weights(whole), weights(parts)) and history._replace(seconds=0) == expected._replace(seconds=0)
    with pytest.raises(CheckpointError, match="holds 4 epochs and 2 were asked for"):
        fit(Noisy(), some(), checkpoint=path, **run | {"epochs": 2})
    again = Noisy()
    fit(again, some(), checkpoint=path, resume=False, **run | {"epochs": 2})
    assert again.calls == 8


SCRIPT = """
import os, signal, sys
sys.path[:0] = {paths!r}
import torch
torch.set_num_threads(1)
from test_train import Noisy, Killed, dies_at, run, some, weights
from repgen.training import checkpoint
from repgen.train import cosine, fit

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

where, call, path, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
model = Noisy()
if where == "step":
    model.act = lambda calls: die() if calls == call else None
if where == "write":  # half of that checkpoint is on the disk
    whole, count = torch.save, [0]
    def half(state, file):
        count[0] += 1
        if count[0] == call:
            file.write(b"PK" * 1000)
            file.flush()
            die()
        whole(state, file)
    torch.save = half
fit(model, some(), schedule=cosine, checkpoint=path, **run | {{"progress": True}})
torch.save(weights(model), out)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_run_killed_by_the_system_resumes_to_the_same_bits(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT.format(paths=[str(ROOT), str(ROOT / "tests")]))
    path, out = tmp_path / "run.pt", tmp_path / "weights.pt"

    def start(where, call):
        command = [sys.executable, str(script), where, str(call), str(path), str(out)]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TQDM_DISABLE": "1"})

    killed = start("step", 7)  # in the second epoch
    assert killed.returncode == -signal.SIGKILL and path.exists() and not out.exists(), killed.stderr
    first = path.read_bytes()
    killed = start("write", 2)  # while the checkpoint of the third epoch is written
    assert killed.returncode == -signal.SIGKILL and not out.exists(), killed.stderr
    assert path.read_bytes() != first and torch.load(path)["history"]["epochs"] == 2
    assert (tmp_path / "run.pt.part").stat().st_size == 2000  # the half that was written
    resumed = start("nowhere", 0)
    assert resumed.returncode == 0 and resumed.stderr == "", resumed.stderr  # TQDM_DISABLE hides the bar
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = Noisy()
    fit(model, some(), schedule=cosine, **run)
    torch.set_num_threads(threads)
    assert same(weights(model), torch.load(out))


# --- damaged, foreign and unwritable checkpoints


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "run.pt"
    fit(Noisy(), some(), checkpoint=path, **run | {"epochs": 2})
    return path


def damage(path, kind):
    data = bytearray(path.read_bytes())
    if kind == "empty":
        data = b""
    elif kind == "cut short":
        data = data[: len(data) * 2 // 3]
    elif kind == "last byte missing":
        data = data[:-1]
    elif kind == "one bit":
        at = data.index(torch.load(path)["model"]["net.0.weight"].numpy().tobytes())
        data[at] ^= 1
    elif kind == "text":
        data = b"not a checkpoint at all"
    path.write_bytes(data)
    return bytes(data)


@pytest.mark.parametrize("kind", ["empty", "cut short", "last byte missing", "one bit", "text"])
def test_a_damaged_checkpoint_is_refused_and_left_alone(made, kind):
    data = damage(made, kind)
    model = Noisy()
    before = weights(model)
    with pytest.raises(CheckpointError, match="cut short or damaged") as error:
        fit(model, some(), checkpoint=made, **run)
    assert str(made) in str(error.value) and "resume=False" in str(error.value)
    assert made.read_bytes() == data and same(before, weights(model)) and model.calls == 0


def test_a_foreign_file_is_refused(made):
    torch.save({"state_dict": {}}, made)
    with pytest.raises(CheckpointError, match="no checkpoint of fit's"):
        fit(Noisy(), some(), checkpoint=made, **run)
    torch.save(Player, made)  # a pickle that names a class is never executed
    with pytest.raises(CheckpointError, match="damaged"):
        fit(Noisy(), some(), checkpoint=made, **run)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"batch_size": 10}, "batch_size: 16 in the file, 10 now"),
        ({"seed": 1}, "seed: 0 in the file, 1 now"),
        ({"lr": 0.5}, "lr \\[0.01\\] in the file.*lr \\[0.5\\] now"),
        ({"optimizer": "sgd"}, "optimizer of model: Adam .* in the file, SGD"),
        ({"schedule": cosine}, "schedule: None in the file"),
        ({"validation": some(20, seed=9)}, "validation 0"),
        ({"validation": None, "patience": None}, "validation 0: .* in the file, absent now"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(made, change, said):
    with pytest.raises(CheckpointError, match=said):
        fit(Noisy(), some(), checkpoint=made, **run | change)


def test_a_checkpoint_of_another_model_or_other_data_is_refused(made):
    class Wider(Noisy):
        def __init__(self):
            super().__init__()
            self.net[0], self.net[1], self.net[4] = nn.Linear(6, 9), nn.BatchNorm1d(9), nn.Linear(9, 6)

    with pytest.raises(CheckpointError, match=r"net.0.weight: \(8, 6\) in the file, \(9, 6\) now"):
        fit(Wider(), some(), checkpoint=made, **run)
    with pytest.raises(CheckpointError, match="data 0"):
        fit(Noisy(), some(seed=7), checkpoint=made, **run)
    with pytest.raises(CheckpointError, match="data 0"):
        fit(Noisy(), some(48), checkpoint=made, **run)


def test_a_path_that_cannot_be_written_is_known_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "run.pt", tmp_path):
        model = Noisy()
        with pytest.raises(CheckpointError, match="cannot be written.*Nothing was trained"):
            fit(model, some(), checkpoint=path, **run)
        assert model.calls == 0
    if os.name == "posix" and os.geteuid():  # root may write anywhere
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(CheckpointError, match="Permission denied"):
            fit(Noisy(), some(), checkpoint=tmp_path / "closed" / "run.pt", **run)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_leaves_the_old_checkpoint_and_the_model(tmp_path, uninterrupted):
    path = tmp_path / "run.pt"

    def act(calls):
        if calls == 10:  # from the third epoch on
            (tmp_path / "run.pt.part").symlink_to("/dev/full")

    model = Noisy(act)
    with pytest.raises(CheckpointError, match="could not be written.*No space left.*untouched"):
        fit(model, some(), schedule=cosine, checkpoint=path, **run)
    assert model.calls == 12
    resumed = Noisy()
    fit(resumed, some(), schedule=cosine, checkpoint=path, **run)
    assert resumed.calls == 8 and same(weights(resumed), uninterrupted[2])


# --- NaN


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("call", [1, 7, 8])
def test_nan_is_caught_at_its_step(call, value, tmp_path):
    def act(self, x):
        return self.w * value if self.calls == call else None

    path, x = tmp_path / "run.pt", some(8).double()  # four steps an epoch
    model = Climber(act)
    with torch.no_grad():
        model.w += 1
    with pytest.raises(TrainingDiverged) as raised:
        fit(model, x, batch_size=2, lr=0.5, schedule=lambda f: 1 - f, epochs=4, checkpoint=path, **quick)
    error, done = raised.value, call - 1
    assert (error.player, error.epoch, error.step) == ("model", 1 + done // 4, 1 + done % 4)
    assert error.learning_rate == pytest.approx(0.5 * (1 - done / 16))
    in_epoch = [0.5 * (1 - k / 16) for k in range(done)]
    assert error.last_finite == (None if done % 4 == 0 else pytest.approx(-1 - sum(in_epoch[:-1])))
    assert model.calls == call
    assert model.w.item() == pytest.approx(1 + sum(in_epoch[: done // 4 * 4]))  # the start of the epoch
    assert f"epoch {error.epoch}, step {error.step} (player 'model', learning rate" in str(error)
    assert "Try a smaller learning rate" in str(error)
    assert path.exists() == (done >= 4)
    if path.exists():
        assert torch.load(path)["model"]["w"].item() == model.w.item()


def test_nan_is_attributed_to_the_first_bad_step_when_losses_are_read_late():
    model = Game()
    players = players_of(model)
    steppers = [Stepper(p, model, players, 0.1, "sgd", torch.device("cpu")) for p in players]
    meter = LossMeter(steppers, 2, 25, tqdm(disable=True))
    bad = {(7, 1), (9, 0)}
    with pytest.raises(TrainingDiverged) as raised:
        for step in range(100):
            for i, stepper in enumerate(steppers):
                stepper.fields = [f"{stepper.name}.loss"]
                loss = torch.tensor(float("nan") if (step, i) in bad else float(step))
                meter.add(stepper, step, [loss], 1.0, 4, False)
    error = raised.value
    assert (error.player, error.epoch, error.step, error.last_finite) == ("up", 2, 8, 6.0)
    assert step == 12  # 25 losses of two players


def test_a_gradient_that_spoils_the_weights_in_the_last_step_is_caught():
    def act(self, x):
        return (0 * self.w).sqrt() if self.calls == 4 else None  # the loss is 0, its gradient NaN

    model = Climber(act)
    with pytest.raises(TrainingDiverged, match="a weight became nan") as raised:
        fit(model, some(4).double(), batch_size=2, lr=0.5, epochs=2, **quick)
    assert (raised.value.epoch, raised.value.step) == (2, 2) and model.w.item() == 1


def test_nan_on_the_validation_data_is_caught():
    act = lambda self, x: None if self.training or self.w < 1 else self.w * float("nan")
    model = Climber(act)
    with pytest.raises(TrainingDiverged, match="the validation loss became nan in epoch 2"):
        fit(model, some(4).double(), lr=0.6, epochs=5, validation=some(4).double(), **quick)
    assert model.w.item() == pytest.approx(0.6)


# --- Ctrl-C


@pytest.fixture
def heard():
    """Ctrl-C is heard, also by tests begun in the background, where a shell has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt(times=1):
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_ends_the_step_and_keeps_what_was_learned(tmp_path, uninterrupted):
    def act(self, x):
        if self.calls == 7:
            interrupt()

    before, path = signal.getsignal(signal.SIGINT), tmp_path / "run.pt"
    model = Climber(act)
    with pytest.raises(KeyboardInterrupt, match="epoch 2, step 3 of 4; .*run.pt holds epoch 1") as raised:
        fit(model, some(8).double(), batch_size=2, lr=0.5, checkpoint=path, **quick)
    assert model.w.item() == 3.5 and model.calls == 7  # the seventh step was finished
    assert raised.value.history.epochs == 1
    assert signal.getsignal(signal.SIGINT) is before and model.w.grad is None
    resumed = Climber()
    fit(resumed, some(8).double(), batch_size=2, lr=0.5, epochs=4, checkpoint=path, **quick)
    assert resumed.w.item() == 8 and resumed.calls == 12


@pytest.mark.usefixtures("heard")
def test_a_second_ctrl_c_breaks_at_once():
    def act(self, x):
        if self.calls == 7:
            interrupt(2)

    before, model = signal.getsignal(signal.SIGINT), Climber(act)
    with pytest.raises(KeyboardInterrupt):
        fit(model, some(8).double(), batch_size=2, lr=0.5, **quick)
    assert model.w.item() == 3 and signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("heard")
def test_ctrl_c_while_validating_waits_for_the_checkpoint(tmp_path):
    def act(self, x):
        if not self.training and self.w == 2:
            interrupt()

    path, x = tmp_path / "run.pt", some(8).double()
    model = Climber(act)
    with pytest.raises(KeyboardInterrupt, match="the end of epoch 2"):
        fit(model, x, lr=1.0, validation=x, checkpoint=path, **quick)
    assert torch.load(path)["history"]["epochs"] == 2 and torch.load(path)["model"]["w"] == 2


# --- bad input


class Lossless(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))


class Empty(nn.Module):
    def loss(self, x, generator=None):
        return x.sum()


def with_nan():
    x = some().double()
    x[[3, 30], 2] = float("nan")
    return x


class Players(Lossless):
    def __init__(self, *players):
        super().__init__()
        self.given = players

    def players(self):
        return self.given


nobody, twice = Players(), Players()
twice.given = (Player("a", [twice.w], None), Player("a", [twice.w], None))


@pytest.mark.parametrize(
    "error, said, change",
    [
        (
            TypeError,
            r"torch.uint8, not real numbers; convert it with .float\(\) / 255",
            {"data": np.zeros((3, 2), np.uint8)},
        ),
        (TypeError, "torch.bool, not real numbers", {"data": torch.zeros(3, 2, dtype=torch.bool)}),
        (
            TypeError,
            r"the loss of Climber takes \(x\), but data has 2 tensors",
            {"data": (some().double(), some().double())},
        ),
        (TypeError, "schedule is a callable", {"schedule": "cosine"}),
        (ValueError, "schedule must give factors of lr, 0 or more; at 0.*it gives -0", {"schedule": lambda f: f - 0.5}),
        (ValueError, "grad_clip must be a positive number", {"grad_clip": 0}),
        (TypeError, "got str", {"data": "mnist"}),
        (TypeError, "torch.float32, the model torch.float64", {"data": some()}),
        (ValueError, "holds no examples", {"data": torch.zeros(0, 6).double()}),
        (ValueError, "holds no examples", {"data": ()}),
        (ValueError, "holds no examples", {"data": torch.tensor(1.0)}),
        (ValueError, r"differ in length: \[50, 49\]", {"data": (some().double(), some(49).double())}),
        (
            ValueError,
            r"data has shape \(50, 6\), and 2 of its 300 values are not finite.*first is nan at \[3, 2\]",
            {"data": with_nan()},
        ),
        (ValueError, "validation has shape.*not finite", {"validation": with_nan()}),
        (ValueError, "epochs must be", {"epochs": -1}),
        (ValueError, "epochs must be", {"epochs": 2.5}),
        (ValueError, "batch_size must be", {"batch_size": 0}),
        (ValueError, "seed must be", {"seed": -1}),
        (ValueError, "lr must be", {"lr": 0}),
        (ValueError, "lr must be", {"lr": float("nan")}),
        (ValueError, "patience", {"patience": 3}),
        (ValueError, "amp must be", {"amp": "yes"}),
        (ValueError, "compile must be", {"compile": "matmul"}),
        (ValueError, "optimizer must be", {"optimizer": "rmsprop"}),
        (TypeError, "must return a torch optimizer", {"optimizer": lambda p, lr: None}),
        (TypeError, "torch.nn.Module", {"model": "net"}),
        (TypeError, "Lossless has neither", {"model": Lossless()}),
        (ValueError, "no parameters", {"model": Empty()}),
        (ValueError, "at least one player", {"model": nobody}),
        (ValueError, "each by its own name", {"model": twice}),
        (ValueError, r"scalar.*got a Tensor of shape \(50, 6\)", {"model": Climber(lambda self, x: x * self.w)}),
        (ValueError, "scalar.*got a tuple", {"model": Climber(lambda self, x: (self.w, self.w))}),
        (ValueError, "does not depend on its parameters", {"model": Climber(lambda self, x: x.mean())}),
    ],
)
def test_bad_input_is_named(error, said, change):
    arguments = {"model": Climber(), "data": some().double(), "epochs": 1} | quick | change
    with pytest.raises(error, match=said):
        fit(**arguments)


def test_large_values_are_not_taken_for_infinite_ones():
    x = torch.full((4, 1), 1e38)  # their sum overflows

    class Model(Lossless):
        def loss(self, x, generator=None):
            return self.w

    fit(Model(), x, epochs=1, **quick)


def test_a_batch_may_be_larger_than_the_data():
    model = Climber()
    fit(model, some(3).double(), epochs=2, batch_size=1000, lr=1.0, **quick)
    assert model.calls == 2 and model.w.item() == 2


# --- many processes

PARALLEL = """
import os, signal, sys
sys.path[:0] = {paths!r}
import torch
torch.set_num_threads(1)
from test_train import Game, Noisy, TwoNets, some, weights
from repgen.training import distributed
from repgen.train import TrainingDiverged, fit

distributed.init_distributed("cpu")
rank, world = distributed.rank_and_world_size()
out = {{}}
common = dict(epochs=3, batch_size=9, lr=1e-2, progress=rank == 0)
# 37 examples: shares of 5 and 4, and a last batch of one
model = TwoNets(seed=rank)
history = fit(model, some(37), validation=some(11, seed=1), checkpoint=sys.argv[1] + ".pt", **common)
out["weights"], out["training"], out["validation"] = weights(model), history.training, history.validation
seen = distributed.all_reduce(torch.stack([model.net.weight.sum(), -model.net.weight.sum()]) * (1 - 2 * rank))
out["drift"] = seen.abs().max().item()
game = Game()
fit(game, some(8).double(), epochs=2, batch_size=2, lr=0.1, optimizer="sgd", progress=False)
out["game"] = [game.x.item(), game.y.item()]
model = TwoNets()
if rank == 1:
    model.poison = 40
try:
    fit(model, some(37), **common | dict(epochs=20))
except TrainingDiverged as error:
    caught = [error.epoch, error.step]
flags = torch.zeros(2, dtype=torch.int64)
flags[rank] = caught[0] * 100 + caught[1]
out["diverged"] = distributed.all_reduce(flags).tolist()
model = TwoNets()
if rank == 1:
    model.signal = 40
try:
    fit(model, some(37), **common | dict(epochs=50))
except KeyboardInterrupt as error:
    flags = torch.zeros(2, dtype=torch.int64)
    flags[rank] = model.calls
out["stopped"] = distributed.all_reduce(flags).tolist()
if rank == 0:
    torch.save(out, sys.argv[1])
distributed.shutdown()
"""


class TwoNets(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.net = nn.Linear(6, 3)
        self.back = nn.Linear(3, 6)
        self.calls, self.poison, self.signal = 0, 0, 0

    def loss(self, x, generator=None, progress=None):
        assert (progress is not None) == self.training  # also where DDP stands between
        self.calls += self.training
        if self.signal and self.calls == self.signal:
            interrupt()
        value = (self.back(self.net(x).tanh()) - x).square().sum(1).mean()
        return value * float("nan") if self.poison and self.calls == self.poison else value


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    if not torch.distributed.is_available() or shutil.which("torchrun", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("this torch has no torchrun")
    folder = tmp_path_factory.mktemp("parallel")
    script = folder / "run.py"
    script.write_text(textwrap.dedent(PARALLEL.format(paths=[str(ROOT), str(ROOT / "tests")])))
    command = [str(Path(sys.executable).parent / "torchrun"), "--standalone", "--nproc_per_node=2", str(script)]
    done = subprocess.run([*command, str(folder / "out")], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(folder / "out"), folder / "out.pt"


def test_two_processes_give_the_result_of_one(two_processes):
    result, checkpoint = two_processes
    model = TwoNets()
    settings = {"epochs": 3, "batch_size": 9, "lr": 1e-2, "validation": some(11, seed=1), "progress": False}
    history = fit(model, some(37), **settings)
    for name, value in weights(model).items():
        assert torch.allclose(result["weights"][name], value, atol=1e-5), name
    assert result["training"]["loss"] == pytest.approx(history.training["loss"], abs=1e-5)
    assert result["validation"]["loss"] == pytest.approx(history.validation["loss"], abs=1e-5)
    assert result["drift"] == 0
    resumed = TwoNets(seed=8)
    fit(resumed, some(37), checkpoint=checkpoint, **settings)  # one process reads what two wrote
    assert resumed.calls == 0 and same(weights(resumed), result["weights"])


def test_two_processes_play_the_same_game(two_processes):
    game = Game()
    fit(game, some(8).double(), epochs=2, batch_size=2, lr=0.1, **quick)
    assert two_processes[0]["game"] == pytest.approx([game.x.item(), game.y.item()], rel=1e-12)


def test_nan_in_one_process_raises_in_all_at_the_same_step(two_processes):
    assert two_processes[0]["diverged"] == [805, 805]  # call 40 of one process: five steps an epoch


def test_ctrl_c_in_one_process_stops_all_at_the_same_step(two_processes):
    first, second = two_processes[0]["stopped"]
    assert first == second and 40 <= first <= 65
