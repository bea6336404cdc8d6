"""Start a program once for every GPU, under torchrun's agent, which restarts it if it dies.

The agent knows success and failure only, and tries again after every failure. Some failures (a
wrong option, missing data, Ctrl+C) would only repeat. Their exit status is final: it goes into a
file, restarted processes see the file and exit at once, and the command returns that status.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Iterator, Sequence

STATUS_FILE = "TRAIN_SSD_STATUS_FILE"  # environment variable
RESTARTS = "TORCHELASTIC_RESTART_COUNT"  # another, torchrun's
MAX_RESTARTS = 3
# What a user has to mend; a failure of torch may be that of another process, which died.
FINAL_ERRORS = (ValueError, OSError, ImportError)


def number_of_processes(gpus: int | None, use_cuda: bool) -> int:
    """Return how many processes to start: one for each GPU to be used, or only this one.

    Raises:
        ValueError: if there are fewer GPUs.
    """
    if "LOCAL_RANK" in os.environ or not use_cuda:
        return 1
    import torch

    there = torch.cuda.device_count()
    if gpus is not None and gpus > there:
        raise ValueError(
            f"--gpus must be at most {there}, the GPUs that torch can use here, got {gpus}"
        )
    return max(1, there if gpus is None else gpus)


def start_processes(number: int, arguments: Sequence[str]) -> int:
    """Run this script with the same arguments in N processes; return the exit status."""
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


def is_final() -> bool:
    """Say whether this is a second start of what has ended for good."""
    return STATUS_FILE in os.environ and Path(os.environ[STATUS_FILE]).exists()


def may_restart() -> bool:
    """Say whether torchrun has started this process, and will again if it dies."""
    return RESTARTS in os.environ


def is_restart() -> bool:
    """Say whether torchrun has started this process in place of one that died."""
    return int(os.environ.get(RESTARTS, "0")) > 0


def finish(status: int) -> int:
    """Make an exit status final, and return it."""
    if STATUS_FILE in os.environ:
        Path(os.environ[STATUS_FILE]).write_text(str(status))
    return status


@contextlib.contextmanager
def final_failures() -> Iterator[None]:
    """Make the exit status final where a user has to mend something."""
    try:
        yield
    except FINAL_ERRORS:
        finish(1)
        raise
