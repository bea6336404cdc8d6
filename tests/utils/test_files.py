from __future__ import annotations

import pytest

from vision.utils.files import atomic_write


def test_a_whole_file_appears_in_its_place(tmp_path):
    path = tmp_path / "new" / "folder" / "result.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.suffix == ".txt"  # writers that choose a format by it see the right one
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_old_file_is_replaced(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old and longer")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="early"), atomic_write(tmp_path / "result.txt"):
        raise ValueError("early")
    assert not any(tmp_path.iterdir())


def test_a_block_that_writes_nothing_is_an_error_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_write(path):
        pass
    assert path.read_text() == "old"
