"""The options of a training, each with its default, its help and what it accepts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from vision.datasets.options import DataOptions
from vision.training.recipe_options import AUTO, OVERLAP, OptimizerOptions, ScheduleOptions
from vision.utils.options import (
    INPUT_SIDES,
    WIDTHS,
    LogOptions,
    Number,
    OneOf,
    Options,
    Whole,
    option,
    path,
    path_or_none,
    switch,
    text,
    text_or_none,
    yes_no,
)

OF_MODEL_DIR = "--model-dir"  # --resume without a value
OF_THE_PAPER = "ssd"  # --augmentation
NO_FILE = "none"  # --pretrained-ssd: start from random weights
# What runs did when there was no such option.
BEFORE = {"object_balance": 0.0, "assignment": OVERLAP}


@dataclass(frozen=True)
class TrainDataOptions(DataOptions):
    """What the net is trained on."""

    datasets: tuple[Path, ...] = option(
        (Path("data"),),
        *("--data", "--datasets"),
        nargs="+",
        kind=path,
        metavar="FOLDER",
        help="one or more dataset folders",
    )
    validation_dataset: Path | None = option(
        None,
        kind=path_or_none,
        metavar="FOLDER",
        help="validate on this folder (default: on the validation part of each --data folder)",
    )
    balance: str = option(
        "none",
        kind=OneOf("none", "sampler"),
        help="sampler: show pictures with rare classes more often",
    )
    balance_data: bool = switch(
        help="train on N pictures of every class, where N is the number that the rarest has"
    )
    teacher: Path | None = option(
        None,
        kind=path_or_none,
        metavar="FILE",
        help="a trained detector, .pth, .onnx or model folder, that marks the --unlabelled "
        "pictures",
    )
    unlabelled: tuple[Path, ...] = option(
        (),
        nargs="+",
        kind=path,
        metavar="FOLDER",
        help="pictures without labels to train on too, as the --teacher marks them",
    )
    teacher_threshold: float = option(
        0.3,
        kind=Number(0, below=1),
        metavar="SCORE",
        help="the teacher's marks with a higher score are learnt, each as far as it was sure",
    )
    augmentation: str | None = option(
        None,
        kind=text_or_none,
        metavar="FILE",
        help="an Albumentations pipeline (json, yaml) in place of our augmentation; ssd: zoom out "
        "and cut as the SSD paper and the older scripts do",
    )


@dataclass(frozen=True)
class NetOptions(Options):
    """The net, and the weights that it starts from."""

    net: str = option("mb1-ssd", kind=text, help="one of the nets in docs/nets.md")
    resolution: int = option(
        300, kind=INPUT_SIDES, metavar="PIXELS", help="side of the net's square input"
    )
    mb2_width_mult: float = option(
        1.0,
        "--width-mult",
        kind=WIDTHS,
        metavar="FACTOR",
        help="multiply the channels of a MobileNetV2 or V3 backbone",
    )
    base_net: str | None = option(
        None,
        kind=text_or_none,
        metavar="FILE",
        help="start from this backbone; imagenet fetches torchvision's",
    )
    pretrained_ssd: str | None = option(
        AUTO,
        kind=text_or_none,
        metavar="FILE",
        help="start from this detector; auto: the published one of the net, fetched into models/; "
        "none: start from random weights",
    )
    anchors: str = option(
        AUTO,
        kind=OneOf("auto", "fitted", "stock", earlier={"net": "stock"}),
        help="auto: priors fitted to the boxes of the data, where that helps and no heads are "
        "loaded; fitted: also where they are; stock: the net's own, as in the older scripts",
    )
    freeze_base_net: bool = switch(help="do not train the backbone")
    freeze_net: bool = switch(help="train only the prediction heads")

    @property
    def fits_priors(self) -> bool:
        """Whether priors will be fitted, judged by the options alone."""
        has_heads = not self.base_net and self.pretrained_ssd not in (None, "", NO_FILE)
        return self.anchors == "fitted" or (self.anchors == AUTO and not has_heads)


@dataclass(frozen=True)
class RunOptions(Options):
    """The run, and what it leaves."""

    checkpoint_folder: Path = option(
        Path("models"),
        *("--model-dir", "--checkpoint-folder"),
        kind=path,
        metavar="FOLDER",
        help="folder for weights and results",
    )
    batch_size: int | str = option(
        4,
        kind=Whole(1, words=(AUTO,)),
        metavar="N",
        help="pictures per batch; auto: as many as memory and data allow",
    )
    num_workers: int | str = option(
        2,
        *("--workers", "--num-workers"),
        kind=Whole(0, words=(AUTO,)),
        metavar="N",
        help="processes that load pictures; 0: none; auto: by cores and memory",
    )
    validation_epochs: int = option(
        1,
        kind=Whole(1),
        metavar="N",
        help="validate and save weights after epochs 0, N, 2N, ... and the last",
    )
    validation_mean_ap: bool = yes_no(
        True,
        *("--validation-mean-ap", "--validate-mean-ap"),
        help="measure mAP at each validation, not the loss alone",
    )
    debug_steps: int = option(
        10, kind=Whole(0), metavar="N", help="log the losses every N steps; 0: never"
    )
    viz_inputs: int = option(
        0,
        nargs="?",
        const=16,
        kind=Whole(0),
        metavar="N",
        help="write N pictures as the net sees them into MODEL_DIR/inputs (16 where no N is given)",
    )
    save_minutes: float = option(
        15.0,
        kind=Number(0),
        metavar="MINUTES",
        help="minutes between saves of last.pth, which is also saved after every epoch; 0: only "
        "after every epoch",
    )
    patience: int = option(
        0,
        kind=Whole(0),
        metavar="N",
        help="stop after N validations without improvement; 0: never",
    )
    keep: int = option(
        5, kind=Whole(1), metavar="N", help="keep the N newest files of weights beside best.pth"
    )
    resume: str | None = option(
        None,
        nargs="?",
        const=OF_MODEL_DIR,
        kind=text_or_none,
        metavar="FILE",
        help="go on from a last.pth or a model directory (default: --model-dir); from a file of "
        "weights alone, at epoch 0",
    )
    overwrite: bool = switch(
        help="begin a new run in a model directory that holds one, whose files are lost"
    )
    max_bad_batches: int = option(
        10,
        kind=Whole(1),
        metavar="N",
        help="stop after N batches with a NaN or infinite loss; they are skipped until then",
    )
    gpus: int | None = option(
        None, kind=Whole(0), metavar="N", help="number of GPUs to train on (default: all)"
    )
    sync_bn: bool = switch(
        help="compute the statistics of batch norm over the pictures of all GPUs, which is slower"
    )
    no_amp: bool = switch(help="compute in float32 where a GPU would use half precision")
    half_backbone: bool = switch(
        help="compute the backbone in bfloat16 on a CPU that has it: a sixth faster, perhaps less "
        "exact"
    )
    compile_net: bool = switch(
        "--compile",
        help="compile the net first, which takes minutes; each step is a tenth shorter on a CPU",
    )
    use_cuda: bool = yes_no(True, help="use the GPU if there is one")

    @property
    def resume_from(self) -> Path | None:
        """The file or folder to go on from; None for a run that begins."""
        if self.resume is None:
            return None
        return self.checkpoint_folder if self.resume == OF_MODEL_DIR else Path(self.resume)


@dataclass(frozen=True)
class TrainOptions(
    LogOptions, RunOptions, ScheduleOptions, OptimizerOptions, NetOptions, TrainDataOptions
):
    """Everything that train_ssd.py can be told."""

    @classmethod
    def resumed(cls, saved: Mapping[str, Any], typed: Mapping[str, Any]) -> TrainOptions:
        """Return the options of a run that goes on: those it had, and those typed now.

        What it chose for "auto" stays as it was chosen where "auto" is typed again. So does its
        optimizer, which a state of an earlier version may name by its learning rate only.
        """
        chosen = {name for name, value in typed.items() if value == AUTO and name in saved}
        names = set(typed) - (chosen & {"batch_size", "num_workers", "object_balance"})
        before = {**BEFORE, **saved}
        before["optim_choose"] = cls.of(before).optimizer
        return cls.of(before, {name: typed[name] for name in names})

    def saved(self) -> dict[str, Any]:
        """Return what a run that goes on from this one takes over, as JSON can hold it."""
        left_out = ("resume", "overwrite", "debug", "log_level")
        plain = {**self.plain(), "optim_choose": self.optimizer}  # a typed rate changes it no more
        return {name: value for name, value in plain.items() if name not in left_out}

    def validates_after(self, epoch: int) -> bool:
        """Say whether an epoch, from 0, ends with a validation; the first and the last one do."""
        return epoch % self.validation_epochs == 0 or epoch + 1 == self.num_epochs

    def require_sensible(self) -> None:
        """Check what no option says alone, before any data are read.

        Raises:
            ValueError: saying which option, and what it must be.
        """
        if bool(self.teacher) != bool(self.unlabelled):
            raise ValueError("--teacher FILE marks the pictures of --unlabelled FOLDER: name both")
        folders = [one for one in (*self.datasets, self.validation_dataset) if one]
        if self.checkpoint_folder.resolve() in [one.resolve() for one in folders]:
            raise ValueError(
                f"--model-dir {self.checkpoint_folder} is the dataset folder, whose labels.txt "
                "would be overwritten; choose another folder"
            )
