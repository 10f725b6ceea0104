"""python -m repgen: what it prints, what it returns, and two processes against one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from repgen import zoo
from repgen.__main__ import main

ROOT = Path(__file__).parent.parent


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    monkeypatch.setenv("REPGEN_DATA", str(tmp_path / "empty"))
    monkeypatch.setenv("REPGEN_OFFLINE", "1")


def test_help_names_every_command_and_shows_examples(capsys):
    assert main([]) == 2
    shown = capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0 and capsys.readouterr().out == shown
    for word in ("train", "zoo", "data", "info", "examples:", "torchrun --nproc_per_node=2 -m repgen train"):
        assert word in shown
    for line in shown.splitlines():  # every example is a command that parses
        if "python -m repgen " in line and "usage" not in line:
            words = line.split("python -m repgen ")[1].split("   ")[0].split()
            with pytest.raises(SystemExit) as stopped:
                main([*words, "--help"])
            assert stopped.value.code == 0, line
    capsys.readouterr()


def test_train_puts_a_model_on_record(tmp_path, capsys):
    out, checkpoint = tmp_path / "zoo", tmp_path / "run.pt"
    command = ["train", "linear-ae-digits", "--epochs", "3", "--batch-size", "50", "--lr", "0.02", "--seed", "5"]
    assert main([*command, "--out", str(out), "--checkpoint", str(checkpoint), "--device", "cpu", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert f"{out}/linear-ae-digits.safetensors: test error " in printed.out and printed.err == ""
    record = zoo.record("linear-ae-digits", out)
    assert record["changed_settings"] == {"epochs": 3, "batch_size": 50, "lr": 0.02} and record["seed"] == 5
    state = torch.load(checkpoint)
    assert state["history"]["epochs"] == 3 and state["run"]["batch_size"] == 50
    model = zoo.load_pretrained("linear-ae-digits", folder=out)
    assert torch.allclose(model.decoder.weight, state["model"]["decoder.weight"], rtol=1e-3, atol=1e-6)


def test_zoo_lists_and_prints_records(tmp_path, capsys):
    assert main(["zoo"]) == 0
    listed = capsys.readouterr().out
    for name in zoo.names():
        assert f"{name}\n" in listed
        for metric, value in zoo.record(name)["metrics"].items():
            assert f"{metric} {value:.5g}" in listed
    assert main(["zoo", "linear-ae-mnist"]) == 0
    assert json.loads(capsys.readouterr().out) == zoo.record("linear-ae-mnist")
    assert main(["zoo", "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("not trained here") == len(zoo.recipe_names())


def test_data_says_what_is_here(no_data, tmp_path, capsys):
    assert main(["data"]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:])
    assert rows["mnist"].startswith("missing") and "data fetch mnist" in rows["mnist"]
    assert rows["digits"] == "bundled" and rows["ring"] == "generated"
    assert main(["data", "fetch", "digits"]) == 0
    assert "needs no files" in capsys.readouterr().out
    assert main(["data", "verify"]) == 0
    raw = tmp_path / "empty" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(b"half")
    assert main(["data", "verify"]) == 1
    assert "train-images-idx3-ubyte" in capsys.readouterr().err
    assert main(["data"]) == 0
    assert "damaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command, said",
    [
        (["train", "vae"], "no model 'vae'"),
        (["train", "linear-ae-digits", "--epochs", "-2"], "epochs must be"),
        (["train", "linear-ae-digits", "--batch-size", "0"], "batch_size must be"),
        (["train", "linear-ae-digits", "--device", "abacus"], "device 'abacus' cannot be used here"),
        (["train", "linear-ae-digits", "--lr", "1e30"], "the loss became"),
        (["train", "linear-ae-digits", "--checkpoint", "/proc/none/run.pt"], "cannot be written"),
        (["train", "gan-mnist", "--lr", "0.1"], "leaves no choice of lr"),
        (
            ["train", "logistic-pca-mnist", "--checkpoint", "run.pt", "--seed", "2"],
            "leaves no choice of checkpoint, seed",
        ),
        (["train", "deep-ae-pretrained-mnist", "--batch-size", "0"], "batch_size must be"),
        (["train", "linear-ae-digits", "--repeat", "1"], "has not been trained here"),
        (["train", "linear-ae-mnist"], "mnist are not here, and weights trained on a stand-in"),
        (["zoo", "vae"], "no model 'vae'"),
        (["data", "fetch", "mnits"], "Did you mean 'mnist'"),
        (["data", "fetch", "mnist"], "REPGEN_OFFLINE"),
        (["data", "verify", "faces"], "olivetti"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_no_traceback(command, said, no_data, tmp_path, capsys):
    if command[0] == "train":
        command = [*command, "--out", str(tmp_path / "zoo"), "--quiet"]
    assert main(command) == 1
    err = capsys.readouterr().err
    assert err.startswith("repgen: ") and said in err and "Traceback" not in err
    assert not list(tmp_path.glob("zoo/*"))


def test_a_command_put_wrongly_exits_2(capsys):
    train = ["train", "linear-ae-digits"]
    for wrong, said in (
        (["trian"], "invalid choice"),
        (["train"], "NAME"),
        ([*train, "--epochs", "many"], "invalid int"),
        (["data", "burn"], "invalid choice"),
        ([*train, "--restart"], "--restart starts again over a checkpoint"),
        ([*train, "--repeat", "3", "--force"], "--force has nothing to do"),
        ([*train, "--repeat", "3", "--seed", "1"], "not allowed with"),
        ([*train, "--publish", "--out", "here"], "not allowed with"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(wrong)
        assert stopped.value.code == 2 and said in capsys.readouterr().err


def test_ctrl_c_exits_130_and_the_same_command_goes_on(tmp_path, capsys):
    checkpoint = tmp_path / "run.pt"
    out = ["--out", str(tmp_path), "--quiet", "--device", "cpu"]
    command = ["train", "linear-ae-digits", "--epochs", "2000", "--checkpoint", str(checkpoint), *out]

    def interrupt():
        while not checkpoint.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    assert main(command) == 130
    err = capsys.readouterr().err
    done = torch.load(checkpoint)["history"]["epochs"]
    assert "stopped at" in err and "the same command goes on from what is saved in run.pt\n" in err
    assert 1 <= done < 2000 and not list(tmp_path.glob("*.json"))
    assert main([*command, "--epochs", "3"]) == 1
    assert "belongs to another run" in capsys.readouterr().err
    assert main([*command, "--epochs", "3", "--restart"]) == 0
    assert torch.load(checkpoint)["history"]["epochs"] == 3


def test_ctrl_c_says_what_is_saved(tmp_path, capsys, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt("stopped at epoch 1, step 3 of 8; the model keeps what it has learned")

    monkeypatch.setattr(zoo, "train_recipe", stop)
    command = ["train", "dbn-mnist", "--out", str(tmp_path)]
    assert main(command) == 130
    assert capsys.readouterr().err == (
        "\nrepgen: stopped at epoch 1, step 3 of 8; "
        "nothing is saved: with --checkpoint FILE the same command would go on\n"
    )
    command += ["--checkpoint", str(tmp_path / "run.pt")]
    assert main(command) == 130
    assert "step 3 of 8; no epoch was finished, so nothing is saved yet\n" in capsys.readouterr().err
    (tmp_path / "run-layer-1.pt").touch()
    assert main(command) == 130
    assert "goes on from what is saved in run-layer-1.pt\n" in capsys.readouterr().err
    monkeypatch.setattr(zoo, "record", stop)
    assert main(["zoo", "dbn-mnist"]) == 130
    assert capsys.readouterr().err == "\nrepgen: stopped at epoch 1, step 3 of 8\n"


def test_train_replaces_what_came_with_the_package_only_if_told_so(tmp_path, capsys, monkeypatch):
    """The folders alone are looked at: where the commands would write, and what each option makes of it."""
    written = []
    found = {
        "sha256": None,
        "metrics": {},
        "epochs": 1,
        "seconds": 1.0,
        "parameters": 1,
        "repeats": {"2": {"metrics": {}}},
    }
    for call in ("train_recipe", "repeat_recipe"):
        monkeypatch.setattr(zoo, call, lambda *_, folder, **__: [written.append(folder), found][1])
    monkeypatch.delenv("REPGEN_ZOO", raising=False)
    for options in ([], ["--out", "there"], ["--publish"], ["--repeat", "2"], ["--repeat", "2", "--publish"]):
        assert main(["train", "linear-ae-digits", *options]) == 0
    monkeypatch.setenv("REPGEN_ZOO", str(tmp_path))
    assert main(["train", "linear-ae-digits"]) == 0
    mine, shipped = Path("my-zoo"), zoo.FOLDER
    assert written == [mine, Path("there"), shipped, mine, shipped, tmp_path]
    capsys.readouterr()


def test_two_processes_train_what_one_trains(tmp_path):
    torchrun = Path(sys.executable).parent / "torchrun"
    if shutil.which(torchrun) is None:
        pytest.skip("this torch has no torchrun")
    options = ["train", "linear-ae-digits", "--epochs", "3", "--batch-size", "99", "--device", "cpu"]

    def files(name):
        return ["--out", str(tmp_path / name), "--checkpoint", str(tmp_path / f"{name}.pt")]

    assert main([*options, *files("one"), "--quiet"]) == 0
    command = [str(torchrun), "--standalone", "--nproc_per_node=2", "-m", "repgen", *options, *files("two")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("safetensors: test error") == 1  # process 0 alone speaks
    one, two = (torch.load(tmp_path / f"{name}.pt") for name in ("one", "two"))
    for name, value in one["model"].items():
        assert torch.allclose(value, two["model"][name], atol=1e-5), name
    assert two["history"]["training"]["loss"] == pytest.approx(one["history"]["training"]["loss"], rel=1e-5)
    records = [zoo.record("linear-ae-digits", tmp_path / name) for name in ("one", "two")]
    assert [r["processes"] for r in records] == [1, 2]
    assert records[1]["metrics_in_float32"] == pytest.approx(records[0]["metrics_in_float32"], rel=1e-5)
