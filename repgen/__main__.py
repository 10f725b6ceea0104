"""The command line: ``repgen``, or ``python -m repgen``."""

import argparse
import glob
import json
import os
import platform
import sys
from pathlib import Path

import torch

import repgen
from repgen import datasets, zoo
from repgen.train import CheckpointError, TrainingDiverged
from repgen.training import distributed

ABOUT = "repgen: learned representations and generative models, the package behind the book."
EXAMPLES = """\
examples:
  python -m repgen train linear-ae-digits                   seconds, and needs no download
  python -m repgen train linear-ae-mnist --checkpoint run.pt
                        Ctrl-C or a power cut, then the same command again: it goes on where it was
  torchrun --nproc_per_node=2 -m repgen train linear-ae-mnist
                        two processes share every batch (gloo on CPUs, nccl on GPUs)
  python -m repgen data fetch mnist

What is trained goes to --out, or the folder REPGEN_ZOO, or my-zoo; zoo.load_pretrained(NAME, folder=...) reads it.
The data are under REPGEN_DATA, or else in your cache folder. TQDM_DISABLE=1 hides the progress bar.
"""


def parser() -> argparse.ArgumentParser:
    program = "repgen" if Path(sys.argv[0]).stem == "repgen" else "python -m repgen"  # a script, or the module
    raw = argparse.RawDescriptionHelpFormatter
    main = argparse.ArgumentParser(prog=program, description=ABOUT, epilog=EXAMPLES, formatter_class=raw)
    commands = main.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    train = commands.add_parser(
        "train",
        help="train a model of the zoo by its recipe and put it on record",
        description="Trains a model by its recipe (a file of repgen/zoo/recipes) and writes NAME.safetensors and "
        "NAME.json. What is not given here is as in the recipe. Where that pretrains, epochs, batch size and learning "
        "rate are those of the fine-tuning; an option that a recipe has no use for is refused.",
    )
    train.add_argument("name", metavar="NAME", help="one of: " + ", ".join(zoo.recipe_names()))
    train.add_argument("--epochs", type=int, help="passes through the data")
    train.add_argument("--batch-size", type=int, help="examples a step, over all processes together")
    train.add_argument("--lr", type=float, help="learning rate")
    seeds = train.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=int, default=0, help="of weights, order and noise (default 0)")
    seeds.add_argument("--repeat", type=int, metavar="SEED", help="with another seed; adds the metrics to the record")
    train.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: a GPU where there is one)")
    places = train.add_mutually_exclusive_group()
    places.add_argument("--out", type=Path, metavar="FOLDER", help="default: the folder REPGEN_ZOO, or else my-zoo")
    places.add_argument("--publish", action="store_true", help="replace the model that came with the package")
    train.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="written every epoch; gone on from if there (stages before the last: FILE-STAGE beside it)",
    )
    train.add_argument("--restart", action="store_true", help="start again even if the checkpoint is there")
    train.add_argument(
        "--amp",
        nargs="?",
        const=True,
        choices=("matmul", "auto"),
        help="bfloat16 for forward passes, or for matrix products alone",
    )
    train.add_argument("--compile", action="store_true", help="torch.compile the loss")
    train.add_argument("--force", action="store_true", help="write weights even if trained on stand-in data")
    train.add_argument("--quiet", action="store_true", help="no progress bar")

    show = commands.add_parser(
        "zoo",
        help="which models there are and how good; `zoo NAME` prints a record",
        description="Lists the zoo, or prints one record.",
    )
    show.add_argument("name", nargs="?", metavar="NAME")
    show.add_argument("--folder", type=Path, default=zoo.FOLDER, help="default: the package's zoo")

    sets = commands.add_parser(
        "data",
        help="which data sets are here; `data fetch NAME`, `data verify`",
        description="What is here, and getting it here.",
    )
    actions = sets.add_subparsers(dest="action", metavar="ACTION")
    fetch = actions.add_parser("fetch", help="download what is missing or damaged")
    fetch.add_argument("name", metavar="NAME")
    verify = actions.add_parser("verify", help="read the files again and compare checksums")
    verify.add_argument("name", nargs="?", metavar="NAME", help="default: all that are here")

    commands.add_parser("info", help="versions, device and folders, for a bug report")
    return main


def _device(name: str | None) -> torch.device:
    try:
        device = distributed.init_distributed(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def train(args: argparse.Namespace) -> None:
    given = {"epochs": args.epochs, "batch_size": args.batch_size, "lr": args.lr, "checkpoint": args.checkpoint}
    options = {key: value for key, value in given.items() if value is not None}
    options |= {key: value for key in ("amp", "compile") if (value := getattr(args, key))}
    if args.restart:
        options["resume"] = False
    folder = zoo.FOLDER if args.publish else args.out or zoo.user_folder()
    device = _device(args.device)
    try:
        options |= {"progress": not args.quiet}
        if args.repeat is not None:
            record = zoo.repeat_recipe(args.name, args.repeat, folder=folder, device=device, **options)
            said = f"{args.name}, seed {args.repeat}: {_metrics(record['repeats'][str(args.repeat)]['metrics'])}"
        else:
            record = zoo.train_recipe(
                args.name, folder=folder, device=device, seed=args.seed, force=args.force, **options
            )
            said = f"{folder / args.name}{'.safetensors' if record['sha256'] else '.json'}: {summary(record)}"
        if distributed.rank_and_world_size()[0] == 0:
            print(said)
    finally:
        distributed.shutdown()


def summary(record: dict) -> str:
    kept = (
        f"{record['bytes'] / 1e6:.2f} MB ({record['dtype']})"
        if record["sha256"]
        else "of which only this record is kept"
    )
    size = f"{record['parameters']:,} parameters, {kept}"
    return f"{_metrics(record['metrics'])}; {record['epochs']} epochs in {record['seconds']:.0f} s; {size}"


def _metrics(metrics: dict) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in metrics.items())


def show_zoo(args: argparse.Namespace) -> None:
    if args.name:
        print(json.dumps(zoo.record(args.name, args.folder), indent=1))
        return
    trained = zoo.names(args.folder)
    for name in sorted({*zoo.recipe_names(), *trained}):
        print(f"{name}\n    {summary(zoo.record(name, args.folder)) if name in trained else 'not trained here'}")


def show_data(args: argparse.Namespace) -> None:
    if args.action == "fetch":
        paths = datasets.fetch(args.name)
        print("\n".join(map(str, paths)) or f"{args.name} needs no files")
        return
    rows = datasets.status()
    if args.action == "verify":
        here = [row.name for row in rows if row.size]
        for name in [args.name] if args.name else here:
            print(f"{name}: {len(datasets.verify(name))} files are as they should be")
        return
    print(f"{datasets.root()}")
    width = max(len(row.name) for row in rows)
    for row in rows:
        size = f", {row.size / 1e6:.1f} MB" if row.size else ""
        hint = f"  python -m repgen data fetch {row.name}" if row.state in ("missing", "damaged") else ""
        print(f"{row.name:{width}}  {row.state}{size}{hint}")


def info(args: argparse.Namespace) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = zoo.machine(device)
    print(f"repgen {repgen.__version__}, torch {torch.__version__}, Python {platform.python_version()}")
    print(f"{machine['processor']}, {machine['cores']} cores; device: {machine['device']}")
    print(f"data: {datasets.root()}\nzoo:  {zoo.FOLDER}; your own: {zoo.user_folder()}")


def _advice(args: argparse.Namespace) -> str:
    """After Ctrl-C: what is saved, and what the same command would do."""
    if args.command != "train":
        return ""
    if args.checkpoint is None:
        return "; nothing is saved: with --checkpoint FILE the same command would go on"
    stages = args.checkpoint.parent.glob(f"{glob.escape(args.checkpoint.stem)}-*{glob.escape(args.checkpoint.suffix)}")
    saved = sorted(path.name for path in (args.checkpoint, *stages) if path.exists())
    if not saved:
        return "; no epoch was finished, so nothing is saved yet"
    return f"; the same command goes on from what is saved in {', '.join(saved)}"


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; 0 if it worked, 1 if it could not, 2 if it was put wrongly, 130 after Ctrl-C."""
    commands = parser()
    args = commands.parse_args(arguments)
    if args.command is None:
        commands.print_help()
        return 2
    if args.command == "train" and args.restart and args.checkpoint is None:
        commands.error("--restart starts again over a checkpoint: name it with --checkpoint FILE")
    if args.command == "train" and args.force and args.repeat is not None:
        commands.error("--repeat goes with the real data alone: --force has nothing to do there")
    try:
        {"train": train, "zoo": show_zoo, "data": show_data, "info": info}[args.command](args)
    except (zoo.ZooError, CheckpointError, TrainingDiverged, ValueError, OSError) as error:  # DataError is a ValueError
        print(f"repgen: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        if os.environ.get("RANK", "0") == "0":  # under torchrun all stop, one says so
            where = str(error).split(";")[0] or "stopped"
            print(f"\nrepgen: {where}{_advice(args)}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
