"""The errors of a transfer, which of them another attempt can mend, and when to give up."""

from __future__ import annotations

import logging
import random
import re
import time
from dataclasses import dataclass
from typing import Callable

logger = logging.getLogger(__name__)

# Failures that a later request may not meet again.
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_ASKED = 60.0  # seconds; if a server asks for a longer pause, it gets this one
MISSING_STATUSES = frozenset({404, 410})


class DownloadError(OSError):
    """A transfer that failed for good."""


class MissingError(DownloadError):
    """The server answers that it does not have the file."""


class DamagedError(DownloadError):
    """The server has the file, but damaged."""


class TransientError(DownloadError):
    """A transfer that failed, but may succeed at the next attempt."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NameLookupError(TransientError):
    """The name of the server has no address: it is wrong, or there is no network."""


def ascii_number(text: str) -> int | None:
    """Return a number that a header states, None if it is not up to 18 of the digits 0 to 9.

    `int` also reads signs, blanks and the digits of other scripts, and refuses very long texts.
    """
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def error_for_status(status: int, what: str, retry_after: str | None = None) -> DownloadError:
    """Return the error for an HTTP status; `retry_after` is the header of that name, if any."""
    if status in MISSING_STATUSES:
        return MissingError(f"{what}: {status}, the server does not have it")
    if status in TRANSIENT_STATUSES:
        seconds = ascii_number(retry_after or "") or 0
        return TransientError(f"{what}: the server answered {status}", seconds)
    return DownloadError(f"{what}: the server refused with status {status}")


@dataclass(frozen=True)
class RetryPolicy:
    """Limits of a transfer. Times are in seconds, the rate in bytes a second.

    `timeout` limits connecting and every wait for the next bytes. It is also the time over which
    the rate is measured that must not be below `slowest_rate`. So neither silence nor a trickle
    holds a transfer for ever. `attempts` limits the failures in a row, `name_lookups` those of
    finding the server's address, None for no other limit.
    """

    attempts: int = 10
    name_lookups: int | None = None
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
        bound = min(self.longest_delay, self.first_delay * 2.0 ** min(failures - 1, 60))
        return bound * random.SystemRandom().uniform(0.5, 1.0)


class Attempts:
    """Counts the failures in a row of one transfer, and waits after each.

    `pause` waits for a number of seconds; a worker passes the wait of its stop event. `advice` is
    added to the last error.
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
        self.lookups = 0  # of these failures, how many of the last ones were of a name look-up

    def reset(self) -> None:
        """Forget the failures so far, because the transfer got on."""
        self.failures = self.lookups = 0

    def failed(self, error: TransientError) -> None:
        """Wait before the next attempt.

        Raises:
            DownloadError: where there is none left.
        """
        self.failures += 1
        self.lookups = self.lookups + 1 if isinstance(error, NameLookupError) else 0
        if self.failures >= self.policy.attempts or self.lookups == self.policy.name_lookups:
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
    """Fails a transfer whose bytes come, but so slowly that the whole never does.

    `what` is the address that the error gives.
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
            TransientError: if the rate since the last check is below `slowest_rate`.
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
