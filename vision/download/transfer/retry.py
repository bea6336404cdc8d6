"""How long and how often a transfer is tried, and the errors that say whether another try helps."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from typing import Callable

logger = logging.getLogger(__name__)

# Of the statuses that mean failure, those that a later request may not get.
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_ASKED = 60.0  # seconds; a server that asks for more is asked again before that
MISSING_STATUSES = frozenset({404, 410})


class DownloadError(OSError):
    """A transfer that failed for good."""


class MissingError(DownloadError):
    """The server is there and says that it does not have the thing."""


class DamagedError(DownloadError):
    """The server keeps the thing, but in a state that is of no use."""


class TransientError(DownloadError):
    """A transfer that failed in a way that another attempt may not."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def error_for_status(status: int, what: str, retry_after: str | None = None) -> DownloadError:
    """Return the error for an HTTP status; `retry_after` is the header of that name, if any."""
    if status in MISSING_STATUSES:
        return MissingError(f"{what}: {status}, the server does not have it")
    if status in TRANSIENT_STATUSES:
        seconds = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
        return TransientError(f"{what}: the server answered {status}", seconds)
    return DownloadError(f"{what}: the server refused with status {status}")


@dataclass(frozen=True)
class RetryPolicy:
    """Limits of a transfer. Times are in seconds, the rate in bytes a second.

    `timeout` bounds connecting, every wait for the next bytes, and the stretch over which
    `slowest_rate` must be kept; so neither silence nor a drip holds a transfer for ever.
    """

    attempts: int = 10
    timeout: float = 20.0
    first_delay: float = 0.5
    longest_delay: float = 10.0
    slowest_rate: float = 1024.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"the number of attempts must be 1 or more, got {self.attempts}")
        if self.timeout <= 0:
            raise ValueError(f"the time-out must be more than 0 seconds, got {self.timeout}")

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after that many failures in a row: doubling, with jitter.

        Jitter keeps twenty workers that failed together from coming back together.
        """
        bound = min(self.longest_delay, self.first_delay * 2.0 ** (failures - 1))
        return bound * random.SystemRandom().uniform(0.5, 1.0)


class Attempts:
    """The failures in a row of one transfer.

    `pause` waits that many seconds; a worker passes the wait of its stop event. `advice` is what
    the last error tells to do.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        pause: Callable[[float], object] = time.sleep,
        log_level: int = logging.DEBUG,
        advice: str = "",
    ) -> None:
        self.policy = policy
        self.pause = pause
        self.log_level = log_level
        self.advice = advice
        self.failures = 0

    def reset(self) -> None:
        """Forget the failures so far: the transfer got on."""
        self.failures = 0

    def failed(self, error: TransientError) -> None:
        """Wait before the next attempt.

        Raises:
            DownloadError: where there is none left.
        """
        self.failures += 1
        if self.failures >= self.policy.attempts:
            times = "once" if self.failures == 1 else f"{self.failures} times"
            raise DownloadError(f"{error} (tried {times}){self.advice}") from error
        asked = min(error.retry_after, LONGEST_ASKED)
        delay = max(self.policy.delay(self.failures), asked)
        logger.log(
            self.log_level,
            "%s; attempt %d of %d in %.1f s",
            error,
            self.failures + 1,
            self.policy.attempts,
            delay,
        )
        self.pause(delay)


class RateGuard:
    """Notices a body that drips: each byte in time, the whole of it never.

    `what` is the address, or the name, that the error gives.
    """

    def __init__(
        self, what: str, policy: RetryPolicy, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.what = what
        self.policy = policy
        self.clock = clock
        self.since = clock()
        self.received = 0

    def count(self, received: int) -> None:
        """Count bytes that have just come.

        Raises:
            TransientError: if the last stretch was slower than `RetryPolicy.slowest_rate`.
        """
        self.received += received
        elapsed = self.clock() - self.since
        if elapsed < self.policy.timeout:
            return
        if self.received < self.policy.slowest_rate * elapsed:
            raise TransientError(
                f"{self.what}: {self.received} bytes came in {elapsed:.0f} s, too slow to go on"
            )
        self.since, self.received = self.clock(), 0
