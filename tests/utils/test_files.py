from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vision.utils.files import DiskFullError, atomic_write, remove_leftovers, require_regular


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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_with_the_file(tmp_path, number):
    path = tmp_path / "last.pth"
    path.write_text("old")
    with pytest.raises(
        DiskFullError, match=r"last\.pth was not written: no space left on the disk"
    ), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise OSError(number, "No space left on device")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_as_torch_tells_of_it(tmp_path, monkeypatch):
    error = RuntimeError("[enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0")
    with pytest.raises(RuntimeError, match="enforce"), atomic_write(tmp_path / "a.pth"):
        raise error
    usage = shutil.disk_usage(tmp_path)._replace(free=4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskFullError, match="not written"), atomic_write(tmp_path / "a.pth"):
        raise error


def test_what_a_killed_process_left_goes_and_what_a_running_one_writes_stays(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = [tmp_path / f".last.{gone.pid}.part.pth", tmp_path / f".a.b.{gone.pid}.part"]
    kept = [
        tmp_path / f".last.{os.getpid()}.part.pth",  # of this process
        tmp_path / ".last.1.part.pth",  # of one that always runs
        tmp_path / "last.pth",
        tmp_path / f"last.{gone.pid}.part.pth",
        tmp_path / ".partly.pth",
    ]
    for path in [*left, *kept]:
        path.write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / left[0].name).write_bytes(b"")
    assert sorted(remove_leftovers(tmp_path)) == sorted(left)
    assert {path.name for path in tmp_path.iterdir()} == {*(one.name for one in kept), "folder"}
    assert len(list((tmp_path / "folder").iterdir())) == 1


@pytest.mark.parametrize("kind", ["a folder", "a named pipe", "a device"])
def test_only_regular_files_are_opened(tmp_path, kind):
    path = {"a folder": tmp_path, "a device": Path(os.devnull)}.get(kind, tmp_path / "pipe.xml")
    if not path.exists():
        os.mkfifo(path)
    with pytest.raises(ValueError, match=f"{path} must be a file, it is {kind}"):
        require_regular(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(ValueError, match="must be a file"):
        require_regular(link)


def test_a_regular_file_may_be_opened_and_a_missing_one_is_missing(tmp_path):
    (tmp_path / "a").write_text("")
    require_regular(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        require_regular(tmp_path / "b")
