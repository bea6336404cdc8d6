from __future__ import annotations

import os

import numpy as np
import pytest

from tests.drawing import write_picture
from vision.datasets.index.builder import IndexBuilder
from vision.datasets.likeness import find_groups, same_content
from vision.datasets.splits import hold_out
from vision.pictures.whole_jpeg import is_whole_jpeg


def make_index(paths):
    builder = IndexBuilder()
    for path in paths:
        builder.add(path.stem, str(path), [(0, 0, 9, 9)], ["cat"])
    return builder.build()


def scene(seed, moved=0):
    """Return a picture of coloured tiles (96, 128, 3), and a small object that moves."""
    tiles = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = tiles.repeat(16, axis=0).repeat(16, axis=1)
    picture[40:52, 2 * moved : 2 * moved + 12] = 255
    return picture


def write_videos(folder, scenes, frames):
    """Write `frames` pictures of each scene, with noise; return their files."""
    paths = []
    rng = np.random.default_rng(0)
    for number in range(scenes):
        for frame in range(frames):
            noise = rng.integers(-6, 7, (96, 128, 3))
            picture = np.clip(scene(number, frame) + noise, 0, 255).astype(np.uint8)
            paths.append(folder / f"frame_{number * frames + frame + 1}.jpg")
            write_picture(paths[-1], picture)
    return paths


def test_frames_of_a_scene_are_one_group_though_numbers_run_on(tmp_path):
    index = make_index(write_videos(tmp_path, scenes=3, frames=8))  # frame_9 follows frame_8
    assert find_groups(index).tolist() == [0] * 8 + [1] * 8 + [2] * 8
    mixed = index.select(np.random.default_rng(1).permutation(24))
    numbers = [int(name.split("_")[1]) for name in mixed.image_ids]
    assert find_groups(mixed).tolist() == [(number - 1) // 8 for number in numbers]


def test_a_scene_stays_on_one_side_of_a_split(tmp_path):
    index = make_index(write_videos(tmp_path, scenes=10, frames=4))
    for seed in range(3):
        train, validation = hold_out(index, 0.2, seed)
        scenes = [
            {(int(n.split("_")[1]) - 1) // 4 for n in p.image_ids} for p in (train, validation)
        ]
        assert not scenes[0] & scenes[1]
        assert len(validation) == 8


def test_one_long_video_is_cut_into_two_runs_at_least(tmp_path):
    index = make_index(write_videos(tmp_path, scenes=1, frames=40))
    validation = hold_out(index, 0.2, seed=0)[1]
    numbers = sorted(int(name.split("_")[1]) for name in validation.image_ids)
    assert len(numbers) == 8
    assert sum(b - a > 1 for a, b in zip(numbers, numbers[1:])) <= 1


def test_variants_of_one_picture_belong_together_by_name(tmp_path):
    builder = IndexBuilder()
    for name in ("a_jpg.rf.11", "a_jpg.rf.22", "b_jpg.rf.33"):
        builder.add(name, str(tmp_path / f"{name}.jpg"), [], [])
    assert find_groups(builder.build()).tolist() == [0, 0, 1]
    assert find_groups(IndexBuilder().build()).tolist() == []


@pytest.mark.parametrize("content", [b"", b"short", bytes(range(256)) * 64])
def test_same_content(tmp_path, content):
    files = {"a": content, "b": content, "c": content[:-1] + b"x", "d": content + b"longer"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    path = str(tmp_path / "{}").format
    mine, others = [path("a"), path("c"), path("gone")], [path("b"), path("d"), path("gone too")]
    assert same_content(mine, others).tolist() == [True, False, False]
    assert same_content(mine, []).tolist() == [False] * 3
    assert same_content([], others).tolist() == []


def test_files_that_differ_at_their_beginning_alone_are_not_the_same(tmp_path):
    (tmp_path / "a").write_bytes(b"a" + bytes(50_000))
    (tmp_path / "b").write_bytes(b"b" + bytes(50_000))
    assert not same_content([str(tmp_path / "a")], [str(tmp_path / "b")]).any()


def test_named_pipes_are_the_same_as_nothing_and_not_waited_for(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        os.mkfifo(tmp_path / name)
    paths = [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")]
    assert not same_content(paths, paths).any()
    builder = IndexBuilder()
    for path in paths:
        builder.add(path, path, [], [])
    assert len(find_groups(builder.build())) == 2
    assert not is_whole_jpeg(tmp_path / "a.jpg")
