"""Starting a program once for every GPU, under torchrun's agent, which starts it again if it dies.

The agent knows two ends, success and failure, and tries again after every failure. What a second
try would only repeat (a wrong option, data that are not there, a stop that was asked for) is
therefore settled: its exit status is written down, the processes that are started again see that
and end, and the program that was typed returns the status.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any, Iterator, Sequence

STATUS_FILE = "TRAIN_SSD_STATUS_FILE"  # environment variable
MAX_RESTARTS = 3
# What a user has to mend; a failure of torch may be that of another process, which died.
SETTLED = (ValueError, OSError, ImportError)


def number_of_processes(gpus: int | None, use_cuda: bool) -> int:
    """Return how many processes to start: one for every GPU that is to be used, or only this one.

    Raises:
        ValueError: if there are fewer GPUs.
    """
    if "LOCAL_RANK" in os.environ or not use_cuda:
        return 1
    import torch

    there = torch.cuda.device_count()
    if gpus is not None and gpus > there:
        raise ValueError(f"--gpus is {gpus}, this machine has {there} that torch can use")
    return max(1, there if gpus is None else gpus)


def devices_before(resume: str, folder: Path) -> dict[str, Any]:
    """Return the options of a run to resume that say where it computed; none if it left no file.

    Args:
        resume: the file or folder that --resume names; "" for `folder`.
        folder: the model directory.
    """
    path = Path(resume) if resume else folder
    path = (path if path.is_dir() else path.parent) / "training_args.json"
    if not path.is_file():
        return {}
    saved = json.loads(path.read_text(encoding="utf-8"))
    return {name: saved[name] for name in ("gpus", "use_cuda") if name in saved}


def start_processes(number: int, arguments: Sequence[str]) -> int:
    """Run this script with the same arguments in so many processes; return the exit status."""
    agent = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    agent += [f"--nproc-per-node={number}", f"--max-restarts={MAX_RESTARTS}"]
    script = [str(Path(sys.argv[0]).resolve()), *arguments]
    with tempfile.TemporaryDirectory() as folder:
        status = Path(folder, "status")
        # Among the agent's lines, which are about processes, ours about pictures would be lost.
        environment = {"LOGLEVEL": "ERROR", **os.environ, STATUS_FILE: str(status)}
        with subprocess.Popen([*agent, *script], env=environment) as process:

            def _pass_on(received: int, frame: FrameType | None) -> None:
                # Ctrl+C goes to all processes of a terminal anyway.
                if received != signal.SIGINT:
                    process.send_signal(received)

            before = {one: signal.signal(one, _pass_on) for one in (signal.SIGINT, signal.SIGTERM)}
            returned = process.wait()
            for received, handler in before.items():
                signal.signal(received, handler)
        return int(status.read_text()) if status.exists() else int(returned != 0)


def is_settled() -> bool:
    """Say whether this is a second start of what need not be tried again."""
    return STATUS_FILE in os.environ and Path(os.environ[STATUS_FILE]).exists()


def is_restart() -> bool:
    """Say whether torchrun has started this process in place of one that died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def settle(status: int) -> int:
    """Write down that the program shall end with this exit status; return it."""
    if STATUS_FILE in os.environ:
        Path(os.environ[STATUS_FILE]).write_text(str(status))
    return status


@contextlib.contextmanager
def settled_failures() -> Iterator[None]:
    """Settle what a user has to mend."""
    try:
        yield
    except SETTLED:
        settle(1)
        raise
