"""Write a downloaded dataset as a VOC folder too, and never over what somebody did there.

Boxes of the VOC folder can be corrected, with the labelling page for example. So the folder keeps
the checksums of what was written there, and where a file is another one now, it is left alone.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Iterator, Sequence

from vision.download.choice.splits import Split
from vision.utils.files import atomic_write, read_regular

if TYPE_CHECKING:
    from vision.datasets.formats.voc_writing import VOCPicture

logger = logging.getLogger(__name__)

# The part of a VOC folder that each split becomes.
PART_OF_SPLIT = {"train": "train", "validation": "val", "val": "val", "test": "test"}
CHECKSUMS = ".written.sha256"  # in the VOC folder, with lines as `sha256sum` has them


def write_voc_beside(root: Path, splits: Sequence[Split], class_names: Sequence[str]) -> None:
    """Write what is under `root` as a VOC folder as well, beside it, with `-voc` in its name.

    Its pictures are links to the same files where the disk can link.

    Raises:
        ValueError: as `require_voc_as_written`.
    """
    from vision.datasets.formats.voc_writing import voc_texts, write_voc

    require_voc_as_written(root)
    root = root.resolve()
    folder = voc_folder(root)

    def parts() -> dict[str, Iterator[VOCPicture]]:
        return {PART_OF_SPLIT[one.name]: one.voc_pictures(root, class_names) for one in splits}

    old = _read_checksums(folder)
    new = {
        (path.relative_to(folder).as_posix(), _checksum(content))
        for path, content in voc_texts(folder, parts(), class_names)
    }
    # If this run is interrupted, the folder has files of both runs.
    _write_checksums(folder, old | new)
    write_voc(folder, parts(), class_names, link=True)
    names = {name for name, _ in new}
    _write_checksums(folder, new | {line for line in old if line[0] not in names})
    logger.info("Wrote the VOC folder %s", folder)


def voc_folder(root: Path) -> Path:
    """Return the VOC folder that belongs to the folder of a download."""
    root = root.resolve()
    return root.with_name(f"{root.name}-voc")


def require_voc_as_written(root: Path) -> None:
    """Refuse a VOC folder beside `root` that is not as the last run has left it.

    Raises:
        ValueError: a class list, a list of pictures or an annotation was changed or added since, or
            no run wrote it; with the first such file, and what to do.
    """
    from vision.datasets.formats.voc_writing import find_voc_texts

    folder = voc_folder(root)
    known = _read_checksums(folder)
    for path in find_voc_texts(folder):
        line = path.relative_to(folder).as_posix(), _checksum(read_regular(path))
        if line not in known:
            raise ValueError(
                f"{path} is not as an earlier run wrote it, and --format voc would write over "
                f"what may be somebody's work; move {folder} away, name another folder with "
                "--data, or leave out --format voc"
            )


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_checksums(folder: Path) -> set[tuple[str, str]]:
    """Return names and checksums; a name has two where an interrupted run may have written it."""
    path = folder / CHECKSUMS
    if not path.is_file():
        return set()
    lines = read_regular(path).decode("utf-8", "surrogateescape").split("\n")
    pairs = (line.split("  ", 1) for line in lines if "  " in line)
    return {(name, checksum) for checksum, name in pairs}


def _write_checksums(folder: Path, lines: Iterable[tuple[str, str]]) -> None:
    text = "".join(f"{checksum}  {name}\n" for name, checksum in sorted(lines))
    with atomic_write(folder / CHECKSUMS) as temporary:
        temporary.write_bytes(text.encode("utf-8", "surrogateescape"))
