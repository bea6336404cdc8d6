"""How long and how often."""

import pytest

from vision.download.transfer.retry import (
    Attempts,
    DownloadError,
    MissingError,
    RateGuard,
    RetryPolicy,
    TransientError,
    error_for_status,
)


def test_delays_double_up_to_the_longest_and_jitter_takes_at_most_half():
    policy = RetryPolicy(first_delay=1.0, longest_delay=10.0)
    for failures, bound in [(1, 1.0), (2, 2.0), (4, 8.0), (5, 10.0), (50, 10.0)]:
        assert bound / 2 <= policy.delay(failures) <= bound


def test_gives_up_after_the_last_attempt():
    waits = []
    attempts = Attempts(RetryPolicy(attempts=3), pause=waits.append)
    attempts.failed(TransientError("no answer"))
    attempts.failed(TransientError("no answer"))
    with pytest.raises(DownloadError, match=r"no answer \(tried 3 times\)"):
        attempts.failed(TransientError("no answer"))
    assert len(waits) == 2


def test_counts_failures_in_a_row_only():
    attempts = Attempts(RetryPolicy(attempts=2), pause=lambda seconds: None)
    for _ in range(5):
        attempts.failed(TransientError("reset"))
        attempts.reset()


def test_waits_as_long_as_the_server_asks():
    waits = []
    attempts = Attempts(RetryPolicy(first_delay=0.1), pause=waits.append)
    attempts.failed(error_for_status(503, "file", "7"))
    attempts.failed(error_for_status(503, "file", "86400"))
    assert waits == [7.0, 60.0]


def test_status_says_whether_another_attempt_helps():
    assert isinstance(error_for_status(404, "file"), MissingError)
    assert isinstance(error_for_status(500, "file"), TransientError)
    refused = error_for_status(403, "file")
    assert type(refused) is DownloadError
    assert str(refused) == "file: the server refused with status 403"
    assert error_for_status(429, "file", "Wed, 21 Oct 2026 07:28:00 GMT").retry_after == 0.0


def test_a_drip_is_noticed_after_the_time_out():
    now = [0.0]
    guard = RateGuard("file", RetryPolicy(timeout=10.0, slowest_rate=100.0), clock=lambda: now[0])
    for _ in range(9):
        now[0] += 1.0
        guard.count(1)
    now[0] = 10.0
    with pytest.raises(TransientError, match="file: 10 bytes came in 10 s"):
        guard.count(1)


def test_a_slow_line_is_no_drip():
    now = [0.0]
    guard = RateGuard("file", RetryPolicy(timeout=10.0, slowest_rate=100.0), clock=lambda: now[0])
    for _ in range(100):
        now[0] += 1.0
        guard.count(101)


@pytest.mark.parametrize("limits", [{"attempts": 0}, {"timeout": 0}])
def test_impossible_limits_are_refused(limits):
    with pytest.raises(ValueError, match="must be"):
        RetryPolicy(**limits)
