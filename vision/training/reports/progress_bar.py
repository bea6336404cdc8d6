"""How fast a training is and how long it will take: a bar on a terminal, numbers for a log."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator

# The bar takes the room that the words leave.
BAR_FORMAT = "{desc} |{bar}| {n_fmt}/{total_fmt}, left {remaining}{postfix}"


@dataclass(frozen=True)
class Throughput:
    """How fast an epoch is, from its first batch on."""

    pictures_per_second: float
    waiting_share: float  # of the time, in [0, 1], that went into waiting for the next batch
    seconds: float

    def __str__(self) -> str:
        waiting = f"{self.waiting_share:.0%} of the time waiting for data"
        return f"{self.pictures_per_second:.1f} pictures/s, {waiting}"


class ProgressBar:
    """Watches the batches of a run go by.

    Inside its `with` block log lines are written above the bar. Where standard error is no terminal
    nothing is drawn; `throughput` and `seconds_left` are there all the same.
    """

    def __init__(
        self,
        epochs: int,
        steps: int,
        show: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin a run.

        Args:
            epochs: number of all epochs, those before a resumed run included.
            steps: batches of an epoch.
            show: draw the bar; by default where standard error is a terminal.
            clock: returns seconds.
        """
        self.epochs, self.steps, self.clock = epochs, steps, clock
        self.show = sys.stderr.isatty() if show is None else show
        self._stack = contextlib.ExitStack()
        self._run_started = 0.0
        self._run_done = 0  # batches that this process trained on
        self._run_left = epochs * steps
        self._start_epoch()

    def __enter__(self) -> ProgressBar:
        if self.show:
            from tqdm.contrib.logging import logging_redirect_tqdm

            self._stack.enter_context(logging_redirect_tqdm())
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def train(self, batches: Iterable, epoch: int, position: int = 0) -> Iterator:
        """Yield the batches of an epoch, and measure the time that they are waited for.

        A GPU works on while the program goes ahead, so a wait counts only where the program stood
        still. Over a whole epoch that is the time lost to loading.

        Args:
            batches: what is left of the epoch, with `images` (B, ...).
            epoch: its number, from 0.
            position: batches of the epoch that were done before the run was resumed.
        """
        self._start_epoch()
        self._run_left = (self.epochs - epoch) * self.steps - position
        with self._bar(f"Epoch {epoch}", self.steps, position) as bar:
            for batch in self._timed(iter(batches)):
                yield batch
                self._count(len(batch.images))
                bar.set_postfix_str(self._postfix(), refresh=False)
                bar.update()

    def validate(self, batches: Iterable, steps: int) -> Iterator:
        """Yield the batches of the validation, `steps` of them, under a bar of their own."""
        with self._bar("Validation", steps) as bar:
            for batch in batches:
                yield batch
                bar.update()

    @property
    def throughput(self) -> Throughput:
        """How fast the latest epoch is, or was, at the end of its latest batch."""
        seconds = self._epoch_seconds
        if seconds <= 0:
            return Throughput(0.0, 0.0, 0.0)
        return Throughput(self._pictures / seconds, self._waited / seconds, seconds)

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of the run, at its pace so far, validations included."""
        if not self._run_done:
            return None
        return (self.clock() - self._run_started) / self._run_done * self._run_left

    def _start_epoch(self) -> None:
        self._epoch_started = self.clock()
        self._epoch_seconds = self._waited = 0.0
        self._pictures = 0

    def _timed(self, batches: Iterator) -> Iterator:
        if not self._run_done:
            self._run_started = self._epoch_started
        asked = self._epoch_started  # the start of the loader's processes is a wait as well
        for batch in batches:
            self._waited += self.clock() - asked
            yield batch
            asked = self.clock()

    def _count(self, pictures: int) -> None:
        self._pictures += pictures
        self._epoch_seconds = self.clock() - self._epoch_started
        self._run_done += 1
        self._run_left -= 1

    def _postfix(self) -> str:
        from tqdm import tqdm

        now = self.throughput
        left = tqdm.format_interval(self.seconds_left or 0)
        rate = f"{now.pictures_per_second:.1f} pictures/s"
        return f"run {left}, {rate}, {now.waiting_share:.0%} waiting"

    def _bar(self, title: str, total: int, done: int = 0) -> Any:
        from tqdm import tqdm

        return tqdm(
            desc=title,
            total=total,
            initial=done,
            disable=not self.show,
            leave=False,
            dynamic_ncols=True,
            bar_format=BAR_FORMAT,
        )
