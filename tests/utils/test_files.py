from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vision.utils import files
from vision.utils.files import (
    DiskFullError,
    atomic_write,
    make_folder,
    name_fault,
    naming_file,
    new_folder,
    path_inside,
    remove_leftovers,
    require_place,
    require_regular,
    write_together,
)


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


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_what_cannot_be_written_is_called_by_its_own_name():
    message = r"^/proc/x\.json was not written: there is no such file or place; check"
    with pytest.raises(OSError, match=message), atomic_write("/proc/x.json") as temporary:
        temporary.write_text("new")


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / "x.json").mkdir()
    message = rf"^{tmp_path}/x\.json was not written: it is a folder and must be a file; name"
    with pytest.raises(OSError, match=message), atomic_write(tmp_path / "x.json") as temporary:
        temporary.write_text("new")


def test_a_block_that_writes_nothing_is_an_error_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_write(path):
        pass
    assert path.read_text() == "old"


GOOD = [
    "a.jpg",
    "train/a.jpg",
    "a b.jpg",
    "..a.jpg",
    "a..jpg",
    ".hidden",
    "%2e%2e%2fa.jpg",
    "é.jpg",
]
BAD = {
    "": "is empty",
    "../a.jpg": "part that is empty, '.' or '..'",
    "a/../../b.jpg": "part that is empty, '.' or '..'",
    "..": "part that is empty, '.' or '..'",
    ".": "part that is empty, '.' or '..'",
    "./a.jpg": "part that is empty, '.' or '..'",
    "a//b.jpg": "part that is empty, '.' or '..'",
    "a/": "part that is empty, '.' or '..'",
    "/etc/passwd": "begins at the root",
    "//server/share": "begins at the root",
    "C:/a.jpg": "begins with a drive",
    "c:a.jpg": "begins with a drive",
    "..\\a.jpg": "has a backslash",
    "\\\\server\\share": "has a backslash",
    "a.jpg\0.png": "has control characters",
    "a\nb.jpg": "has control characters",
    "\x7f.jpg": "has control characters",
    "\ud800.jpg": "has characters that no file name can have",
    "x" * 256: "is longer than 255 bytes",
    "é" * 200: "is longer than 255 bytes",
    "/".join(["x" * 200] * 6): "is longer than 255 bytes",
    None: "is no text",
    7: "is no text",
}


@pytest.mark.parametrize("name", GOOD)
def test_a_name_inside_a_folder(tmp_path, name):
    assert path_inside(tmp_path, name) == tmp_path / name
    assert path_inside(str(tmp_path), name) == tmp_path / name


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_leads_elsewhere_is_refused_with_the_reason(tmp_path, name):
    shown = re.escape(repr(name[:80] if isinstance(name, str) else name))
    message = f"{shown} must be the name of a file inside {tmp_path}, but it .*{BAD[name]}"
    with pytest.raises(ValueError, match=message):
        path_inside(tmp_path, name)


@pytest.mark.parametrize("name", ["out/a.jpg", "out", "link.jpg", "deep/out/a.jpg", "circle"])
def test_a_link_that_leads_out_is_refused(tmp_path, name):
    folder, outside = tmp_path / "in", tmp_path / "outside"
    (folder / "deep").mkdir(parents=True)
    outside.mkdir()
    (folder / "out").symlink_to(outside)
    (folder / "deep" / "out").symlink_to(outside)
    (folder / "link.jpg").symlink_to(outside / "a.jpg")
    (folder / "circle").symlink_to(folder)
    with pytest.raises(ValueError, match=r"leads to .*, through a link"):
        path_inside(folder, name)


def test_links_that_stay_inside_and_a_folder_that_is_a_link(tmp_path):
    (tmp_path / "real" / "train").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "same").symlink_to("train")
    for name in ("train/a.jpg", "same/a.jpg", "a.jpg"):
        assert path_inside(tmp_path / "data", name) == tmp_path / "data" / name


@pytest.mark.parametrize(
    "name", ["con.jpg", "NUL", "a/com1.txt", "a. ", "a./b", "ab:c.jpg", "a?.jpg", "lpt9 .x"]
)
def test_what_windows_cannot_store_is_refused_there(name):
    assert name_fault(name, windows=False) is None
    assert "which Windows cannot store" in name_fault(name, windows=True)


@pytest.mark.parametrize("name", ["contact.jpg", "a.con", "com10.jpg", "a b.jpg"])
def test_what_windows_can_store(name):
    assert name_fault(name, windows=True) is None


def test_a_full_disk_names_the_file(tmp_path):
    full = pytest.raises(DiskFullError, match=r"result\.txt was not written: no space left")
    with full, atomic_write(tmp_path / "result.txt"), Path("/dev/full").open("w") as file:
        file.write("text")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_keep_what_they_say(tmp_path):
    with pytest.raises(ConnectionResetError) as error, naming_file(tmp_path / "a"):
        raise ConnectionResetError(104, "reset")
    assert error.value.filename is None


def test_a_failure_leaves_no_folder_that_was_not_there(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(ValueError, match="late"), atomic_write(tmp_path / "there/new/b/x") as path:
        path.write_text("x")
        raise ValueError("late")
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def snapshot(folder):
    """Return names, contents and times of everything below a folder."""
    return {
        path.relative_to(folder): (path.is_file() and path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def test_several_files_appear_together(tmp_path):
    (tmp_path / "labels.txt").write_text("old")
    with write_together() as place:
        place(tmp_path / "labels.txt").write_text("new")
        place(tmp_path / "new" / "model.onnx").write_bytes(b"model")
        assert (tmp_path / "labels.txt").read_text() == "old"
    assert (tmp_path / "labels.txt").read_text() == "new"
    assert (tmp_path / "new" / "model.onnx").read_bytes() == b"model"
    assert len(list(tmp_path.rglob("*"))) == 3


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_between_two_files_changes_neither(tmp_path, error):
    (tmp_path / "labels.txt").write_text("old")
    before = snapshot(tmp_path)
    with pytest.raises(error), write_together() as place:
        place(tmp_path / "labels.txt").write_text("new")
        place(tmp_path / "new" / "model.onnx")
        raise error
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_cannot_be_replaced_takes_the_others_back(tmp_path, monkeypatch, has_links):
    def no_link(source, target):
        raise OSError("no hard links here")

    if not has_links:
        monkeypatch.setattr(files.os, "link", no_link)
    (tmp_path / "labels.txt").write_text("old")
    (tmp_path / "model.onnx").mkdir()  # A file cannot take the place of a folder.
    before = snapshot(tmp_path)
    with pytest.raises(OSError), write_together() as place:
        place(tmp_path / "labels.txt").write_text("new")
        place(tmp_path / "notes.txt").write_text("new")
        place(tmp_path / "model.onnx").write_bytes(b"model")
    assert snapshot(tmp_path) == before


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


@pytest.mark.parametrize("number", [0, 1])
def test_a_full_disk_within_the_block_names_the_file_and_not_the_temporary_one(tmp_path, number):
    """Python names no file where a write fails; a function that is given the place names that."""
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    with pytest.raises(
        DiskFullError, match=rf"{paths[number]} was not written"
    ), write_together() as place:
        places = [place(path) for path in paths]
        with atomic_write(places[number]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(
        DiskFullError, match=rf"{paths[1]} was not written"
    ), write_together() as place:
        for path in paths:
            place(path).touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_that_could_not_be_filled_is_as_before(tmp_path, is_there, error):
    path = tmp_path / "new" / "folder"
    if is_there:
        path.mkdir(parents=True)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(error), new_folder(path):
        (path / "deep").mkdir()
        (path / "deep" / "file").touch()
        (path / "link").symlink_to(tmp_path)
        raise error
    left = {"mine.txt", "new", "new/folder"} if is_there else {"mine.txt"}
    assert {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")} == left
    with new_folder(path):
        (path / "file").touch()
    assert [one.name for one in path.iterdir()] == ["file"]


def test_folders_are_made_all_or_none(tmp_path):
    made = make_folder(tmp_path / "a" / "b")
    assert made == [tmp_path / "a", tmp_path / "a" / "b"]
    assert make_folder(tmp_path / "a") == []
    with pytest.raises(OSError, match="too long"):
        make_folder(tmp_path / "c" / ("x" * 300))
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_or_a_device_is_never_replaced_by_a_file(tmp_path, linked):
    """As root, /dev/null or /dev/stdout would else be a plain file from then on."""
    place = tmp_path / "pipe"
    os.mkfifo(place)
    if linked:
        place = tmp_path / "link"
        place.symlink_to(tmp_path / "pipe")
    with pytest.raises(ValueError, match="must be a file to write, it is a device, a pipe"):
        require_place(place)
    with pytest.raises(ValueError, match="must be a file"), atomic_write(place) as temporary:
        temporary.write_text("something")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"][not linked :]
    assert not place.is_file()


def test_a_link_is_replaced_and_its_target_stays(tmp_path):
    (tmp_path / "target").write_text("someone's")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with atomic_write(tmp_path / "link") as temporary:
        temporary.write_text("ours")
    assert (tmp_path / "link").read_text() == "ours"
    assert (tmp_path / "target").read_text() == "someone's"


@pytest.mark.parametrize(
    ("name", "is_folder", "sentence"),
    [
        ("folder", False, "folder must be a file to write, it is a folder"),
        ("file", True, "file must be a folder to write into, it is a file"),
        ("file/new.txt", False, r"file/new.txt cannot be a file to write, .*/file is a file"),
        ("file/deep/new", True, r"deep/new cannot be a folder to write into, .*/file is a file"),
    ],
)
def test_a_name_that_nothing_can_have_is_refused_before(tmp_path, name, is_folder, sentence):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=sentence):
        require_place(tmp_path / name, is_folder)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder"]


def test_names_that_can_be_had_are_fine_and_nothing_is_made(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    require_place(tmp_path / "file")
    require_place(tmp_path / "new" / "file")
    require_place(tmp_path / "folder", is_folder=True)
    monkeypatch.chdir(tmp_path)
    require_place("new/folder", is_folder=True)
    require_place("file")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder"]
    monkeypatch.setattr(files.os, "access", lambda path, mode: Path(path).name != "folder")
    with pytest.raises(PermissionError, match="folder may not be written to"):
        require_place(tmp_path / "folder" / "file")
