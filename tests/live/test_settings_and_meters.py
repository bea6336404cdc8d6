from __future__ import annotations

import pytest

from vision.live.meters import Meter
from vision.live.settings import LiveSettings, SharedSettings


def test_settings_change_as_asked():
    shared, heard = SharedSettings(LiveSettings(0.5, 0.4), ["a", "b"]), []
    shared.listen(lambda: heard.append(shared.now))
    shared.change({"threshold": 0, "hidden": ["b"]})
    assert shared.now == LiveSettings(0.0, 0.4, frozenset("b"), False)
    shared.change({"paused": True, "clustering": 1})
    assert (shared.now.paused, shared.now.clustering) == (True, 1.0)
    assert len(heard) == 2


@pytest.mark.parametrize(
    "wishes",
    [
        {"threshold": 1.1},
        {"threshold": -0.1},
        {"threshold": float("nan")},
        {"threshold": "0.5"},
        {"threshold": True},
        {"clustering": None},
        {"hidden": "a"},
        {"hidden": ["c"]},
        {"hidden": [["a"]]},
        {"paused": 1},
        {"class_names": []},
        {"__class__": 1},
    ],
)
def test_what_is_no_setting_changes_nothing(wishes):
    shared = SharedSettings(LiveSettings(), ["a", "b"])
    with pytest.raises(ValueError, match=r"must be|no setting"):
        shared.change({"paused": True, **wishes})
    assert shared.now == LiveSettings()


def test_rate_and_mean_of_the_last_seconds():
    now = [100.0]
    meter = Meter(lambda: now[0])
    assert (meter.rate, meter.mean) == (0.0, 0.0)
    for _ in range(11):
        now[0] += 0.1
        meter.add(0.05)
    assert meter.rate == pytest.approx(10)
    assert meter.mean == pytest.approx(0.05)
    now[0] += 1.1  # a second of silence after the last interval
    assert meter.rate == pytest.approx(5)
    now[0] += 10
    assert (meter.rate, meter.mean, meter.count) == (0.0, 0.0, 11)
