from __future__ import annotations

import pytest

from tests.formats import write_kitti
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.kitti import KITTIFolder


def read(root):
    folder, problems = KITTIFolder(root), Problems()
    return [folder.read(part, problems) for part in folder.parts], problems


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_broken_line_is_named(tmp_path, place):
    write_kitti(tmp_path, {"train": 4})
    label = sorted(tmp_path.rglob("*.txt"))[0]
    sound = label.read_text()
    label.write_text("apple 1 2 3\n" + sound if place == "first" else sound + "apple 1 2 3\n")
    indices, problems = read(tmp_path)
    assert sum(map(len, indices)) == 3
    line = 1 if place == "first" else len(sound.splitlines()) + 1
    assert [str(problem) for problem in problems] == [
        f"{label.relative_to(tmp_path)}:{line}: must be a class and 14 numbers behind it"
    ]


def test_text_files_that_are_no_labels_are_left_alone(tmp_path):
    write_kitti(tmp_path, {"train": 4})
    label = sorted(tmp_path.rglob("*.txt"))[0]
    label.with_name("notes.txt").write_text("apple 1 2 3\n")
    calibration = tmp_path / "calib" / label.name
    calibration.parent.mkdir()
    calibration.write_text("P0: 1 0 0 0 0 1 0 0 0 0 1 0\n")
    indices, problems = read(tmp_path)
    assert sum(map(len, indices)) == 4
    assert not problems
