"""Compare recipes of training on several datasets and seeds: what each gains, and how sure that is.

Usage:
    python3 benchmarks/quality.py --real DATASETS --start mobilenet_v1_imagenet.pth --part final \
        --seeds 0,1,2 --recipe "before=--anchors stock" --recipe "fitted=--anchors auto"

A recipe is a name and options of train_ssd.py; NAME@FOLDER takes the train_ssd.py of another copy
of this suite. The first recipe is what the others are compared with. Runs that are done are kept in
--folder, so the same command goes on where it was stopped, and prints the table once more.

The rule, written down before the first run. Screen cheaply: part "choose", two sets, one seed;
what gains is tried further. Confirm dearly: part "final", all sets, three seeds or more, each seed
with and without the change. A change is kept if the lower end of the bootstrap interval of the mean
gain (90 %, over the paired runs) is above 0, and no set has lost more than 0.01 of mAP. Pictures
of the final part that the nets are measured on are never looked at, nor measured, while choosing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Sequence

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ("mAP", "AP50:95", "small", "medium", "large", "F1 on board")
BOOTSTRAPS = 10_000
LOW, HIGH = 5, 95  # per cent, the ends of the interval
SHOWN_FROM = 0.5  # detectnet's own --threshold


class Dataset(NamedTuple):
    """Pictures to train on and pictures to measure on, and for how long to train."""

    epochs: int
    drawn: tuple[str, ...] | None = None  # options of draw_fruit.py; None: a folder of --real
    pictures: int = 0  # to train on, of those drawn


# Of the drawn ones as many as `pictures` are trained on, and HELD of the others are measured on.
HELD = 150
DATASETS = {
    "fruit": Dataset(15),
    "bccd": Dataset(10),
    "ccpd": Dataset(60),
    "drawn-100": Dataset(20, (), 100),
    "drawn-300": Dataset(10, ("--seed", "1"), 300),
    "long-tail": Dataset(10, ("--seed", "2", "--rare", "Pear"), 300),
    "small": Dataset(10, ("--seed", "3", "--scale", "0.14"), 300),
}


class Recipe(NamedTuple):
    """A way to train."""

    name: str
    options: list[str]
    suite: Path  # the folder with its train_ssd.py


class Run(NamedTuple):
    """One training, and the file with its figures."""

    recipe: Recipe
    dataset: str
    seed: int
    folder: Path

    @property
    def result(self) -> Path:
        """Return the file that says that it is done."""
        return self.folder / "quality.json"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", action="append", type=recipe, required=True, dest="recipes")
    parser.add_argument("--folder", type=Path, default=ROOT / "models" / "quality")
    parser.add_argument("--real", type=Path, help="folder with the folders fruit, bccd and ccpd")
    parser.add_argument("--start", type=Path, required=True, help="ImageNet backbone of mb1-ssd")
    parser.add_argument("--sets", default=",".join(DATASETS), help="(default: %(default)s)")
    parser.add_argument("--seeds", default="0", help="like 0,1,2 (default: 0)")
    parser.add_argument("--part", choices=("choose", "final"), default="choose")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trainings at a time")
    args = parser.parse_args(argv)
    args.sets = args.sets.split(",")
    args.seeds = [int(seed) for seed in args.seeds.split(",")]
    unknown = [name for name in args.sets if name not in DATASETS]
    if unknown:
        parser.error(f"--sets has {unknown[0]}; there are {', '.join(DATASETS)}")
    missing = [name for name in args.sets if needs_real(name) and not has_real(args.real, name)]
    if missing:
        parser.error(f"--real must be a folder that has {missing[0]}, or leave it out of --sets")
    return args


def recipe(text: str) -> Recipe:
    """Return what NAME=OPTIONS or NAME@FOLDER=OPTIONS says."""
    left, equals, options = text.partition("=")
    name, _, suite = left.partition("@")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"must be NAME=OPTIONS, got {text!r}")
    return Recipe(name, shlex.split(options), Path(suite).resolve() if suite else ROOT)


def needs_real(name: str) -> bool:
    """Return whether a dataset cannot be drawn."""
    return DATASETS[name].drawn is None


def has_real(folder: Path | None, name: str) -> bool:
    """Return whether a dataset that cannot be drawn is there."""
    return folder is not None and (folder / name).is_dir()


def prepared(name: str, part: str, folder: Path, real: Path | None) -> Path:
    """Return a Pascal VOC folder whose train list is trained on and whose val list is measured."""
    base, result = folder / "sets" / name / "all", folder / "sets" / name / part
    if not base.is_dir():
        source = real / name if real and needs_real(name) else drawn(name, folder)
        tool = [sys.executable, str(ROOT / "check_dataset.py"), str(source)]
        subprocess.run(
            [*tool, "--write-voc", str(base), "--output", str(base.parent / "check")],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    if not result.is_dir():
        train, measured = divide(name, part, base)
        lists = result / "ImageSets" / "Main"
        lists.mkdir(parents=True)
        for each in ("JPEGImages", "Annotations", "labels.txt"):
            (result / each).symlink_to(base / each)
        (lists / "train.txt").write_text("\n".join(train) + "\n")
        (lists / "val.txt").write_text("\n".join(measured) + "\n")
    return result


def drawn(name: str, folder: Path) -> Path:
    """Draw a dataset; return its folder."""
    spec, result = DATASETS[name], folder / "sets" / name / "drawn"
    script = str(ROOT / "data" / "draw_fruit.py")
    options = ["--images", str(spec.pictures + 2 * HELD), *(spec.drawn or ())]
    subprocess.run([sys.executable, script, str(result), *options], check=True)
    return result


def divide(name: str, part: str, base: Path) -> tuple[list[str], list[str]]:
    """Return the names of the pictures to train on, and to measure on.

    A dataset that holds out one part keeps it for "final". Of a small real one a fifth of the
    others is measured on while choosing; of a drawn one there are pictures enough.
    """
    lists = base / "ImageSets" / "Main"
    names = sorted(path.stem for path in (base / "Annotations").glob("*.xml"))
    stated = {path.stem: path.read_text().split() for path in lists.glob("*.txt")}
    random.Random(0).shuffle(names)
    count = DATASETS[name].pictures
    if count:
        held = names[count : count + HELD] if part == "choose" else names[count + HELD :]
        return names[:count], held
    if "test" in stated and "val" in stated:
        return stated["train"], stated["val" if part == "choose" else "test"]
    test = stated.get("test") or stated.get("val") or names[: len(names) // 3]
    rest = [one for one in names if one not in set(test)]
    if part == "final":
        return rest, test
    return rest[len(rest) // 5 :], rest[: len(rest) // 5]


def do(run: Run, data: Path, start: Path) -> None:
    """Train and measure, unless that is done; leave the figures in the folder of the run.

    Raises:
        ValueError: a recipe of this name was done with other options.
    """
    if run.result.is_file():
        before = json.loads(run.result.read_text())["options"]
        if before != run.recipe.options:
            raise ValueError(
                f"{run.folder} was trained with {shlex.join(before)!r}, now {run.recipe.name} is "
                f"{shlex.join(run.recipe.options)!r}; give the recipe another name"
            )
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    epochs = DATASETS[run.dataset].epochs
    began = time.monotonic()
    train = [sys.executable, str(run.recipe.suite / "train_ssd.py"), f"--model-dir={run.folder}"]
    if (run.folder / "last.pth").is_file():
        train.append("--resume")
    else:
        train += [f"--data={data}", f"--base-net={start}", f"--epochs={epochs}"]
        train += [f"--seed={run.seed}", f"--validation-epochs={epochs}", "--overwrite"]
        train += ["--workers=0", "--debug-steps=0", *run.recipe.options]
    quietly(train, run.folder / "train.log")
    weights = max(run.folder.glob(f"*-Epoch-{epochs - 1}-*.pth"), key=lambda path: path.name)
    measure = [sys.executable, str(run.recipe.suite / "eval_ssd.py"), f"--model={weights}"]
    measure += [f"--dataset={data}", "--split=val", f"--conf={SHOWN_FROM}", "--no-report"]
    quietly([*measure, f"--eval-dir={run.folder / 'evaluation'}"], run.folder / "eval.log")
    found = json.loads((run.folder / "evaluation" / "results.json").read_text())
    coco = found["coco"]
    values = [found["mAP"], coco["ap"], coco["ap_small"], coco["ap_medium"], coco["ap_large"]]
    facts = {"options": run.recipe.options, "seconds": round(time.monotonic() - began)}
    figures = dict(zip(FIGURES, [*values, found["f1"]]))
    run.result.write_text(json.dumps({**figures, **facts}) + "\n")
    print(f"{run.recipe.name}, {run.dataset}, seed {run.seed}: {figures}", flush=True)


def quietly(command: list[str], log: Path) -> None:
    """Run a command on one core, with all that it says in a file; fail with its last line."""
    one_core = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with log.open("a") as file:
        status = subprocess.call(command, stdout=file, stderr=subprocess.STDOUT, env=one_core)
    if status:
        last = (log.read_text().strip() or "nothing").splitlines()[-1]
        raise RuntimeError(f"{shlex.join(command)} ended with {status}: {last}")


def table(runs: Sequence[Run], recipes: Sequence[Recipe]) -> list[str]:
    """Return lines of a table: for each set and recipe the mean and the range over the seeds."""
    found = {(r.recipe.name, r.dataset, r.seed): json.loads(r.result.read_text()) for r in runs}
    sets = list(dict.fromkeys(run.dataset for run in runs))
    seeds = list(dict.fromkeys(run.seed for run in runs))
    lines = ["| set | recipe | " + " | ".join(FIGURES) + " | mAP, range | s |"]
    lines.append("|---|---|" + "--:|" * (len(FIGURES) + 2))
    for dataset in sets:
        for one in recipes:
            rows = [found[one.name, dataset, seed] for seed in seeds]
            cells = [mean_of([row[name] for row in rows]) for name in FIGURES]
            ap = [row["mAP"] for row in rows]
            cells += [f"{min(ap):.3f} to {max(ap):.3f}", f"{rows[0]['seconds']}"]
            lines.append(f"| {dataset} | {one.name} | " + " | ".join(cells) + " |")
    before = recipes[0].name
    for one in recipes[1:]:
        gains = {
            dataset: [
                found[one.name, dataset, seed]["mAP"] - found[before, dataset, seed]["mAP"]
                for seed in seeds
            ]
            for dataset in sets
        }
        lines.append(verdict(one.name, before, gains))
    return lines


def mean_of(values: Sequence[float | None]) -> str:
    """Return the mean as text, n/a if a set has nothing of this kind."""
    there = [value for value in values if value is not None and value >= 0]
    return f"{np.mean(there):.3f}" if there else "n/a"


def verdict(name: str, before: str, gains: dict[str, list[float]]) -> str:
    """Return what the rule says of a recipe with these gains in mAP, by set."""
    paired = np.array([gain for each in gains.values() for gain in each])
    rng = np.random.default_rng(0)
    means = paired[rng.integers(len(paired), size=(BOOTSTRAPS, len(paired)))].mean(axis=1)
    low, high = np.percentile(means, [LOW, HIGH])
    worst = min(gains, key=lambda dataset: np.mean(gains[dataset]))
    loss = float(np.mean(gains[worst]))
    kept = low > 0 and loss >= -0.01
    return (
        f"{name} against {before}: {paired.mean():+.3f} mAP ({low:+.3f} to {high:+.3f}), least on "
        f"{worst}: {loss:+.3f}; {'kept' if kept else 'not kept'} by the rule"
    )


def main(args: argparse.Namespace) -> int:
    """Train what is missing, and print the table."""
    data = {name: prepared(name, args.part, args.folder, args.real) for name in args.sets}
    runs = [
        Run(one, name, seed, args.folder / args.part / one.name / f"{name}-{seed}")
        for seed in args.seeds
        for name in args.sets
        for one in args.recipes
    ]
    with ThreadPoolExecutor(args.jobs) as pool:
        done = [pool.submit(do, run, data[run.dataset], args.start.resolve()) for run in runs]
        for each in done:
            each.result()
    print("\n".join(table(runs, args.recipes)))
    return 0


if __name__ == "__main__":
    sys.exit(main(parse_args()))
