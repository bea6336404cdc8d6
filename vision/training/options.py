"""The options of train_ssd.py, as data: group by group, an option a row, names and meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

from vision.utils.cli import boolean, lower

# The peak rate of heads and extra layers, and the backbone's share of it, where none is given.
DEFAULT_RATES = {"adamw": (2e-3, 1 / 3), "adam": (2e-3, 1 / 3), "sgd": (0.01, 0.1)}
LOWEST_SGD_RATE = 0.005
AUTO = "auto"
SIZES = ("batch_size", "num_workers")  # of which the program can choose the value


def choose_optimizer(name: str | None, lr: float | None) -> str:
    """Return the optimizer: the one named, else adamw, but sgd for a rate that only sgd can bear.

    Commands written for older scripts say `--lr=0.01` and no optimizer, and mean sgd.
    """
    if name is not None:
        return name
    return "sgd" if lr is not None and lr >= LOWEST_SGD_RATE else "adamw"


def peak_rates(
    optimizer: str, headers: float | None, base_net: float | None, extras: float | None
) -> tuple[float, float, float]:
    """Return the peak rates of backbone, extra layers and heads; None takes the default."""
    peak, share = DEFAULT_RATES[optimizer]
    headers = peak if headers is None else headers
    base_net = headers * share if base_net is None else base_net
    return base_net, headers if extras is None else extras, headers


def option(*names: str, **what: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return a row: the arguments of one `add_argument`."""
    return names, what


def epochs(text: str) -> list[int]:
    """Read numbers of epochs, such as "80,100".

    Raises:
        ValueError: for anything but whole numbers between commas.
    """
    return [int(number) for number in text.split(",")]


def number_or_auto(text: str) -> int | str:
    """Read a whole number, or "auto", for which the program chooses one.

    Raises:
        ValueError: for anything else.
    """
    return AUTO if text.lower() == AUTO else int(text)


def sizes_before(values: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was chosen for "auto" by the run that is resumed, where it is "auto" again."""
    return {name: saved[name] for name in SIZES if values[name] == AUTO and name in saved}


# fmt: off
OPTIONS = {
    "data": [
        option("--datasets", "--data", nargs="+", type=Path, default=["data"], metavar="FOLDER",
               help="one or more dataset folders (default: data)"),
        option("--dataset-type", type=lower, default="auto",
               help="auto, or a format of the README's list (default: %(default)s)"),
        option("--validation-dataset", type=Path, metavar="FOLDER",
               help="validate on this folder (default: the validation part of each --data folder)"),
        option("--val-split", type=float, default=0.2, metavar="FRACTION",
               help="held out where a folder states no split (default: %(default)s)"),
        option("--classes", default="", metavar="NAMES",
               help="use these only, as cat,dog (default: all that the folders have)"),
        option("--class-map", default="", metavar="OLD=NEW,...",
               help="rename classes, or make several one, as van=car,truck=car"),
        option("--negatives", default="keep", metavar="SHARE",
               help="pictures without objects: keep, drop, or the most that they may be of those "
               "trained on, as 10%% (default: %(default)s)"),
        option("--balance", type=lower, default="none", choices=["none", "sampler"],
               help="sampler: repeat the pictures with rare classes (default: %(default)s)"),
        option("--exif", type=lower, default="auto", choices=["auto", "ignore", "apply"],
               help="whether boxes were drawn on turned pictures (default: %(default)s)"),
        option("--augmentation", type=Path, metavar="FILE",
               help="an Albumentations pipeline (json, yaml) in place of our augmentation"),
        option("--balance-data", action="store_true",
               help="take as many pictures of every class as the rarest one has"),
    ],
    "net": [
        option("--net", default="mb1-ssd",
               help="a net of the README's table (default: %(default)s)"),
        option("--resolution", type=int, default=300, metavar="PIXELS",
               help="side of the net's input (default: %(default)s)"),
        option("--mb2-width-mult", "--width-mult", type=float, default=1.0, metavar="FACTOR",
               help="scale the channels of a MobileNetV2 or V3 backbone (default: %(default)s)"),
        option("--base-net", metavar="FILE",
               help="a backbone trained on ImageNet, or imagenet: torchvision's, fetched once"),
        option("--pretrained-ssd", default="auto", metavar="FILE",
               help="a detector to start from; auto: the one published for the net, fetched into "
               "models/ if it is not there; none: start from scratch (default: %(default)s)"),
        option("--anchors", choices=["net", "auto"], default="net",
               help="priors of the net, or fitted to the boxes of the data (default: %(default)s)"),
        option("--freeze-base-net", action="store_true", help="the backbone does not learn"),
        option("--freeze-net", action="store_true", help="only the prediction heads learn"),
    ],
    "optimizer": [
        option("--optim-choose", "--optim", "--optimizer", type=lower,
               choices=sorted(DEFAULT_RATES),
               help="(default: adamw, but sgd where --lr is 0.005 or more)"),
        option("--lr", "--learning-rate", type=float,
               help="peak rate of heads and extra layers (default: 0.002, with sgd 0.01)"),
        option("--base-net-lr", type=float,
               help="peak rate of the backbone (default: a third of --lr, with sgd a tenth)"),
        option("--extra-layers-lr", type=float, help="of the extra layers (default: --lr)"),
        option("--momentum", type=float, default=0.9, help="of sgd (default: %(default)s)"),
        option("--nesterov", action="store_true", help="Nesterov's momentum for sgd"),
        option("--betas", type=float, nargs=2, default=[0.9, 0.999],
               help="of adam (default: 0.9 0.999)"),
        option("--weight-decay", type=float, default=5e-4, help="(default: %(default)s)"),
        option("--clip-gradients", type=float, default=10.0, metavar="NORM",
               help="greatest norm of all gradients, 0 for any (default: %(default)s)"),
        option("--accumulate", type=int, default=1, metavar="BATCHES",
               help="take a step for so many batches (default: %(default)s)"),
        option("--average-decay", type=float, default=0.998, metavar="DECAY",
               help="of the average of weights that is measured and kept, 0 for none "
               "(default: %(default)s)"),
    ],
    "schedule": [
        option("--lr-finder", action="store_true",
               help="only try rising rates, suggest an --lr, and draw learning_rates.png"),
        option("--scheduler", type=lower, default="cosine",
               choices=["cosine", "multi-step", "none"], help="(default: %(default)s)"),
        option("--t-max", type=float, metavar="EPOCHS",
               help="where the cosine reaches 0 (default: --epochs)"),
        option("--milestones", type=epochs, default="80,100", metavar="EPOCHS",
               help="where multi-step multiplies by --gamma (default: 80,100)"),
        option("--gamma", type=float, default=0.1, help="(default: %(default)s)"),
        option("--warm-up", type=int, default=20, metavar="STEPS",
               help="steps in which the rates rise to their peak (default: %(default)s)"),
    ],
    "run": [
        option("--batch-size", type=number_or_auto, default=4, metavar="PICTURES",
               help="at a time; auto: as many as memory and data allow (default: %(default)s)"),
        option("--num-epochs", "--epochs", type=int, default=30, help="(default: %(default)s)"),
        option("--num-workers", "--workers", type=number_or_auto, default=2, metavar="PROCESSES",
               help="that load pictures, 0 for none; auto: by cores and memory "
               "(default: %(default)s)"),
        option("--validation-epochs", type=int, default=1, metavar="EPOCHS",
               help="validate and save weights every so often (default: %(default)s)"),
        option("--validation-mean-ap", "--validate-mean-ap", type=boolean, nargs="?", const=True,
               default=True, metavar="BOOL", help="measure mAP as well (default: true)"),
        option("--debug-steps", type=int, default=10, metavar="STEPS",
               help="log the losses every so often (default: %(default)s)"),
        option("--checkpoint-folder", "--model-dir", type=Path, default="models", metavar="FOLDER",
               help="for all results (default: %(default)s)"),
        option("--viz-inputs", type=int, nargs="?", const=16, default=0, metavar="PICTURES",
               help="write so many pictures as the net sees them into MODEL_DIR/inputs "
               "(without a number: 16)"),
        option("--save-minutes", type=float, default=15, metavar="MINUTES",
               help="save the state to resume from so often, and after every epoch "
               "(default: %(default)s)"),
        option("--patience", type=int, default=0, metavar="VALIDATIONS",
               help="stop after so many without a better one, 0 for never (default: %(default)s)"),
        option("--keep", type=int, default=5, metavar="FILES",
               help="newest weights files to leave beside best and last (default: %(default)s)"),
        option("--resume", nargs="?", const="", metavar="FILE",
               help="go on from a last.pth, a folder or, without a value, --model-dir; a file of "
               "weights alone starts at epoch 0"),
        option("--max-bad-batches", type=int, default=10, metavar="BATCHES",
               help="without a finite loss, which end the run (default: %(default)s)"),
        option("--gpus", type=int, metavar="NUMBER", help="to train on (default: all)"),
        option("--sync-bn", action="store_true",
               help="batch norm over the pictures of all GPUs, which is slower"),
        option("--no-amp", action="store_true",
               help="compute in float32 where a GPU would in half precision"),
        option("--use-cuda", type=boolean, default=True, metavar="BOOL", help="(default: true)"),
        option("--seed", type=int, default=0, help="of all that is random (default: %(default)s)"),
        option("--log-level", type=lower, default="info",
               choices=["debug", "info", "warning", "error"], help="(default: %(default)s)"),
        option("--debug", action="store_true", help="show the traceback of a failure"),
    ],
}
# fmt: on

LOWEST = {
    "batch_size": 1, "num_epochs": 1, "validation_epochs": 1, "num_workers": 0, "warm_up": 0,
    "debug_steps": 0, "save_minutes": 0, "patience": 0, "keep": 1,
    "accumulate": 1, "max_bad_batches": 1, "viz_inputs": 0,
}  # fmt: skip


def check_values(values: Mapping[str, Any]) -> None:
    """Refuse values that cannot work, before any data is read.

    Raises:
        ValueError: saying which option, and what it must be.
    """
    for name, lowest in LOWEST.items():
        if values[name] != AUTO and values[name] < lowest:
            option_name = "--" + name.replace("_", "-")
            raise ValueError(f"{option_name} must be {lowest} or more, got {values[name]}")
    folder = Path(values["checkpoint_folder"])
    datasets = [Path(path) for path in [*values["datasets"], values["validation_dataset"]] if path]
    if folder.resolve() in [path.resolve() for path in datasets]:
        raise ValueError(
            f"--model-dir {folder} is the dataset folder, whose labels.txt would be overwritten; "
            "choose another folder"
        )
