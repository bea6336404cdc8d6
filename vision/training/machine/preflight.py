"""Before the data are read: log the machine and the versions, and warn of what would fail late."""

from __future__ import annotations

import logging
import shutil
from importlib import metadata, util
from pathlib import Path
from typing import Sequence

import torch

from vision.ssd import create_net
from vision.training.machine.machine import GB, Machine, read_machine, tool_versions
from vision.utils.files import require_place

logger = logging.getLogger(__name__)

NAMES = {"python": "Python", "numpy": "NumPy", "opencv": "OpenCV"}
EXPORT_PACKAGES = ("onnx", "onnxruntime")
# A state holds the weights four times: net, average and two statistics of the optimizer. There are
# three states while one is being written: last.pth, previous.pth and the new one.
WEIGHTS_IN_STATES = 3 * 4
MANY_CLASSES = 91  # the number of classes is not known yet
REPORTS = 50_000_000  # bytes of pictures, tables and curves


def preflight(device: torch.device, folder: Path, net: str, keep: int) -> None:
    """Log what the run has to work with, and warn of what would fail late.

    Args:
        device: where the net will compute.
        folder: the model directory, which need not be there yet.
        net: a key of NETS.
        keep: how many files of weights are left beside the best one.

    Raises:
        OSError: if nothing may be written to the folder.
        ValueError: if the folder cannot be made.
    """
    require_place(folder, is_folder=True)
    disk = free_disk(folder)
    logger.info("%s, %.1f GB of disk free at %s", machine_line(device, read_machine()), *disk)
    logger.info("%s", versions_line())
    need = checkpoint_need(net, keep)
    if disk[0] * GB < need:
        logger.warning(
            "%.1f GB of disk are free at %s, and the checkpoints of this run may take %.1f GB; "
            "make room, choose another --model-dir, or --keep less than %d",
            *disk,
            need / GB,
            keep,
        )
    missing = missing_packages(EXPORT_PACKAGES)
    if missing:
        logger.warning(
            "Training works without %s, onnx_export.py does not: python3 -m pip install %s",
            " and ".join(missing),
            " ".join(missing),
        )


def machine_line(device: torch.device, machine: Machine) -> str:
    """Describe where the net computes and what is free there."""
    parts = []
    if device.type == "cuda":
        free, memory = torch.cuda.mem_get_info(device)
        name = torch.cuda.get_device_name(device)
        parts.append(f"{name} with {free / GB:.1f} of {memory / GB:.1f} GB free")
    parts.append(f"{machine.cores} core{'s' if machine.cores > 1 else ''}")
    if machine.memory is not None and machine.free is not None:
        parts.append(f"{machine.free / GB:.1f} of {machine.memory / GB:.1f} GB of memory free")
    return ", ".join(parts)


def versions_line() -> str:
    """Name the versions of what decides whether and how a training works."""
    versions = [f"{NAMES.get(name, name)} {value}" for name, value in tool_versions().items()]
    versions += [f"{name} {_version(name)}" for name in ("torchvision", *EXPORT_PACKAGES)]
    return ", ".join(versions)


def missing_packages(names: Sequence[str]) -> list[str]:
    """Return those of the packages that are not installed; none is imported."""
    return [name for name in names if util.find_spec(name) is None]


def _version(name: str) -> str:
    if missing_packages([name]):
        return "missing"
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "of unknown version"  # such as onnxruntime, where onnxruntime-gpu is installed


def free_disk(folder: Path) -> tuple[float, Path]:
    """Return the free GB where a folder is or will be, and the nearest folder that is there."""
    folder = folder.resolve()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free / GB, folder


def checkpoint_need(net: str, keep: int) -> int:
    """Return about how many bytes the checkpoints of a run may take at once."""
    with torch.device("meta"):
        state = create_net(net, MANY_CLASSES).state_dict()
    weights = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    return weights * (WEIGHTS_IN_STATES + 1 + keep) + REPORTS
