"""The options that say what of the data is used: the same in every script that reads data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vision.utils.options import Number, OneOf, Options, Whole, option, text

if TYPE_CHECKING:
    from vision.datasets.checks.pictures import PictureChecks
    from vision.datasets.selection import Selection


# What to do with pictures that have an EXIF orientation. "auto" turns them upright, and finds out
# whether boxes were marked on the upright picture or on the stored one; "apply" and "stored" say
# which. "ignore" reads pictures as they are stored.
EXIF = ("auto", "ignore", "apply", "stored")


@dataclass(frozen=True)
class DataOptions(Options):
    """Which pictures and boxes are used, and how they are read.

    What a training was told here stands in its training_args.json, so that whatever measures its
    net reads the same data.
    """

    dataset_type: str = option(
        "auto", kind=text, help="format of the folders: auto, or a name from docs/datasets.md"
    )
    val_split: float = option(
        0.2,
        kind=Number(0, below=1),
        metavar="FRACTION",
        help="share of the pictures to hold out for validation where a folder states no split",
    )
    classes: str = option(
        "", kind=text, metavar="A,B", help="use only these classes, in this order (default: all)"
    )
    class_map: str = option(
        "",
        kind=text,
        metavar="OLD=NEW,...",
        help="rename classes, or join several into one, as van=car,truck=car",
    )
    negatives: str = option(
        "keep",
        kind=text,
        metavar="SHARE",
        help="pictures without objects: keep, drop, or their largest share of the training "
        "pictures, as 10%",
    )
    exif: str = option(
        "auto",
        kind=OneOf(*EXIF),
        help="pictures with an EXIF orientation: auto turns them upright, and their boxes too; "
        "ignore reads them as stored, as detectnet reads a file; apply (boxes were marked on the "
        "upright picture) or stored (on the stored one) where auto is wrong",
    )
    seed: int = option(
        0, kind=Whole(0), help="seed of everything random, such as which pictures are held out"
    )

    def selection(self) -> Selection:
        """Return what of the data is used.

        Raises:
            ValueError: if the classes, the class map or the share is not in its form.
        """
        from vision.datasets.selection import (
            Selection,
            parse_class_map,
            parse_classes,
            parse_negatives,
        )

        return Selection(
            self.val_split,
            self.seed,
            parse_classes(self.classes),
            parse_class_map(self.class_map),
            parse_negatives(self.negatives),
        )

    def picture_checks(self) -> PictureChecks:
        """Return what opens every picture once, with a memory of those that it has seen."""
        from vision.datasets.checks.picture_scan import PictureScanner, default_cache_folder
        from vision.datasets.checks.pictures import PictureChecks

        return PictureChecks(PictureScanner(default_cache_folder()), self.exif)
