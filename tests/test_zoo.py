"""The zoo: what is shipped is what is on record, and nothing else is loaded."""

import json
import math
import os
import re
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from torch import nn

from repgen import PCA, Data, fit, zoo
from repgen.corruption import salt_and_pepper
from repgen.evaluation.metrics import reconstruction_error
from repgen.logistic_pca import LogisticPCA
from repgen.zoo import ZooError, quantization
from repgen.zoo.quantization import dequantize, quantize

# --- what is shipped


def test_every_recipe_is_trained_and_together_they_are_small():
    assert zoo.names() == zoo.recipe_names()
    assert sum(path.stat().st_size for path in zoo.FOLDER.iterdir()) < 30e6


# How far a figure measured anew may be from the record, as a share of it. Measured with PyTorch, oneDNN and MKL told to
# do without AMX and AVX-512, to be content with SSE, and on 8 threads: at most 1e-6 where data pass through a net,
# whatever is drawn on the way (a Frechet distance; all else 2e-7); 3.3e-4 where the codes are searched for, since a
# search ends by a threshold, one step sooner or later.
PASSED, SEARCHED = 1e-5, 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.names())
def test_shipped_models_give_the_metrics_on_record(name):
    record = zoo.record(name)
    assert record["name"] == name and not any(d["stand_in"] for d in record["data"])
    assert (zoo.FOLDER.parents[2] / record["recipe"]).exists()
    assert not record["changed_settings"]  # by its recipe alone
    if record["sha256"] is None:
        assert not zoo.recipe(name).WEIGHTS and not (zoo.FOLDER / f"{name}.safetensors").exists()
        with pytest.raises(ZooError, match="only the record is kept"):
            zoo.load_pretrained(name)
        return
    model = zoo.load_pretrained(name)
    assert sum(p.numel() for p in model.parameters()) == record["parameters"]
    assert all(p.dtype == torch.float32 for p in model.parameters()) and not model.training
    for key, value in record["metrics"].items():
        assert value == pytest.approx(record["metrics_in_float32"][key], rel=zoo.FORMS.get(record["dtype"], 0))
    steps = zoo.recipe(name)
    data = steps.data("cpu")
    if any(d.stand_in for d in data):
        pytest.skip(f"the metrics of {name}: not checked on the stand-in")
    searched = any(isinstance(part, LogisticPCA) for part in model.modules())
    with torch.no_grad():
        found = steps.measure(model, *data)
    if "low" not in found:
        assert found == pytest.approx(record["metrics"], rel=SEARCHED if searched else PASSED)
        return
    # An estimate from random draws, each with its error bar: where the draws are others, one lies within the other's.
    (estimate, low, high), (recorded, least, most) = found.values(), record["metrics"].values()
    assert found.keys() == record["metrics"].keys()
    assert low <= recorded <= high or least <= estimate <= most, f"{found} for {record['metrics']}"


@pytest.mark.parametrize(
    "name, k, margin", [("linear-ae-digits", 10, 0.01), ("linear-ae-mnist", 30, 0.002), ("linear-ae-faces", 100, 0.01)]
)
def test_the_linear_autoencoders_reach_the_error_of_pca(name, k, margin):
    train, test = zoo.recipe(name).data("cpu")
    if train.stand_in:
        pytest.skip(f"{name} beside PCA: not checked on the stand-in")
    best = reconstruction_error(test.flat, PCA(k).fit(train.flat).reconstruct(test.flat))
    assert zoo.record(name)["metrics"]["test error"] == pytest.approx(best, rel=margin)


def test_the_small_nets_are_of_one_size_and_each_learns_from_its_own_loss():
    torch.manual_seed(0)
    nets = zoo.recipe("small-aes-mnist").build()
    sizes = [sum(p.numel() for p in net.parameters()) for net in nets.children()]
    assert len(sizes) == 3 and max(sizes) / min(sizes) < 1.01
    x = torch.rand(20, 784)
    nets.loss(x, torch.Generator().manual_seed(1)).backward()
    together = [p.grad.clone() for p in nets.shallow.parameters()]
    nets.zero_grad()
    nets.shallow.loss(x).backward()
    for a, b in zip(together, nets.shallow.parameters()):
        assert torch.allclose(a, b.grad, rtol=1e-5, atol=1e-8)


def test_the_small_nets_do_what_they_are_for():
    train, test = zoo.recipe("small-aes-mnist").data("cpu")
    if train.stand_in:
        pytest.skip("the small nets beside PCA: not checked on the stand-in")
    nets, pca = zoo.load_pretrained("small-aes-mnist"), PCA(10).fit(train.flat[:8000])
    models = dict(nets.named_children()) | {"PCA": pca}
    spotted = salt_and_pepper(test.flat, 0.2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, spots = (
            {name: reconstruction_error(test.flat, net.decode(net.encode(x))) for name, net in models.items()}
            for x in (test.flat, spotted)
        )
    assert max(whole["shallow"], whole["deep"], whole["denoising"]) < 0.8 * whole["PCA"]
    assert whole["denoising"] > whole["deep"]  # the price of distrust
    assert spots["denoising"] < 0.7 * min(spots["PCA"], spots["shallow"], spots["deep"])


# --- making and loading one


class Scale(nn.Module):
    def __init__(self, start=0.1, shape=(3,)):
        super().__init__()
        self.w = nn.Parameter(torch.full(shape, start))
        self.register_buffer("count", torch.tensor(7))
        self.tied = self.w  # safetensors stores no tensor twice: load must bring it back

    def loss(self, x, generator=None):
        return (self.w - x[:, None]).square().flatten(1).sum(1).mean()


def recipe(monkeypatch, measure, start=0.1, stand_in=False):
    x = torch.tensor([[1 / 3, 2 / 3, 0.5]] * 8)
    steps = SimpleNamespace(
        data=lambda device: (Data(x.to(device), None, "thirds", "made here", stand_in),),
        build=lambda: Scale(start),
        train=lambda model, thirds, **options: fit(
            model, thirds.x, **{"epochs": 300, "lr": 0.1, "optimizer": "sgd", "progress": False} | options
        ),
        measure=measure,
        __doc__="A vector.",
        __file__="vector.py",
    )
    monkeypatch.setattr(zoo, "recipe", lambda name: steps)
    monkeypatch.setattr(zoo, "recipe_names", lambda: ["vector"])
    return steps


def first(model, thirds):
    return {"first": model.w[0].item()}


@pytest.fixture
def made(tmp_path, monkeypatch):
    recipe(monkeypatch, first)
    return zoo.train_recipe("vector", folder=tmp_path), tmp_path


def test_weights_are_float16_where_that_loses_nothing(made):
    record, folder = made
    stored = safetensors.torch.load_file(folder / "vector.safetensors")
    assert stored["w"].dtype == torch.float16 and stored["count"].dtype == torch.int64
    assert record["dtype"] == "float16" and record["parameters"] == 3
    assert record["metrics"]["first"] == torch.tensor(1 / 3).half().item()
    assert record["metrics_in_float32"]["first"] == pytest.approx(1 / 3, abs=1e-7)
    assert zoo.record("vector", folder) == record
    model = zoo.load_pretrained("vector", folder=folder)
    assert torch.equal(model.w, torch.tensor([1 / 3, 2 / 3, 0.5]).half().float()) and model.count == 7
    assert model.tied is model.w and model.w.dtype == torch.float32 and not model.training
    assert record["data"] == [{"name": "thirds", "origin": "made here", "stand_in": False, "examples": 8}]
    assert (record["epochs"], record["seed"], record["processes"], record["about"]) == (300, 0, 1, "A vector.")
    assert sorted(os.listdir(folder)) == ["vector.json", "vector.safetensors"]


@pytest.mark.parametrize(
    "measure, start",
    [
        (lambda model, thirds: {"distance": (model.w[0] - 1 / 3).abs().item() + 1e-9}, 0.1),
        (lambda model, thirds: {"largest": model.w.max().item()}, 1e8),  # 1e8 is infinite in float16
    ],
)
def test_weights_stay_float32_where_float16_loses_something(measure, start, tmp_path, monkeypatch):
    recipe(monkeypatch, measure, start)
    record = zoo.train_recipe("vector", folder=tmp_path, epochs=1 if start > 1 else 300)
    assert record["dtype"] == "float32" and record["metrics"] == record["metrics_in_float32"]
    model = zoo.load_pretrained("vector", folder=tmp_path)
    assert measure(model, None) == record["metrics"]


@pytest.mark.parametrize("bar, form", [(1e-3, "float16"), (1e-7, "float32")])
def test_an_estimate_may_move_within_its_error_bar(bar, form, tmp_path, monkeypatch):
    def estimate(model, thirds):
        distance = (model.w[0] - 1 / 3).abs().item()
        return {"distance": distance, "low": distance - bar, "high": distance + bar}

    recipe(monkeypatch, estimate)
    record = zoo.train_recipe("vector", folder=tmp_path)
    assert record["dtype"] == form
    moved = abs(record["metrics"]["distance"] - record["metrics_in_float32"]["distance"])
    assert moved == 0 if form == "float32" else 1e-6 < moved < bar


def test_large_models_are_int8_where_that_loses_little(tmp_path, monkeypatch):
    monkeypatch.setattr(quantization, "LARGE", 2)
    monkeypatch.setattr(quantization, "BULK", 5)
    recipe(monkeypatch, lambda model, thirds: {"longest": model.w.norm().item()})
    monkeypatch.setattr(zoo.recipe("vector"), "build", lambda: Scale(0.1, (2, 3)))
    record = zoo.train_recipe("vector", folder=tmp_path)
    stored = safetensors.torch.load_file(tmp_path / "vector.safetensors")
    assert record["dtype"] == "int8" and stored["w"].dtype == torch.int8 and stored["w"].abs().max() == 127
    row = torch.tensor([1 / 3, 2 / 3, 0.5])
    expected = (row / row.max() * 127).round() / 127 * row.max()
    torch.testing.assert_close(
        zoo.load_pretrained("vector", folder=tmp_path).w, expected.expand(2, 3), rtol=1e-5, atol=0
    )
    monkeypatch.setitem(zoo.FORMS, "int8", 1e-6)  # nothing may be lost: the next form is taken
    assert zoo.train_recipe("vector", folder=tmp_path)["dtype"] == "float16"


def test_of_a_recipe_that_keeps_no_weights_the_record_is_kept(tmp_path, monkeypatch):
    steps = recipe(monkeypatch, first)
    monkeypatch.setattr(steps, "WEIGHTS", False, raising=False)
    monkeypatch.setattr(
        steps, "details", lambda model, data: {"training": model.training, "rows": [*data.x.shape]}, raising=False
    )
    record = zoo.train_recipe("vector", folder=tmp_path)
    assert record["details"] == {"training": False, "rows": [*steps.data("cpu")[0].x.shape]}
    assert os.listdir(tmp_path) == ["vector.json"] and zoo.record("vector", tmp_path) == record
    assert record["metrics"] == record["metrics_in_float32"] and record["metrics"]["first"] == pytest.approx(
        1 / 3, abs=1e-7
    )
    assert (record["sha256"], record["bytes"], record["dtype"], record["parameters"]) == (None, 0, None, 3)
    with pytest.raises(ZooError, match=r"only the record is kept.*zoo\.recipe\('vector'\)"):
        zoo.load_pretrained("vector", folder=tmp_path)
    repeated = zoo.repeat_recipe("vector", 1, folder=tmp_path)["repeats"]["1"]["metrics"]
    assert repeated["first"] == pytest.approx(1 / 3, abs=1e-7)


def test_what_a_recipe_draws_depends_on_the_seed_alone(tmp_path, monkeypatch):
    steps, drawn = recipe(monkeypatch, first), []
    plain = steps.train
    monkeypatch.setattr(steps, "train", lambda *args, **options: drawn.append(torch.rand(3)) or plain(*args, **options))
    before = torch.get_rng_state()
    for seed in (0, 0, 1):
        zoo.train_recipe("vector", folder=tmp_path, seed=seed)
        torch.rand(1)  # what was drawn before is no matter
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    torch.set_rng_state(before)


def test_a_row_is_off_by_half_a_step_at_most():
    w = torch.randn(50, 40, generator=torch.Generator().manual_seed(0)) * torch.logspace(-6, 6, 50)[:, None]
    back = dequantize(quantize({"w": w, "b": w[0], "n": torch.tensor(3), "none": torch.zeros(2, 2)}, "int8"))
    assert ((back["w"] - w).abs() <= w.abs().amax(1, keepdim=True) / 253.9).all()
    assert torch.equal(back["b"], w[0].half().float()) and back["n"] == 3 and not back["none"].any()
    bulk = quantize({"w": w, "small": w[:2]}, "int8", bulk=80)
    assert (bulk["w"].dtype, bulk["small"].dtype) == (torch.int8, torch.float16) and "small/scale" not in bulk
    with pytest.raises(ValueError, match="not 'int4'"):
        quantize({"w": w}, "int4")


def test_repeats_add_metrics_and_leave_the_weights(made):
    record, folder = made
    before = (folder / "vector.safetensors").read_bytes()
    added = zoo.repeat_recipe("vector", 3, folder=folder)
    alone = zoo.train_recipe("vector", folder=folder / "other", seed=3)["metrics_in_float32"]
    assert added["repeats"]["3"]["metrics"] == alone != record["metrics"]
    assert zoo.record("vector", folder) == added and {**added, "repeats": 0} == {**record, "repeats": 0}
    assert (folder / "vector.safetensors").read_bytes() == before
    zoo.repeat_recipe("vector", 4, folder=folder)
    assert set(zoo.record("vector", folder)["repeats"]) == {"3", "4"}


def test_what_cannot_be_repeated(made, monkeypatch):
    with pytest.raises(ZooError, match="seed 0 is that of vector itself"):
        zoo.repeat_recipe("vector", 0, folder=made[1])
    with pytest.raises(ZooError, match="keeps the recipe's settings, found epochs"):
        zoo.repeat_recipe("vector", 1, folder=made[1], epochs=2)
    recipe(monkeypatch, first, stand_in=True)
    with pytest.raises(ZooError, match="stand-in"):
        zoo.repeat_recipe("vector", 1, folder=made[1])


def test_settings_other_than_the_recipes_are_on_record(made, tmp_path):
    record = zoo.train_recipe("vector", folder=tmp_path, epochs=2, seed=3, progress=False)
    assert (record["epochs"], record["seed"], record["changed_settings"]) == (2, 3, {"epochs": 2})
    assert record["metrics"]["first"] != made[0]["metrics"]["first"]


def test_building_and_loading_leave_torchs_randomness_alone(made, monkeypatch):
    steps = zoo.recipe("vector")
    monkeypatch.setattr(steps, "build", lambda: [torch.rand(5), Scale()][1])
    torch.manual_seed(4)
    expected = torch.rand(2)
    torch.manual_seed(4)
    zoo.load_pretrained("vector", folder=made[1])
    assert torch.equal(torch.rand(2), expected)


def test_nothing_is_trained_on_a_stand_in_unless_forced(tmp_path, monkeypatch):
    recipe(monkeypatch, first, stand_in=True)
    with pytest.raises(ZooError, match="thirds are not here.*data fetch thirds"):
        zoo.train_recipe("vector", folder=tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()
    record = zoo.train_recipe("vector", folder=tmp_path, force=True, epochs=1)
    assert record["data"][0]["stand_in"] is True


def test_a_folder_that_cannot_be_written_is_known_before_training(tmp_path, monkeypatch):
    steps = recipe(monkeypatch, first)
    monkeypatch.setattr(steps, "train", lambda *_, **__: pytest.fail("trained first"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match="file cannot be written"):
        zoo.train_recipe("vector", folder=tmp_path / "file")


# --- what is wrong is found before hours are spent


@pytest.mark.parametrize("part", ["data", "build", "train", "measure"])
def test_a_recipe_that_lacks_a_part_is_refused_before_training(part, made, tmp_path, monkeypatch):
    steps = zoo.recipe("vector")
    monkeypatch.setattr(steps, "train", lambda *_, **__: pytest.fail("trained first"))
    monkeypatch.setattr(steps, "mesure" if part == "measure" else part[::-1], getattr(steps, part), raising=False)
    monkeypatch.delattr(steps, part)
    for call in (
        lambda: zoo.train_recipe("vector", folder=tmp_path),
        lambda: zoo.repeat_recipe("vector", 1, folder=made[1]),
    ):
        with pytest.raises(ZooError, match=f"recipe of vector lacks {part}; it must have data, build, train, measure"):
            call()


@pytest.mark.parametrize("name", zoo.recipe_names())
def test_every_recipe_is_whole(name):
    steps = zoo.recipe(name)
    assert all(callable(getattr(steps, part)) for part in ("data", "build", "train", "measure"))
    assert steps.__doc__ and "\n" not in steps.__doc__


@pytest.mark.parametrize(
    "options, error, said",
    [
        ({"batch_size": 0}, ValueError, "batch_size must be"),
        ({"epochs": -1}, ValueError, "epochs must be"),
        ({"epochs": 1.5}, ValueError, "epochs must be"),
        ({"lr": 0.0}, ValueError, "lr must be"),
        ({"amp": "half"}, ValueError, "amp"),
        ({"epoch": 3}, TypeError, "epoch"),
    ],
)
def test_an_option_that_fit_refuses_is_refused_before_the_first_stage(options, error, said, tmp_path, monkeypatch):
    steps = recipe(monkeypatch, first)
    monkeypatch.setattr(steps, "train", lambda *_, **__: pytest.fail("a stage with settings of its own went first"))
    with pytest.raises(error, match=said):
        zoo.train_recipe("vector", folder=tmp_path / "zoo", **options)
    assert not (tmp_path / "zoo").exists()


def test_an_option_that_a_recipe_has_no_use_for_is_refused(made, tmp_path, monkeypatch):
    steps = zoo.recipe("vector")
    monkeypatch.setattr(steps, "FIXED", ("lr", "seed"), raising=False)
    monkeypatch.setattr(steps, "train", lambda *_, **__: pytest.fail("trained first"))
    with pytest.raises(ZooError, match="leaves no choice of lr; see"):
        zoo.train_recipe("vector", folder=tmp_path, lr=0.3)
    for call in (
        lambda: zoo.train_recipe("vector", folder=tmp_path, seed=3),
        lambda: zoo.repeat_recipe("vector", 3, folder=made[1]),
    ):
        with pytest.raises(ZooError, match="leaves no choice of seed"):
            call()


@pytest.mark.parametrize(
    "name", [name for name in zoo.recipe_names() if "lr" not in getattr(zoo.recipe(name), "FIXED", ())]
)
def test_no_recipe_takes_a_learning_rate_and_leaves_it_unused(name):
    """Where all players bring a rate of their own, that given to ``fit`` would be ignored."""
    model = zoo.build(zoo.recipe(name), 0)
    for part in model.modules():
        if hasattr(part, "players"):
            assert all(player.lr is None for player in part.players())


def test_what_was_trained_for_hours_is_kept_if_it_cannot_be_measured(tmp_path, monkeypatch):
    recipe(monkeypatch, lambda model, thirds: {"first": model.w[0]})  # a tensor, which JSON has no word for
    with pytest.raises(ZooError, match="trained but could not be measured .TypeError.*kept in .*vector.unmeasured.pt"):
        zoo.train_recipe("vector", folder=tmp_path)
    state = torch.load(tmp_path / "vector.unmeasured.pt")
    assert state["w"][0] == pytest.approx(1 / 3, abs=1e-6)
    assert os.listdir(tmp_path) == ["vector.unmeasured.pt"]


def test_how_a_run_was_started_is_no_changed_setting(tmp_path, monkeypatch):
    recipe(monkeypatch, first)
    how = {"resume": False, "checkpoint": tmp_path / "run.pt", "progress": False}
    assert zoo.train_recipe("vector", folder=tmp_path, epochs=2, **how)["changed_settings"] == {"epochs": 2}


def test_what_one_trains_goes_to_a_folder_of_ones_own(tmp_path, monkeypatch, capsys):
    recipe(monkeypatch, first)
    shipped = sorted((path, path.stat().st_mtime_ns) for path in zoo.FOLDER.iterdir())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REPGEN_ZOO", raising=False)
    zoo.train_recipe("vector", epochs=1)
    monkeypatch.setenv("REPGEN_ZOO", str(tmp_path / "mine"))
    zoo.train_recipe("vector", epochs=1)
    for folder in ("my-zoo", "mine"):
        assert sorted(os.listdir(folder)) == ["vector.json", "vector.safetensors"]
    assert sorted((path, path.stat().st_mtime_ns) for path in zoo.FOLDER.iterdir()) == shipped
    capsys.readouterr()
    zoo.load_pretrained("vector", folder=tmp_path / "mine")
    assert f"vector: not the weights of the book, but those of {tmp_path}/mine" in capsys.readouterr().out
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "mine")  # as if it had come with the package
    zoo.load_pretrained("vector", folder=tmp_path / "mine")
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("file", ["vector.safetensors", "vector.json"])
def test_a_full_disk_never_leaves_a_mixture_that_loads(made, file):
    record, folder = made
    (folder / f"{file}.part").symlink_to("/dev/full")
    with pytest.raises(ZooError, match="could not be written"):
        zoo.train_recipe("vector", folder=folder, epochs=1)
    if file == "vector.safetensors":
        assert zoo.load_pretrained("vector", folder=folder).w[0] == record["metrics"]["first"]  # as before
    else:
        with pytest.raises(ZooError, match="cut short or altered"):
            zoo.load_pretrained("vector", folder=folder)


# --- damage


def test_weights_that_were_cut_short_altered_or_lost_are_refused(made):
    _, folder = made
    path = folder / "vector.safetensors"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    for data in (whole[:-1], bytes(flipped), b"", whole + b"\0"):
        path.write_bytes(data)
        with pytest.raises(ZooError, match=re.escape(str(path)) + " were cut short or altered.*restore"):
            zoo.load_pretrained("vector", folder=folder)
    path.unlink()
    with pytest.raises(ZooError, match="cannot be read"):
        zoo.load_pretrained("vector", folder=folder)


def test_a_damaged_record_is_refused(made):
    _, folder = made
    path = folder / "vector.json"
    text = path.read_text()
    for damaged in (text[: len(text) // 2], "", "[]", json.dumps({"name": "vector"})):
        path.write_text(damaged)
        with pytest.raises(ZooError, match="vector.json is damaged"):
            zoo.load_pretrained("vector", folder=folder)


def test_weights_of_another_model_are_refused(made, monkeypatch):
    monkeypatch.setattr(zoo.recipe("vector"), "build", lambda: nn.Linear(3, 3))
    with pytest.raises(ZooError, match="do not fit the model of their recipe"):
        zoo.load_pretrained("vector", folder=made[1])


def test_unknown_and_untrained_models_are_named(tmp_path):
    with pytest.raises(ZooError, match="no model 'vae': there are recipes for .*linear-ae-digits, "):
        zoo.load_pretrained("vae")
    with pytest.raises(
        ZooError, match="linear-ae-mnist has not been trained here.*python -m repgen train linear-ae-mnist --out "
    ):
        zoo.load_pretrained("linear-ae-mnist", folder=tmp_path)
    assert zoo.names(tmp_path) == []


def test_metrics_that_are_not_finite_keep_float32(tmp_path, monkeypatch):
    recipe(monkeypatch, lambda model, thirds: {"nothing": math.nan})
    assert zoo.train_recipe("vector", folder=tmp_path, epochs=1)["dtype"] == "float32"
