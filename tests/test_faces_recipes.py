"""The recipes of the face patches: whose patches a net sees, on which scale, and where the nets of 2006 begin."""

import pytest
import torch

from repgen.datasets import Data, synthetic
from repgen.train import History
from repgen.zoo.recipes import _common
from repgen.zoo.recipes import deep_ae_pretrained_faces as then
from repgen.zoo.recipes import mirrored_faces as mirrored
from repgen.zoo.recipes import strangers_faces as now


@pytest.fixture
def painted(monkeypatch):
    """Photographs in the grey of their person, so that a patch tells whose it is; 60 patches a split."""
    greys = torch.arange(40).repeat_interleave(10) / 40

    def load_data(name, split="train", device=None, size=64):
        photographs = greys[:300] if split != "test" else greys[300:]
        x = photographs.view(-1, 1, 1, 1).expand(-1, 1, 64, 64)
        if name == "face_patches":
            x = synthetic.face_patches(x, 60, torch.Generator().manual_seed(len(split)))
        return Data(x, None, name, "painted")

    for module in (now, _common):
        monkeypatch.setattr(module, "load_data", load_data)
    now.find_scale.cache_clear()  # of other patches
    yield load_data
    now.find_scale.cache_clear()


def whose(x, load_data):
    """The persons of scaled patches (N, 625)."""
    mean, factor = synthetic.pixel_scale(
        *(load_data("face_patches", split).x for split in ("train", "validation", "test"))
    )
    return ((x / factor + mean.flatten())[:, 312] * 40).round().int()


@pytest.mark.parametrize("people", [1, 3, 10])
def test_so_many_people_and_no_others_on_the_scale_of_all(painted, people):
    faces = now.data("cpu")[0]
    patches, others = now.make_patches(faces, people, 200)
    assert patches.shape == (200, 625) and others.shape == (40, 625)
    assert whose(patches, painted).unique().tolist() == list(range(people))
    assert set(whose(others, painted).tolist()) <= set(range(people))
    assert people == 1 or not torch.equal(patches[:40], others)


def test_what_is_measured_on_whom(painted):
    """Nets that answer with the mean leave the mean square of whom they are asked about."""
    faces, others, strangers = now.data("cpu")
    model = now.build()
    for net in model.values():
        for p in net.parameters():
            torch.nn.init.zeros_(p)
    with torch.no_grad():
        found = now.measure(model, faces, others, strangers)
    few = now.make_patches(faces, 3, len(faces.x))[1]
    expected = {
        "4 passes, people met": others.flat,
        "4 passes, strangers": strangers.flat,
        "3 people, people met": few,
        "3 people, strangers": strangers.flat,
    }
    for name, x in expected.items():
        assert found[name] == pytest.approx(x.square().sum(1).mean().item(), rel=1e-5)
    assert found["PCA, people met"] < 1e-3  # a grey has one dimension


def test_the_nets_of_2006_begin_and_go_on_as_they_are_named(painted, monkeypatch):
    """Two of the three begin at the same machines; all make as many steps with mirror images as without."""
    machines, begun = [], {}

    def pretrain(stack, x, each, **settings):
        machines.append((len(x), each[0]["epochs"], settings["epochs"]))

    def fit(net, x, *, epochs, **options):
        begun[net] = len(x), epochs, {name: value.clone() for name, value in net.state_dict().items()}
        return History({}, {}, 1, 0.0, "finished")

    monkeypatch.setattr(_common, "pretrain", pretrain)
    monkeypatch.setattr(then, "fit", fit)
    faces, *rest = now.data("cpu")
    model = then.build()
    then.train(model, faces, *rest, seed=0, progress=False)
    (n, passes, above), (n_both, passes_both, above_both) = machines
    assert (n, n_both) == (len(faces.x), 2 * len(faces.x))
    assert (n * passes, n * above) == (n_both * passes_both, n_both * above_both)
    seen = {name: begun[model[name]] for name in then.WAYS}
    assert [count for count, *_ in seen.values()] == [n, n_both, n_both]
    assert len({count * epochs for count, epochs, _ in seen.values()}) == 1
    alone, mirrored_later, throughout = (weights for *_, weights in seen.values())
    assert all(torch.equal(alone[name], mirrored_later[name]) for name in alone)
    assert not torch.equal(alone["encoder.0.weight"], throughout["encoder.0.weight"])


def test_each_patch_and_its_mirror_image():
    x = torch.arange(12.0).view(2, 1, 2, 3)
    assert _common.add_mirror_images(x).flatten(1)[[0, 2]].tolist() == [[0, 1, 2, 3, 4, 5], [2, 1, 0, 5, 4, 3]]


def test_a_run_of_several_nets_goes_on_where_it_stopped(painted, monkeypatch, tmp_path):
    """Each net has a checkpoint of its own: a run that is called again finds all of them trained."""
    monkeypatch.setattr(mirrored, "PATCH_SIZES", (625, 8, 3))
    torch.manual_seed(0)
    first, data = mirrored.build(), now.data("cpu")
    begun = mirrored.build()
    begun.load_state_dict(first.state_dict())
    options = {"seed": 0, "progress": False, "checkpoint": tmp_path / "run.pt"}
    history = mirrored.train(first, *data, **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"run-{n}-passes.pt" for n in (1, 2, 4)]
    steps = []
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *_, **__: steps.append(1))
    again = mirrored.train(begun, *data, **options)
    assert not steps and again.epochs == history.epochs == 7
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), begun.state_dict().values()))
