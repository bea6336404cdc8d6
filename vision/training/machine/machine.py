"""What the machine has: cores and memory, as far as this process may use them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

GB = 10**9


@dataclass(frozen=True)
class Machine:
    """What this process may use, in bytes; None where the system does not say."""

    cores: int
    memory: int | None  # in all
    free: int | None  # that can be taken without swapping


def read_machine(root: Path = Path("/")) -> Machine:
    """Read what there is, and the limits of the container, from the files below `root`.

    A Jetson's GPU takes its memory from this one.
    """
    memory, free = _read_memory(root / "proc/meminfo")
    cores = float(_usable_cores())
    for folder in _control_groups(root):
        limit = _first_number(folder, ("memory.max", "memory.limit_in_bytes"))
        if limit is not None and memory is not None and free is not None and limit < memory:
            used = _first_number(folder, ("memory.current", "memory.usage_in_bytes")) or 0
            memory = limit
            free = min(free, max(0, limit - used + _page_cache(folder / "memory.stat")))
        cores = min(cores, _processor_share(folder))
    return Machine(max(1, int(cores)), memory, free)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read_memory(path: Path) -> tuple[int | None, int | None]:
    """Return all and the free bytes; of systems without the file half of all counts as free."""
    if path.is_file():
        lines = [line.split(":") for line in path.read_text(encoding="ascii").splitlines()]
        sizes = {line[0]: 1024 * int(line[1].split()[0]) for line in lines if len(line) == 2}
        free = sizes.get("MemAvailable", sizes.get("MemFree", 0))
        return sizes["MemTotal"], free
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None, None
    return memory, memory // 2


def _control_groups(root: Path) -> list[Path]:
    """Return the folders of the control groups that this process is in, with all above them.

    Each limits those below it. Inside a container the path of the group is often one that only the
    host can see; the container's own limits then are in the top folder.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    folders = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        top = root / "sys/fs/cgroup"
        for folder in [top / name for name in controllers.split(",")]:
            folders.append(folder)
            for part in Path(group).parts[1:]:
                folders.append(folders[-1] / part)
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _first_number(folder: Path, names: tuple[str, ...]) -> int | None:
    """Return the number in the first of the files that is there; None for "max"."""
    for name in names:
        try:
            return int((folder / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
    return None


def _page_cache(path: Path) -> int:
    """Return the bytes of files that a control group keeps in memory only while there is room."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    sizes = dict(line.split() for line in lines)
    return int(sizes.get("total_inactive_file", sizes.get("inactive_file", 0)))


def _processor_share(folder: Path) -> float:
    """Return how many processors' time a control group may use."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
            period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
        return int(quota) / int(period) if int(quota) > 0 else float("inf")
    except (OSError, ValueError):
        return float("inf")


def tool_versions() -> dict[str, str]:
    """Return the versions of what decides a run's result."""
    import platform

    import cv2
    import numpy
    import torch

    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a class of its own, which weights_only refuses
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
    }
