from __future__ import annotations

from pathlib import Path

import pytest

from vision.evaluation.detector_names import detector_names


@pytest.mark.parametrize(
    ("models", "detections", "names"),
    [
        (["/m/a/x.pth", "/m/b/x.pth"], [], ["a/x.pth", "b/x.pth"]),
        (["/m/a/x/x.pth", "/m/b/x/x.pth"], [], ["a/x/x.pth", "b/x/x.pth"]),
        (["/x.pth", "/m/x.pth"], [], ["//x.pth", "m/x.pth"]),
        ([], ["/m/a.json", "/m/b.json"], ["a.json", "b.json"]),
        ([], ["/m/a.json", "/n/a.json", "/n/b.json"], ["m/a.json", "n/a.json", "b.json"]),
        ([], ["/m/a.json", "/m/x/../a.json", "/a.json"], ["m/a.json", "m/a.json (2)", "//a.json"]),
        (["/m/x.pth", "/m/x.pth"], ["/m/x.pth"], ["m/x.pth", "m/x.pth (2)", "m/x.pth (3)"]),
    ],
)
def test_no_two_names_are_the_same(models, detections, names):
    assert detector_names([*map(Path, models)], [*map(Path, detections)]) == names
