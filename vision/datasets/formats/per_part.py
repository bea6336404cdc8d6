"""Read folders with one annotation file for many pictures: for a part, or for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, NamedTuple, Sequence

from vision.datasets.checks.problems import Problems
from vision.datasets.files.finder import PictureFinder, agreement, name_different_files
from vision.datasets.files.folders import (
    Suffixes,
    all_files,
    part_of_name,
    part_of_path,
    some_files,
)
from vision.datasets.files.listing import strip_suffix
from vision.datasets.formats.folder import DatasetFolder, usable_names
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.builder import IndexBuilder, Record
from vision.utils.text import first_few


class _Found(NamedTuple):
    """What an annotation file says about a picture that is there."""

    record: Record
    where: str  # the annotation file, relative to the folder


class PerPartFolder(DatasetFolder):
    """Finds annotation files in the usual folders; a subclass says which they are and reads one.

    The name of a file (instances_train2017.json, test_labels.csv) or of its folder
    (valid/_annotations.coco.json) states its part. Several files of one part are joined.
    """

    suffix: Suffixes = ""  # of the annotation files
    numbered_by = "picture"

    def __init__(self, root: str | Path, file: Path | None = None):
        """Find the annotation files; or take `file` only, for which there need be no other."""
        super().__init__(root)
        self._files: dict[str, list[Path]] = {}
        self._names: dict[str, list[str]] = {}  # of the classes in every part read
        self._owners: dict[str, tuple[str, _Found]] = {}  # by picture: part and entry that fits it
        self._finder = PictureFinder(self.root)
        if file is not None:
            self._files["all"] = [file.resolve()]
        else:
            files = [path for path in all_files(self.root, self.suffix) if self.accepts(path)]
            chosen = self.choose(files)
            for path in files:
                why = "" if path in chosen else self.explain_left(path)
                where = path.relative_to(self.root).as_posix()
                self.notes += [f"{where} is not used, {why}"] if why else []
            for path in chosen:
                below = path.relative_to(self.root).as_posix()
                part = part_of_name(path.stem) or part_of_path(below) or "all"
                self._files.setdefault(part, []).append(path)
        self._fill_parts()
        self._divide_by_records()

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return whether the beginning of a file looks like this format."""
        raise NotImplementedError

    @classmethod
    def choose(cls, files: list[Path]) -> list[Path]:
        """Return those of the accepted files that shall be read."""
        return files

    @classmethod
    def explain_left(cls, path: Path) -> str:
        """Return why a file that was not chosen should be named in a note, "" if it should not."""
        return ""

    def stated_parts(self, path: Path) -> dict[str, str]:
        """Return the parts that a file states for its pictures, and what it calls them."""
        return {}

    def read_file(self, path: Path, names: list[str], problems: Problems) -> Iterator[Record]:
        """Yield what a file says of each picture; add the classes that it lists to `names`.

        Raises:
            ValueError: the file as a whole cannot be read.
        """
        raise NotImplementedError

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether there is an annotation file."""
        return any(map(cls.accepts, some_files(root, cls.suffix)))

    def class_names(self) -> list[str]:
        """Return the classes that the training part lists, or without a list those of objects."""
        first = next(part for part in ("train", "all", *self.parts) if part in self.parts)
        if first not in self._names:
            self.read(first, Problems())  # only the names are wanted, so nothing is reported
        self.classes_from = f"of {self.parts[first]}"
        return usable_names(self._names[first])

    def read(self, part: str, problems: Problems) -> AnnotationIndex:
        """Return the pictures of a part, in the order of its files."""
        names: list[str] = []
        found: dict[str, list[_Found]] = {}
        for path in self._files[part]:
            where = path.relative_to(self.root)
            beside = "" if where.parent == Path() else where.parent.as_posix()
            for record in self.read_file(path, names, problems):
                if record.part and record.part != part:
                    continue
                file = self._finder.find(record.filename, beside, part)
                if file is None:
                    message = self._finder.explain_missing(record.filename, part)
                    problems.add("picture missing", message, str(where))
                else:
                    found.setdefault(file, []).append(_Found(record, str(where)))
        self._leave_to_other_parts(part, found, problems)
        pictures = {file: _join_all(file, records, problems) for file, records in found.items()}
        if part == "all":
            left = [file for file in self._finder.listing.files if file not in pictures]
            problems.add_each(
                "picture not annotated", left, lambda file: ("is nowhere listed", file, None)
            )
        builder = IndexBuilder()
        for file, record in pictures.items():
            builder.add_record(strip_suffix(file), str(self.root / file), record)
        index = builder.build()
        # A name that is not listed is a slip of the pen, which the checks report.
        self._names[part] = list(dict.fromkeys(names or index.class_names[1:]))
        return index

    def _leave_to_other_parts(
        self, part: str, found: dict[str, list[_Found]], problems: Problems
    ) -> None:
        """Leave a picture to the part whose entry fits it better; that of the other is missing."""
        for file, entries in list(found.items()):
            fits = [agreement(file, one.record.filename) for one in entries]
            best = entries[fits.index(max(fits))]
            owner, entry = self._owners.setdefault(file, (part, best))
            name, other = best.record.filename, entry.record.filename
            fit = agreement(file, other)
            if owner == part or max(fits) == fit or not name_different_files(name, other):
                continue
            if max(fits) > fit:
                self._owners[file] = (part, best)
                message = f"there is no picture '{other}': '{file}' is that of '{name}'"
                problems.add("picture missing", message, entry.where)
                continue
            del found[file]
            for one in entries:
                name = one.record.filename
                message = f"there is no picture '{name}': '{file}' is that of '{other}'"
                problems.add("picture missing", message, one.where)

    def _divide_by_records(self) -> None:
        """Take the parts that the records of the files state, where no file name states one."""
        if list(self.parts) != ["all"]:
            return
        for path in self._files["all"]:
            for part, name in self.stated_parts(path).items():
                self._files.setdefault(part, []).append(path)
                self.parts[part] = f"{name} of {path.relative_to(self.root).as_posix()}"
        if len(self.parts) > 1:
            del self.parts["all"], self._files["all"]

    def _fill_parts(self) -> None:
        """Fill `parts`; files that state no part are for training if no others are."""
        if "all" in self._files and len(self._files) > 1:
            left = self._files.pop("all")
            if "train" in self._files:
                listed = ", ".join(path.relative_to(self.root).as_posix() for path in left)
                self.notes.append(f"{listed} is not used, as other files are called by their part")
            else:
                self._files["train"] = left
        for part in ("train", "val", "test", "all"):
            files = [path.relative_to(self.root).as_posix() for path in self._files.get(part, ())]
            if files:
                self.parts[part] = first_few(files, 3)


def _join_all(file: str, found: Sequence[_Found], problems: Problems) -> Record:
    """Return the objects of all records of one picture, and report records of another one.

    A path that is not there may end as one that is. The path that fits the picture best keeps it.
    Paths of several annotation files may fit equally, as each is of the computer that wrote it.
    """
    if len(found) == 1:
        return found[0].record
    fits = [agreement(file, one.record.filename) for one in found]
    best = fits.index(max(fits))
    joined = None
    for one, fit in zip(found, fits):
        name, right = one.record.filename, found[best].record.filename
        is_equal = fit[0] == fits[best][0] and one.where != found[best].where
        if name_different_files(name, right) and not is_equal:
            message = f"there is no picture '{name}': '{file}' is that of '{right}'"
            problems.add("picture missing", message, one.where)
        elif joined is None:
            joined = one.record
        else:
            problems.add("picture listed twice", f"'{name}'", one.where)
            joined = _join(joined, one.record)
    return joined or found[best].record


def _join(one: Record, other: Record) -> Record:
    """Return the objects of both records of one picture."""
    flags = [record.difficult or [False] * len(record.names) for record in (one, other)]
    origins = None
    if one.origins is not None and other.origins is not None:
        origins = [*one.origins, *other.origins]
    boxes, names = [*one.boxes, *other.boxes], [*one.names, *other.names]
    return Record(one.filename, one.size, boxes, names, [*flags[0], *flags[1]], origins)
