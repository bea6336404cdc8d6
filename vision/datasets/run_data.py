"""The data that a run's net is measured on: which folders, and how they are read.

Whatever measures a net asks here, so that all mean the same pictures.
"""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Mapping, NamedTuple, Sequence

from vision.datasets.drawn_split import HeldOut, held_out_of
from vision.datasets.options import TRAINING_ARGUMENTS, DataOptions, options_of_run
from vision.datasets.selection import Selection
from vision.utils.text import shown


class RunData(NamedTuple):
    """What a run says of the data that its net is measured on."""

    folders: Sequence[Path] = ()  # none if none are named and the run does not say
    options: Mapping[str, Any] = MappingProxyType({})  # of `DataOptions`, for what is not typed
    validation_only: bool = False  # for `Selection`: the folders are the run's --validation-dataset
    held_out: HeldOut = HeldOut()

    def selection(self, options: DataOptions) -> Selection:
        """Return what is used of the folders, and what of them is held out."""
        pictures = self.held_out.for_draw(options.val_split, options.seed)
        return replace(options.selection(), validation_only=self.validation_only, held_out=pictures)


def data_of_run(model: Path, named: Sequence[Path] = (), split: str = "val") -> RunData:
    """Return the data to measure a net on.

    Args:
        model: a model directory, or a file in one.
        named: folders to take in place of the run's. They have a format and parts of their own;
            but the run's --validation-dataset stays what it is, named or not.
        split: the part that is wanted; a --validation-dataset has no "train".

    Raises:
        ValueError: if the run's training_args.json, or held_out.json, cannot be read.
    """
    run = options_of_run(model)
    held_out = held_out_of(model if model.is_dir() else model.parent)
    saved = {one.name: run[one.name] for one in fields(DataOptions) if one.name in run}
    saved.pop("classes", None)  # the net has these classes and no others
    validation, folders = run.get("validation_dataset"), run.get("datasets", [])
    if not all(isinstance(one, str) for one in _listed(folders) + _listed(validation or "")):
        raise ValueError(
            f"what {TRAINING_ARGUMENTS} of {model} says of the data cannot be used: datasets must "
            "be names of folders and validation_dataset the name of one, "
            f"they are {shown(folders)} and {shown(validation)}"
        )
    if named:
        saved.pop("dataset_type", None)  # that of the folders to train on
        is_same = validation and _places(named) == _places([validation])
        return RunData(list(named), saved, bool(is_same) and split != "train", held_out)
    if validation and split != "train":
        saved.pop("dataset_type", None)
        return RunData([Path(validation)], saved, True, held_out)
    if validation:
        saved["val_split"] = 0.0  # then nothing of the others is held out
    return RunData([Path(folder) for folder in _listed(folders)], saved, False, held_out)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _places(folders: Sequence[str | Path]) -> list[str]:
    return [os.path.realpath(folder) for folder in folders]
