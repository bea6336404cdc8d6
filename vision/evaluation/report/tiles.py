"""Pictures for a report, with what is there and what was found drawn into them.

Every tile is a small JPEG, and there is a limit to their number, so that a report stays a file that
can be sent.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Iterable, Sequence

import cv2
import numpy as np

from vision.evaluation.matching import overlaps_of_pairs
from vision.evaluation.measure import Evaluation
from vision.evaluation.metrics.errors import CAUSES, NEAR
from vision.pictures.drawing import Mark, draw_marks
from vision.pictures.reading import EncodedPicture, PictureError
from vision.utils.lettering import drawable

logger = logging.getLogger(__name__)

WORST = 20  # pictures with most mistakes, and mistakes with the highest scores
PER_CELL = 6  # crops for a cell of the confusion matrix
MOST_CROPS = 180  # for all cells together
WHOLE_SIDE, CROP_SIDE = 560, 240  # pixels, the longer side of a tile
SURROUNDINGS = 2.5  # side of a crop, in sides of what it shows
SMALLEST_CROP = 48  # pixels of the picture
TILE_QUALITY = 80  # of JPEG
LINE = 2  # pixels
MOST_MARKS = 60  # in one tile; the surest

RIGHT, WRONG, MISSED, THERE = (46, 160, 67), (214, 57, 57), (56, 132, 244), (150, 156, 165)  # RGB


@dataclass(frozen=True)
class Request:
    """A tile to draw."""

    picture: int  # its number in the collection
    caption: str
    focus: np.ndarray | None = None  # (4,) xyxy, what a crop shows; None for the whole picture


@dataclass(frozen=True)
class Tile:
    """A drawn picture."""

    name: str  # of the picture
    caption: str
    jpeg: bytes
    width: int  # pixels
    height: int


def worst_pictures(evaluation: Evaluation) -> list[Request]:
    """Ask for the pictures with most mistakes at the threshold."""
    collection = evaluation.collection
    count = len(collection.pictures)
    wrong = np.bincount(collection.found.pictures[evaluation.shown_wrong], minlength=count)
    missed = np.bincount(collection.objects.pictures[evaluation.missed], minlength=count)
    order = np.argsort(-(wrong + missed), kind="stable")[:WORST]
    return [
        Request(picture, f"{wrong[picture]} wrong, {missed[picture]} missed")
        for picture in order.tolist()
        if wrong[picture] + missed[picture]
    ]


def surest_mistakes(evaluation: Evaluation) -> list[Request]:
    """Ask for the wrong detections with the highest scores; second boxes of an object left out."""
    collection, errors = evaluation.collection, evaluation.errors
    found = collection.found
    candidates = np.flatnonzero(evaluation.shown_wrong & (errors.kinds != CAUSES["double"]))
    best = candidates[np.argsort(-found.scores[candidates], kind="stable")][:WORST]
    return [
        Request(
            int(found.pictures[row]),
            f"{collection.name(found.labels[row])} {found.scores[row]:.2f}: "
            f"{_describe_error(evaluation, row)}",
            found.boxes[row],
        )
        for row in best.tolist()
    ]


def _describe_error(evaluation: Evaluation, row: int) -> str:
    errors, collection = evaluation.errors, evaluation.collection
    kind = int(errors.kinds[row])
    if kind == CAUSES["class"]:
        return f"here is {collection.name(collection.objects.labels[errors.targets[row]])}"
    words = {"place": "too far off its object", "background": "nothing is marked here"}
    return next(
        (text for name, text in words.items() if CAUSES[name] == kind), "class and place are wrong"
    )


def cell_crops(
    evaluation: Evaluation, labels: Sequence[int]
) -> dict[tuple[int, int], list[Request]]:
    """Ask for examples of every cell of the confusion matrix, those with mistakes first.

    Args:
        labels: of the rows and columns that are shown.

    Returns:
        Requests by (true label, found label); the surest detections, or the largest missed objects.
    """
    confusion, collection = evaluation.confusion, evaluation.collection
    cells = [(row, column) for row in labels for column in labels]
    cells = [cell for cell in cells if confusion.matrix[cell]]
    mistakes = [cell for cell in cells if cell[0] != cell[1]]
    mistakes.sort(key=confusion.matrix.__getitem__, reverse=True)
    chosen: dict[tuple[int, int], list[Request]] = {}
    left = MOST_CROPS
    for cell in [*mistakes, *(cell for cell in cells if cell[0] == cell[1])]:
        entries = confusion.cell(*cell)
        detections, objects = confusion.detections[entries], confusion.objects[entries]
        of_detections = detections[0] >= 0
        table = collection.found if of_detections else collection.objects
        rows = detections if of_detections else objects
        sizes = np.prod(table.boxes[rows, 2:] - table.boxes[rows, :2], axis=1)
        rank = collection.found.scores[rows] if of_detections else sizes
        chosen[cell] = [
            Request(
                int(table.pictures[row]),
                f"{collection.found.scores[row]:.2f}" if of_detections else "not found",
                table.boxes[row],
            )
            for row in rows[np.argsort(-rank, kind="stable")][: min(PER_CELL, left)].tolist()
        ]
        left -= len(chosen[cell])
    return {cell: requests for cell, requests in chosen.items() if requests}


def draw_tiles(evaluation: Evaluation, requests: Iterable[Request]) -> list[Tile | None]:
    """Draw tiles, in the order of the requests; None where a picture cannot be read any more.

    A picture is read once for all its tiles.
    """
    requests = list(requests)
    tiles: list[Tile | None] = [None] * len(requests)
    marks = _MarkFinder(evaluation)
    unreadable = 0
    for picture in sorted({request.picture for request in requests}):
        wanted = [place for place, one in enumerate(requests) if one.picture == picture]
        facts = evaluation.collection.pictures[picture]
        try:
            encoded = _Decoded(EncodedPicture.read(facts.path, facts.upright))
            for place in wanted:
                focus = requests[place].focus
                window = _window(focus, facts.width, facts.height)
                image = encoded.cut(window, WHOLE_SIDE if focus is None else CROP_SIDE)
                inside = marks.inside(picture, window, image.shape[1], focus)
                drawn = draw_marks(image, inside, LINE)
                tiles[place] = _tile(drawn, facts.image_id, requests[place].caption)
        except PictureError:
            unreadable += len(wanted)
    if unreadable:
        logger.warning("%d tiles of the report are left out: pictures cannot be read", unreadable)
    return tiles


def _window(focus: np.ndarray | None, width: int, height: int) -> np.ndarray:
    """Return the part (4,) int64 xyxy of a picture to show, in its pixels."""
    if focus is None:
        return np.array([0, 0, width, height])
    limits = np.array([width, height])
    focus = np.clip(np.nan_to_num(focus), 0, np.tile(limits, 2))
    side = max(SMALLEST_CROP, SURROUNDINGS * float((focus[2:] - focus[:2]).max()))
    lengths = np.minimum(limits, int(side))
    starts = np.clip(((focus[:2] + focus[2:]) - lengths) / 2, 0, limits - lengths).astype(np.int64)
    return np.concatenate([starts, starts + lengths])


def _tile(image: np.ndarray, name: str, caption: str) -> Tile:
    options = [cv2.IMWRITE_JPEG_QUALITY, TILE_QUALITY]
    _, jpeg = cv2.imencode(".jpg", image[..., ::-1], options)
    return Tile(name, caption, jpeg.tobytes(), image.shape[1], image.shape[0])


class _Decoded:
    """A picture that is decoded once at each reduction."""

    def __init__(self, encoded: EncodedPicture) -> None:
        self.encoded = encoded
        self.pixels: dict[int, np.ndarray] = {}

    def cut(self, window: np.ndarray, side: int) -> np.ndarray:
        """Return a part of the picture, its longer side stretched or shrunk to `side` pixels."""
        lengths = window[2:] - window[:2]
        scale = side / lengths.max()
        reductions = self.encoded.reductions
        reduction = max(one for one in reductions if one == 1 or one * scale <= 1)
        if reduction not in self.pixels:
            self.pixels[reduction] = self.encoded.decode(reduction)
        left, top = window[:2] // reduction
        right, bottom = -(-window[2:] // reduction)
        part = self.pixels[reduction][top:bottom, left:right]
        width, height = np.maximum(1, np.round(lengths * scale)).astype(int).tolist()
        shrinks = part.shape[1] > width
        method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        return cv2.resize(part, (width, height), interpolation=method)


def _lie_together(box: np.ndarray, focus: np.ndarray) -> bool:
    return float(overlaps_of_pairs(np.stack([box]), np.stack([focus]))[0]) > NEAR


class _MarkFinder:
    """Knows what is to be drawn into each picture."""

    def __init__(self, evaluation: Evaluation) -> None:
        collection = evaluation.collection
        self.evaluation, self.found = evaluation, collection.found
        self.objects, self.names = collection.objects, collection.class_names
        counts = np.arange(len(collection.pictures) + 1)
        self.detection_starts = np.searchsorted(self.found.pictures, counts)
        self.object_starts = np.searchsorted(self.objects.pictures, counts)

    def inside(
        self, picture: int, window: np.ndarray, width: int, focus: np.ndarray | None
    ) -> list[Mark]:
        """Return the marks in a part of a picture that is shown `width` pixels wide.

        Mistakes are the most important ones. In a crop only what lies at its focus is named.
        """
        rows = np.arange(*self.detection_starts[picture : picture + 2])
        rows = rows[self.evaluation.shown[rows] & np.isfinite(self.found.boxes[rows]).all(axis=1)]
        right = self.evaluation.outcome.true_positive[rows]
        wrong = self.evaluation.outcome.false_positive[rows]
        things = np.arange(*self.object_starts[picture : picture + 2])
        missed = self.evaluation.missed[things]
        marks = [self._detection(row, WRONG) for row in rows[wrong].tolist()]
        marks += [self._object(row, MISSED) for row in things[missed].tolist()]
        marks += [self._detection(row, RIGHT) for row in rows[right].tolist()]
        marks += [self._object(row, THERE) for row in things[~missed].tolist()]
        origin = np.tile(window[:2], 2)
        size = (window[2:] - window[:2]).astype(np.float64)
        inside = []
        for mark in marks:
            box = mark.box - origin
            if (box[:2] < size).all() and (box[2:] > 0).all():
                if focus is not None and not _lie_together(mark.box, focus):
                    mark = mark._replace(name="", note="")
                # One pixel beyond the edge, lines do not show.
                box = np.clip(box, -1, np.tile(size, 2) + 1) * (width / size[0])
                inside.append(mark._replace(box=box))
        return inside[:MOST_MARKS]

    def _detection(self, row: int, colour: tuple[int, int, int]) -> Mark:
        label = int(self.found.labels[row])
        name = drawable(self.names[label], f"class {label}")
        return Mark(self.found.boxes[row], name, f" {self.found.scores[row]:.2f}", colour)

    def _object(self, row: int, colour: tuple[int, int, int]) -> Mark:
        label = int(self.objects.labels[row])
        name = drawable(self.names[label], f"class {label}") if colour == MISSED else ""
        return Mark(self.objects.boxes[row], name, "", colour, dashed=True)
