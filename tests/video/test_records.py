from __future__ import annotations

import csv
import errno
import gc
import json
from pathlib import Path

import numpy as np
import pytest

from vision.structures import Detections
from vision.video.records import COLUMNS, FoundObjects, open_records

NAMES = ["BACKGROUND", "Apfel, groß", '"=pear']


def found(count):
    boxes = np.float32([[1, 2, 30.5, 40]] * count).reshape(-1, 4)
    labels = np.array([1, 2][:count], np.int64)
    return Detections(boxes, labels, np.float32([0.91234, 0.5][:count]))


def test_json_and_csv_say_the_same(tmp_path):
    paths = tmp_path / "found.json", tmp_path / "found.csv"
    with open_records(NAMES, *paths, {"model": "m.pth"}) as records:
        records.add(FoundObjects("a.jpg", (64, 48), found(2)))
        records.add(FoundObjects("b.mp4", (64, 48), found(0), frame=0, seconds=0.0))
        records.add(FoundObjects("b.mp4", (64, 48), found(1), frame=1, seconds=0.04))
        assert not any(path.exists() for path in paths)
    written = json.loads(paths[0].read_text(encoding="utf-8"))
    assert (written["model"], written["class_names"]) == ("m.pth", NAMES)
    first, second, third = written["pictures"]
    assert first["objects"][0] == {
        "class": "Apfel, groß", "label": 1, "score": 0.9123, "box": [1.0, 2.0, 30.5, 40.0]
    }  # fmt: skip
    assert "frame" not in first
    assert (second["objects"], second["frame"], third["seconds"]) == ([], 0, 0.04)
    rows = list(csv.reader(paths[1].open(encoding="utf-8", newline="")))
    assert rows[0] == list(COLUMNS)
    assert rows[1][:7] == ["a.jpg", "", "", "64", "48", NAMES[1], "0.9123"]
    assert rows[1][7:] == ["1.00", "2.00", "30.50", "40.00"]
    assert [row[:3] for row in rows[1:]] == [["a.jpg", "", ""]] * 2 + [["b.mp4", "1", "0.040"]]


def test_no_picture_is_valid_json_too(tmp_path):
    with open_records(NAMES, tmp_path / "x.json", None, {}):
        pass
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))["pictures"] == []


def test_a_failure_leaves_nothing_and_an_interruption_what_was_found(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(ZeroDivisionError), open_records(NAMES, path, None, {}):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), open_records(NAMES, path, None, {}) as records:
        records.add(FoundObjects("a.jpg", (64, 48), found(1)))
        raise KeyboardInterrupt
    assert len(json.loads(path.read_text(encoding="utf-8"))["pictures"]) == 1


def test_a_file_that_cannot_be_begun_takes_the_other_with_it(tmp_path, monkeypatch):
    """Without its temporary name, which nobody has typed."""
    opened = Path.open

    def refuse(path, *arguments, **keywords):
        if path.suffix == ".csv":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "open", refuse)
    told = rf"^{tmp_path}/x\.csv was not written: this user may not"
    with pytest.raises(OSError, match=told), open_records(
        NAMES, tmp_path / "x.json", tmp_path / "x.csv", {}
    ):
        pass
    assert not any(tmp_path.iterdir())


def test_a_file_that_cannot_be_opened_leaves_no_other_and_none_open(tmp_path, recwarn):
    """A file that stays open warns when it is collected."""
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(OSError), open_records(
        NAMES, tmp_path / "x.json", tmp_path / "folder" / "x.csv", {}
    ):
        pass
    gc.collect()
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert not [one for one in recwarn if one.category is ResourceWarning]


def test_a_head_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(TypeError), open_records(NAMES, tmp_path / "x.json", None, {"a": object()}):
        pass
    assert list(tmp_path.iterdir()) == []
