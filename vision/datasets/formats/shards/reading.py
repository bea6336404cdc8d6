"""Read folders of tar shards, in WebDataset's conventions, as if they were folders of pictures."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from vision.datasets.checks.problems import Problems
from vision.datasets.files.class_lists import read_class_list
from vision.datasets.files.folders import some_files
from vision.datasets.formats.folder import DatasetFolder, usable_names
from vision.datasets.formats.shards.index_file import INDEX_NAME, PARTS, ShardIndex, load_index
from vision.datasets.formats.shards.scanning import LostSample, scan_shards
from vision.datasets.formats.shards.tar_files import has_picture_at, is_shard
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.arrays import StringTable
from vision.pictures.bucket import object_sizes, read_object
from vision.utils.buckets import bucket_and_key, full_path
from vision.utils.files import path_inside
from vision.utils.text import names_as_seen

REPAIR = f"copy it again, or remove {INDEX_NAME} to have the shards themselves read"


class ShardFolder(DatasetFolder):
    """Reads train-000000.tar and so on, by the index beside them, or by going through them once.

    The pictures of the index have addresses in their shards instead of paths, so that all that is
    done with pictures is the same as for any other format.
    """

    layout = f"*.tar shards with 0001.jpg, 0001.json, ..., and perhaps {INDEX_NAME}"
    packs_pictures = True

    def __init__(self, root: str | Path, file: Path | None = None):
        """Read the index, or make one; see that it is of these shards."""
        super().__init__(root)
        if bucket_and_key(root):
            self.root = Path(root)
        self._lost: list[LostSample] = []
        path = self.root / INDEX_NAME
        if bucket_and_key(root):
            self._shards = load_remote_index(self.root)
        elif path.is_file():
            self._shards = load_index(path)
            require_shards_fit(self.root, self._shards)
            self._note_unlisted()
        else:
            self._shards, self._lost, notes = scan_shards(self.root)
            self.notes += notes
        for part in PARTS:
            rows = self._shards.rows_of(part)
            if len(rows) or any(one.part == part for one in self._lost):
                self.parts[part] = _describe(self._shards, rows)
        self._rows: dict[str, int] | None = None  # by image id, made when a message needs it

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether there is an index of shards, or a tar that begins with samples."""
        return (root / INDEX_NAME).is_file() or any(map(is_shard, some_files(root, ".tar")))

    def class_names(self) -> list[str]:
        """Return the names of labels.txt; without it those of the index, or all found, sorted."""
        path = self.root / "labels.txt"
        names = usable_names(self._shards.annotations.class_names[1:])
        if path.is_file():
            self.classes_from = path.name
            listed = read_class_list(path, lambda: names, self.notes)
            return names_as_seen(listed)
        if bucket_and_key(self.root) or (self.root / INDEX_NAME).is_file():
            self.classes_from = INDEX_NAME
            return names
        self.classes_from = "collected from the shards, as there is no labels.txt"
        return sorted(names)

    def read(self, part: str, problems: Problems) -> AnnotationIndex:
        """Return the pictures of a part, in the order in which they were written."""
        for one in self._lost:
            if one.part == part:
                problems.add(one.kind, one.message, one.file)
        rows = self._shards.rows_of(part)
        index = self._shards.annotations.select(rows)
        # In full, as a Path makes one slash of the two of s3://bucket.
        base = full_path(self.root)
        pictures = (self._shards.picture(row, base) for row in rows.tolist())
        return replace(index, paths=StringTable.from_strings(one.address for one in pictures))

    def annotation_file(self, part: str, image_id: str) -> str:
        """Return the shard of a picture and its name there."""
        if self._rows is None:
            ids = self._shards.annotations.image_ids
            self._rows = {image_id: row for row, image_id in enumerate(ids)}
        row = self._rows.get(image_id)
        if row is None:
            return self.parts[part]
        shard = self._shards.shards[int(self._shards.shard[row])]
        return f"{shard}/{self._shards.annotations.paths[row]}"

    def _note_unlisted(self) -> None:
        listed = set(self._shards.shards)
        found = (path.relative_to(self.root).as_posix() for path in some_files(self.root, ".tar"))
        left = sorted(name for name in found if name not in listed)
        if left:
            self.notes.append(f"{', '.join(left[:3])}: not used, as {INDEX_NAME} does not list it")


def load_remote_index(root: Path) -> ShardIndex:
    """Return the index of the shards in a bucket; see that they are there, with their sizes.

    Raises:
        OSError: the bucket cannot be read.
        ValueError: there is no index, or it is not of these shards.
    """
    there, place = object_sizes(root), full_path(root)
    if INDEX_NAME not in there:
        raise ValueError(
            f"{place} must have {INDEX_NAME} beside its shards; write shards by check_dataset.py "
            "--write-shards, and copy all files of that folder there"
        )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, INDEX_NAME)
        copy.write_bytes(read_object(f"{place}/{INDEX_NAME}"))
        index = load_index(copy)
    for name, size in zip(index.shards, index.shard_sizes.tolist()):
        if there.get(name) != size:
            found = "it is not there" if name not in there else f"it has {there[name]:,}"
            raise ValueError(
                f"{place}/{name} must have {size:,} bytes, as {INDEX_NAME} says, but {found}; copy "
                f"it again, with {INDEX_NAME}"
            )
    return index


def require_shards_fit(root: Path, index: ShardIndex) -> None:
    """See that the shards of an index are there, and are those that it was made of.

    Their sizes are compared, and the first and the last picture of each is looked up.

    Raises:
        FileNotFoundError: a shard is missing.
        ValueError: a shard is another one, or its name leads out of the folder.
    """
    counts = np.bincount(index.shard, minlength=len(index.shards))
    order = np.argsort(index.shard, kind="stable")
    ends = np.cumsum(counts)
    for number, name in enumerate(index.shards):
        path = path_inside(root, name)
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing, with {counts[number]:,} pictures of {INDEX_NAME}; {REPAIR}"
            )
        size, expected = path.stat().st_size, int(index.shard_sizes[number])
        if size != expected:
            raise ValueError(
                f"{path} must have {expected:,} bytes, as {INDEX_NAME} says, it has {size:,}; "
                f"{REPAIR}"
            )
        rows = order[ends[number] - counts[number] : ends[number]]
        for row in rows[[0, -1]].tolist() if len(rows) else ():
            picture = index.picture(row, root)
            if not has_picture_at(path, picture.start, picture.size, picture.name):
                raise ValueError(
                    f"{path} must have the picture '{picture.name}' at byte {picture.start:,}, as "
                    f"{INDEX_NAME} says, it has not; {REPAIR}"
                )


def _describe(index: ShardIndex, rows: np.ndarray) -> str:
    """Return the shards of a part in words."""
    names = [index.shards[number] for number in np.unique(index.shard[rows]).tolist()]
    if not names:
        return "no usable shard"
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
