"""The benchmark runs and counts right; how fast the machine is, is no test."""

from __future__ import annotations

from pathlib import Path

import cv2

from benchmarks import loading


def test_one_row_for_each_way_to_read(capsys):
    threads = cv2.getNumThreads()
    rows = loading.measure(images=1, rounds=1, size=64)
    cv2.setNumThreads(threads)
    bare = ["cv2.imread", "cv2.imread, cv2.resize"]
    assert [row.name for row in rows] == [*bare, "TrainTransform", "EvalTransform"]
    assert rows[0].ratio == 1 and all(row.milliseconds > 0 for row in rows)
    loading.print_table(rows)
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_pictures_are_of_the_size_that_cameras_write(tmp_path):
    annotation = loading.draw_annotation(tmp_path, seed=0)
    assert 150_000 < Path(annotation.path).stat().st_size < 250_000
    assert cv2.imread(annotation.path).shape == (768, 1024, 3)
    assert (annotation.boxes[:, 2:] <= [1024, 768]).all()
