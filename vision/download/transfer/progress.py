"""Show progress on a terminal, with rate and time left; elsewhere log a line now and then."""

from __future__ import annotations

import contextlib
import logging
from typing import Iterator

from vision.download.transfer.whole_file import ProgressCallback

logger = logging.getLogger(__name__)

LOG_EVERY = 100  # pictures


@contextlib.contextmanager
def file_bar(name: str) -> Iterator[ProgressCallback]:
    """Yield a function of (bytes done, length of the whole or None) that draws a bar."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    bar = tqdm(desc=name, unit="B", unit_scale=True, disable=None, smoothing=0.1)
    with logging_redirect_tqdm(), bar:

        def show(done: int, total: int | None) -> None:
            """Draw that many bytes of the total."""
            if bar.total is None:
                # The bytes of an earlier run must not count in the rate.
                bar.total, bar.initial, bar.n = total, done, done
            bar.update(done - bar.n)

        yield show


class PictureBar:
    """A bar that counts pictures, and upstream's log lines where there is no terminal."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> PictureBar:
        from tqdm import tqdm
        from tqdm.contrib.logging import logging_redirect_tqdm

        self.stack.enter_context(logging_redirect_tqdm())
        self.bar = self.stack.enter_context(
            tqdm(desc="Pictures", total=self.total, unit=" images", disable=None)
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self.stack.close()

    def __call__(self) -> None:
        """Count one more picture."""
        self.done += 1
        self.bar.update()
        if self.bar.disable and self.done % LOG_EVERY == 0:
            logger.info("Downloaded %d images.", self.done)
