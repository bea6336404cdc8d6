#!/usr/bin/env python3
"""Draw a sample dataset of eight fruits, with boxes, as open_images_downloader.py would leave it.

    python3 data/draw_fruit.py                         500 pictures into data/fruit-drawn
    python3 data/draw_fruit.py my-fruit --images 200 --size 640x480 --seed 7 --sheet look.jpg

Writes train/, validation/ and test/ with JPEG files, a sub-*-annotations-bbox.csv for each, and
class-descriptions-boxable.csv. The same seed gives the same pictures; a larger --images adds
pictures and changes none. Pictures without fruit are in the folders and in no CSV file.
A new fruit is one function and one line in painting/fruit.py.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import logging
import multiprocessing
import os
import re
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Sequence

if TYPE_CHECKING:
    from painting.scene import Drawn

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
COLUMNS = [
    *["ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax"],
    *["IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside", "id", "ClassName"],
]
MARKER = "draw_fruit.json"
EMPTY_EVERY = 15  # every 15th picture has no fruit
ON_SHEET = 24  # pictures
RARE = 20


class Picture(NamedTuple):
    """A picture to be drawn: the folder of the dataset, split and number in it, (width, height).

    `seed` is the dataset's; together with split and number it decides all that is in the picture.
    """

    folder: Path
    split: str
    number: int
    size: tuple[int, int]
    seed: int
    scale: float = 1.0  # of all things, against their usual size
    rare: str | None = None  # a fruit that is drawn RARE times less often than the others

    @property
    def image_id(self) -> str:
        """Return its name: 16 hexadecimal digits, as in Open Images."""
        name = f"{self.seed} {self.split} {self.number}"
        return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()

    @property
    def path(self) -> Path:
        """Return its file."""
        return self.folder / self.split / f"{self.image_id}.jpg"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2, without the usage that argparse puts before the message."""
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description="Draw a sample dataset of eight fruits in the Open Images layout.")
    parser.add_argument(
        "output",
        nargs="?",
        type=Path,
        default=Path(__file__).resolve().parent / "fruit-drawn",
        metavar="OUTPUT_FOLDER",
        help="new, or made by this script before (default: fruit-drawn beside the script)",
    )
    parser.add_argument(
        "--images",
        type=number_of_images,
        default=500,
        metavar="N",
        help="pictures in all three splits, 70, 15 and 15 %% of them (default: 500)",
    )
    parser.add_argument(
        "--size",
        type=width_and_height,
        default=(400, 400),
        metavar="WxH",
        help="pixels, like 640x480, or like 400 for a square (default: 400)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number,
        default=0,
        metavar="N",
        help="for all that is drawn (default: 0)",
    )
    parser.add_argument(
        "--scale",
        type=factor,
        default=1.0,
        metavar="FACTOR",
        help="size of fruit and things, 0.1 to 1 of the usual (default: 1)",
    )
    parser.add_argument(
        "--rare",
        type=fruit,
        metavar="FRUIT",
        help=f"draw this fruit {RARE} times less often than the others",
    )
    parser.add_argument(
        "--workers",
        type=whole_number,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes to draw with (default: one for each core)",
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE.jpg", help="also write some pictures with their boxes"
    )
    return parser.parse_args(argv)


def whole_number(text: str) -> int:
    """Return the number that `text` says."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 or greater, got {text!r}")
    return int(text)


def number_of_images(text: str) -> int:
    """Return the number that `text` says, if it is enough for a picture in every split."""
    if whole_number(text) < len(SHARES):
        raise argparse.ArgumentTypeError(f"must be at least {len(SHARES)}, got {text}")
    return int(text)


def fruit(text: str) -> str:
    """Return the name of a fruit."""
    from painting.fruit import FRUITS

    if text not in FRUITS:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(FRUITS)}, got {text!r}")
    return text


def factor(text: str) -> float:
    """Return the factor that `text` says."""
    if not re.fullmatch(r"0\.[0-9]+|1(\.0+)?", text) or float(text) < 0.1:
        raise argparse.ArgumentTypeError(f"must be a number from 0.1 to 1, got {text!r}")
    return float(text)


def width_and_height(text: str) -> tuple[int, int]:
    """Return (width, height) of "640x480" or "400"."""
    sides = [int(side) for side in re.findall("[0-9]+", text)]
    if not re.fullmatch("[0-9]+(x[0-9]+)?", text) or min(sides) < 64 or max(sides) > 4096:
        raise argparse.ArgumentTypeError(f"must be like 640x480 or 400, 64 to 4096, got {text!r}")
    return sides[0], sides[-1]


def plan(args: argparse.Namespace) -> list[Picture]:
    """Return all pictures of a dataset, split by split."""
    counts = {split: max(1, round(share * args.images)) for split, share in SHARES.items()}
    counts["train"] = args.images - counts["validation"] - counts["test"]
    return [
        Picture(args.output, split, number, args.size, args.seed, args.scale, args.rare)
        for split, count in counts.items()
        for number in range(count)
    ]


def claim(folder: Path, made_with: dict) -> None:
    """Make the folder, or take over that of an earlier run, and note what is made in it.

    The CSV files of an earlier run are removed first: a run that is broken off then leaves no
    dataset that looks whole.

    Raises:
        FileExistsError: there is something at `folder` that this script did not make.
    """
    foreign = not (folder / MARKER).is_file()
    if folder.exists() and foreign and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} was not made by draw_fruit.py: name another or remove it")
    for split in SHARES:
        (folder / split).mkdir(parents=True, exist_ok=True)
        if boxes_file(folder, split).exists():
            boxes_file(folder, split).unlink()
    write(folder / MARKER, (json.dumps(made_with) + "\n").encode())


def require_file_place(path: Path) -> None:
    """Refuse, before anything is drawn, a name that no picture file can have in the end.

    Raises:
        OSError: there is a folder of that name, its folder is none, or may not be written to, or
            the suffix is not that of a JPEG.
    """
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        raise OSError(f"--sheet must be called *.jpg, it is {path}")
    there = next(one for one in (path, *path.absolute().parents) if one.exists())
    above = there.parent if there == path else there
    if path.is_dir() or not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise OSError(f"--sheet cannot be written to {path}; name another file")


def boxes_file(folder: Path, split: str) -> Path:
    """Return the file with the boxes of a split."""
    return folder / f"sub-{split}-annotations-bbox.csv"


def write(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it into place: it is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    beside.replace(path)


def draw_all(pictures: list[Picture], workers: int) -> list[list[Drawn]]:
    """Draw and write pictures, in several processes; return the fruits of each.

    Raises:
        OSError: a file cannot be written, or something killed a process.
    """
    if workers <= 1:
        return [draw(picture) for picture in pictures]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(pictures)), context, set_up_process) as pool:
        futures = [pool.submit(draw, picture) for picture in pictures]
        try:
            return [future.result() for future in futures]
        except BrokenProcessPool:
            raise ChildProcessError(
                "a process that draws was killed; is memory short? try --workers=1"
            ) from None
        except BaseException:  # also Ctrl+C: the pool would draw all the rest first
            for future in futures:
                future.cancel()
            raise


def set_up_process() -> None:
    """Leave Ctrl+C to the main process, and let OpenCV have one thread in each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2

    cv2.setNumThreads(1)


def draw(picture: Picture) -> list[Drawn]:
    """Draw and write a picture; return its fruits."""
    import cv2
    import numpy as np
    from painting.fruit import FRUITS
    from painting.scene import draw_scene

    rng = np.random.default_rng([picture.seed, list(SHARES).index(picture.split), picture.number])
    names = list(FRUITS)
    if picture.rare:
        names = [one for one in FRUITS for _ in range(1 if one == picture.rare else RARE)]
    first = first_fruit(picture.number, picture.rare)
    image, fruits = draw_scene(rng, picture.size, first, names, picture.scale)
    jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    write(picture.path, jpeg.tobytes())
    return fruits


def first_fruit(number: int, rare: str | None = None) -> str | None:
    """Return the class that a picture certainly has; None if it has no fruit.

    Classes take turns, so every split has all of them, whatever the random numbers are. A rare one
    lets the next have most of its turns.
    """
    from painting.fruit import FRUITS

    if number % EMPTY_EVERY == EMPTY_EVERY - 1:
        return None
    names = list(FRUITS)
    turn, place = divmod(number, len(names))
    if names[place] == rare and turn % RARE:
        return names[(place + 1) % len(names)]
    return names[place]


def box_row(picture: Picture, fruit: Drawn, label: str) -> list:
    """Return a row of a CSV file in the order of COLUMNS; edges are fractions of the picture."""
    (left, top, right, bottom), (width, height) = fruit.box, picture.size
    edges = [f"{edge:.6f}" for edge in (left / width, right / width, top / height, bottom / height)]
    flags = [int(fruit.occluded), int(fruit.truncated), 0, 0, 0]
    return [picture.image_id, "drawn", label, 1, *edges, *flags, label, fruit.name]


def write_tables(folder: Path, pictures: list[Picture], fruits: list[list[Drawn]]) -> None:
    """Write the CSV files."""
    from painting.fruit import FRUITS

    labels = {name: fruit.label for name, fruit in FRUITS.items()}
    classes = [[label, name] for name, label in labels.items()]
    write(folder / "class-descriptions-boxable.csv", table(classes))
    rows = {split: [COLUMNS] for split in SHARES}
    for picture, found in zip(pictures, fruits):
        rows[picture.split] += [box_row(picture, fruit, labels[fruit.name]) for fruit in found]
    for split in SHARES:
        write(boxes_file(folder, split), table(rows[split]))


def table(rows: list[list]) -> bytes:
    """Return rows as the content of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def remove_others(folder: Path, pictures: list[Picture]) -> None:
    """Remove the pictures that an earlier run left in the splits, and nothing else."""
    wanted = {picture.path for picture in pictures}
    for split in SHARES:
        for path in (folder / split).iterdir():
            if re.fullmatch(r"[0-9a-f]{16}\.jpg(\.part)?", path.name) and path not in wanted:
                path.unlink()


def write_sheet(path: Path, pictures: list[Picture], fruits: list[list[Drawn]]) -> None:
    """Write the first pictures with their boxes as one JPEG file."""
    import cv2
    from painting.sheet import contact_sheet

    images = [cv2.imread(str(picture.path)) for picture in pictures[:ON_SHEET]]
    sheet = contact_sheet([image for image in images if image is not None], fruits)
    write(path, cv2.imencode(".jpg", sheet)[1].tobytes())


def main(args: argparse.Namespace) -> None:
    """Draw the dataset."""
    import_module("painting.sheet")  # a package that is missing is missed before any change
    began = time.perf_counter()
    if args.sheet:
        require_file_place(args.sheet)
    pictures = plan(args)
    made_with = {"pictures": args.images, "size": args.size, "seed": args.seed}
    claim(args.output, {**made_with, "scale": args.scale, "rare": args.rare})
    fruits = draw_all(pictures, args.workers)
    remove_others(args.output, pictures)
    write_tables(args.output, pictures, fruits)
    if args.sheet:
        write_sheet(args.sheet, pictures, fruits)
    total, seconds = sum(map(len, fruits)), time.perf_counter() - began
    logging.info(
        "%s: %d pictures with %d fruits, %.1f s", args.output, len(pictures), total, seconds
    )


if __name__ == "__main__":
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s - %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    try:
        main(parse_args())
    except OSError as error:
        sys.exit(f"draw_fruit.py: {error}")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
