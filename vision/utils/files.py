"""Write files that are either whole or absent, and open only what is a file inside its folder."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Sequence

LONGEST_PART = 255  # bytes that common file systems take for a name between two slashes
LONGEST_NAME = 1024  # bytes of a whole name
# What a name from data must not have, and how to say so.
LEADING_ELSEWHERE = (
    (re.compile(r"^$"), "is empty"),
    (re.compile(r"[\x00-\x1f\x7f]"), "has control characters"),
    (re.compile(r"^/"), "begins at the root"),
    (re.compile(r"^[A-Za-z]:"), "begins with a drive"),
    (re.compile(r"\\"), "has a backslash"),
    (re.compile(r"(^|/)\.{0,2}(/|$)"), "has a part that is empty, '.' or '..'"),
)
# Files that Windows takes for devices, whatever suffix they have, and characters that it refuses.
WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d) *(\..*)?", re.IGNORECASE)
WINDOWS_REFUSES = re.compile(r"""[<>:"|?*]|[ .]$""")
FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
DISK_ERRORS = {errno.EIO, errno.EFBIG}
# What a person can do about a fault of a file, by the system's number of it.
NOT_ALLOWED = "this user may not read or write it; give the permission with chmod or chown"
FILE_FAULTS = {
    errno.EACCES: NOT_ALLOWED,
    errno.EPERM: NOT_ALLOWED,
    errno.EROFS: "its disk can only be read; name another place",
    errno.ENOENT: "there is no such file or place; check the path",
    **dict.fromkeys(FULL, "no space left on its disk; make room there, or name another"),
    errno.EIO: "its disk fails to read or write it; look after the disk, or name another place",
    errno.EISDIR: "it is a folder and must be a file; name another",
    errno.ENOTDIR: "what lies above it is a file and must be a folder; name another",
    errno.ENAMETOOLONG: "its name is too long; give a shorter one",
    errno.ELOOP: "it is a link that leads back to itself; remove the link",
    errno.EMFILE: "too many files are open; allow more with ulimit -n",
}
LITTLE = 1 << 20  # bytes that a full disk may still have
TEMPORARY = re.compile(r"\..+\.(\d+)\.part(\.[^.]*)?")  # the name of a file that is being written


class DiskFullError(OSError):
    """A file that was not written because the disk is full."""

    def __init__(self, path: str | Path) -> None:
        folder = Path(path).parent.absolute()
        super().__init__(
            f"{path} was not written: no space left on the disk of {folder}; make room there, or "
            "name another folder"
        )
        self.errno = errno.ENOSPC
        self.path = Path(path)


class NotWrittenError(OSError):
    """A file that could not be written, named as it was to be called in the end."""

    def __init__(self, path: str | Path, error: OSError) -> None:
        super().__init__(f"{path} was not written: {file_fault(error)}")
        self.errno = error.errno


def file_fault(error: OSError) -> str:
    """Return what is wrong with a file and what to do, in words and without its name."""
    return FILE_FAULTS.get(error.errno or 0) or (error.strerror or str(error)).lower()


def path_inside(folder: str | Path, name: str) -> Path:
    """Return the path of a name inside a folder; refuse a name that leads anywhere else.

    Every name that comes from data has to pass here before a file of that name is read, written or
    removed. It may contain folders, with "/" between them. Links are followed: the end must be
    inside the folder too.

    Raises:
        ValueError: with the name, and why it is refused.
    """
    fault = name_fault(name)
    if fault is None:
        path = Path(folder, name)
        # Without a folder in the name only its end can be a link.
        if not ("/" in name or path.is_symlink()):
            return path
        end = os.path.realpath(path)
        if Path(os.path.realpath(folder)) in Path(end).parents:
            return path
        fault = f"leads to {end}, through a link"
    shown = name[:80] if isinstance(name, str) else name
    raise ValueError(f"{shown!r} must be the name of a file inside {folder}, but it {fault}")


def name_fault(name: str, windows: bool = os.name == "nt") -> str | None:
    """Return why a name from data cannot be that of a file inside a folder, None if it can.

    Drive letters and backslashes are refused everywhere, as the data may have been made to be read
    on Windows; what only Windows cannot store is refused only there.
    """
    if not isinstance(name, str):
        return "is no text"
    try:
        parts = [os.fsencode(part) for part in name.split("/")]
    except UnicodeEncodeError:
        return "has characters that no file name can have"
    for pattern, fault in LEADING_ELSEWHERE:
        if pattern.search(name):
            return fault
    if max(map(len, parts)) > LONGEST_PART or sum(map(len, parts)) > LONGEST_NAME:
        return f"is longer than {LONGEST_PART} bytes"
    for part in name.split("/") if windows else ():
        if WINDOWS_DEVICES.fullmatch(part) or WINDOWS_REFUSES.search(part):
            return f"has the part {part!r}, which Windows cannot store"
    return None


def is_disk_full(error: BaseException) -> bool:
    """Say whether an error is that of a full disk, so that the next file has no room either."""
    return isinstance(error, OSError) and error.errno in FULL


@contextmanager
def naming_file(path: str | Path) -> Iterator[None]:
    """Add a file's name to an error of its disk; Python leaves the name out where a write fails.

    Raises:
        DiskFullError: naming `path`, if there is no room for it.
    """
    try:
        yield
    except DiskFullError:
        raise
    except OSError as error:
        if error.errno in FULL:
            raise DiskFullError(path) from None
        if error.errno in DISK_ERRORS and error.filename is None:
            error.filename = str(path)
        raise
    except RuntimeError:  # torch tells of a full disk like this
        if shutil.disk_usage(Path(path).parent).free < LITTLE:
            raise DiskFullError(path) from None
        raise


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; rename it into place after the block.

    A reader, or the next run after a power cut, finds the old file or the new one, never half of
    it. A missing folder is made. If the block raises, no file and no folder has changed.
    """
    with naming_file(path), write_together() as place:
        yield place(path)


@contextmanager
def write_together() -> Iterator[Callable[[str | Path], Path]]:
    """Write several files that appear together, or not at all.

    Yields a function from the path of a file to a temporary path beside it, where the block writes
    that file. After the block, all of them are renamed into place. If the block raises, or a file
    cannot be put in its place, then every file is as it was, and folders that were made are gone.

        with write_together() as place:
            place("model.onnx").write_bytes(model)
            place("labels.txt").write_text(labels)
    """
    files: dict[Path, Path] = {}  # where a file goes -> where it is written
    folders: list[Path] = []  # those made here, outermost first

    def place(path: str | Path) -> Path:
        """Return where to write a file, and make the folder that it lies in."""
        path = Path(path)
        _require_replaceable(path)
        folders.extend(make_folder(path.parent))
        files[path] = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
        return files[path]

    is_done = False
    try:
        try:
            yield place
        except OSError as error:
            # Of a full disk it names no file, which is the last one then, or a temporary one.
            named = getattr(error, "path", None)
            full = [path for path, part in files.items() if named in (None, part)][-1:]
            if error.errno in FULL and full:
                raise DiskFullError(full[0]) from None
            _raise_for_target(error, files)
            raise
        for path, temporary in files.items():
            with naming_file(path):
                _flush_to_disk(temporary)
        try:
            _put_in_place(files)
        except OSError as error:
            _raise_for_target(error, files)
            raise
        is_done = True
    finally:
        for temporary in files.values():
            if temporary.exists():
                temporary.unlink()
        remove_empty([] if is_done else folders)


def _raise_for_target(error: OSError, files: dict[Path, Path]) -> None:
    """Name the file that was to be written in place of the temporary one, if that failed.

    Raises:
        NotWrittenError: the error is that of a temporary file.
    """
    path = next((path for path, part in files.items() if str(part) == error.filename), None)
    if path is not None:
        raise NotWrittenError(path, error) from None


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Yield a folder that is new or empty, to be filled; if the block raises, it is as before."""
    made = make_folder(path)
    try:
        yield Path(path)
    except BaseException:  # Ctrl+C, too
        for entry in Path(path).iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        remove_empty(made)
        raise


def make_folder(path: str | Path) -> list[Path]:
    """Make a folder and those above it; return those that were missing, the outermost first."""
    path = Path(path)
    missing = [folder for folder in (path, *path.parents) if not folder.exists()][::-1]
    for number, folder in enumerate(missing):
        try:
            folder.mkdir(exist_ok=True)
        except OSError:
            remove_empty(missing[:number])
            raise
    return missing


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, given the outermost first, in which there is nothing."""
    for folder in reversed(folders):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def require_place(path: str | Path, is_folder: bool = False) -> None:
    """Refuse, before the work begins, a name that no file can have in the end; make nothing.

    Args:
        is_folder: a folder to write into has the name.

    Raises:
        ValueError: naming what is in the way.
        PermissionError: if nothing may be written there.
    """
    path, wanted = Path(path), "a folder to write into" if is_folder else "a file to write"
    if not is_folder:
        _require_replaceable(path)
    if path.exists() and path.is_dir() != is_folder:
        raise ValueError(
            f"{path} must be {wanted}, it is a {'file' if is_folder else 'folder'}; name another"
        )
    there = next(one for one in (path, *path.absolute().parents) if one.exists())
    above = there if there.is_dir() else there.parent
    if there not in (path, above):
        raise ValueError(f"{path} cannot be {wanted}, {there} is a file; name another")
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(
            f"{path} cannot be {wanted}, {above} may not be written to; name another"
        )


def _require_replaceable(path: Path) -> None:
    """Refuse what a renamed file would do harm to: as root, /dev/null would be a file for all.

    A link to a file is replaced by a file, and its target stays: who made the link may not have
    meant that we write there.

    Raises:
        ValueError: if a device, a pipe or a socket is there, or a link to one.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ValueError(
            f"{path} must be a file to write, it is a device, a pipe or a socket; name another"
        )


def _put_in_place(files: dict[Path, Path]) -> None:
    """Rename all temporary files; if one cannot be renamed, take back those before it."""
    old = {path: path.with_name(f".{path.name}.{os.getpid()}.old") for path in files}
    try:
        for path, temporary in files.items():
            if path.is_file() and len(files) > 1:
                _keep_copy(path, old[path])
            temporary.replace(path)
    except BaseException:  # Ctrl+C, too
        for path, temporary in files.items():
            is_in_place = not temporary.exists()
            if is_in_place and old[path].exists():
                old[path].replace(path)
            elif is_in_place:
                path.unlink()
        raise
    finally:
        for copy in old.values():
            if copy.exists():
                copy.unlink()


def _keep_copy(path: Path, copy: Path) -> None:
    try:
        os.link(path, copy)
    except OSError:  # A file system without hard links.
        shutil.copy2(path, copy)


def _flush_to_disk(path: Path) -> None:
    """Make the content durable before the rename can be, or a power cut leaves an empty file."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove the temporary files of a folder that killed processes have left; return them.

    Files of processes that still run stay.
    """
    removed = []
    for path in folder.glob(".*.part*"):
        match = TEMPORARY.fullmatch(path.name)
        if match and not path.is_dir() and not _is_running(int(match.group(1))):
            path.unlink()
            removed.append(path)
    return removed


def _is_running(process: int) -> bool:
    if os.name != "posix":  # elsewhere the question would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def require_regular(path: str | Path) -> None:
    """Check that there is a file to open, before it is opened: a named pipe would wait for ever.

    Raises:
        FileNotFoundError: if there is nothing.
        ValueError: if it is a folder, a pipe, a device or a socket.
    """
    mode = os.stat(path).st_mode  # noqa: PTH116 (a Path takes longer than the file)
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(mode), "a device")
        raise ValueError(f"{path} must be a file, it is {kind}")


def read_regular(path: str | Path) -> bytes:
    """Return the bytes of a file, which must be one; see `require_regular`."""
    require_regular(path)
    with open(path, "rb") as file:  # noqa: PTH123 (as above)
        return file.read()
