"""Going through a source: find, draw, record."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Collection, Iterator, NamedTuple

import numpy as np
from tqdm import tqdm

from vision.live.labelling.pseudo_labels import PseudoLabels
from vision.pictures.drawing import draw_detections
from vision.pictures.reading import read_picture
from vision.pictures.writing import write_picture
from vision.structures import Detections
from vision.video.frames import Frame, FrameSource, SourceError
from vision.video.grammar import PictureSource
from vision.video.opening import open_source
from vision.video.records import FoundObjects, Records
from vision.video.writing import PacedVideo, VideoWriter

if TYPE_CHECKING:
    from vision.live.finders import Finder

logger = logging.getLogger(__name__)


class AnnotatorSettings(NamedTuple):
    """How sources are read and drawn."""

    overlay: Collection[str] = ("box", "labels", "conf")  # the parts to draw, any of these
    voc_seconds: float = 1.0  # of a video, one frame per so many becomes a labelled picture
    max_frames: int | None = None  # after which a video is left; None for all
    upright: bool = True  # turn picture files as their EXIF orientation says


class Annotator:
    """Takes sources one by one, and counts what it saw.

    Attributes:
        pictures: that were looked at, frames among them.
        damaged: videos, in which less was found than they state.
    """

    def __init__(
        self,
        finder: Finder,
        records: Records,
        labels: PseudoLabels | None = None,
        settings: AnnotatorSettings | None = None,
    ) -> None:
        """Say what finds, and where what was found goes beside the drawn pictures."""
        self.pictures = self.damaged = 0
        self._finder, self._records, self._labels = finder, records, labels
        self._settings = settings or AnnotatorSettings()
        self._parts = set(self._settings.overlay)
        self._next_label = 0.0  # seconds in the video
        self._objects: Counter[str] = Counter()

    def annotate(self, source: PictureSource, output: Path | None) -> int:
        """Find objects in a picture, a video or a camera; return how many.

        Of a damaged video, that is in what it gives; a warning says so.

        Args:
            output: where the drawn picture or video goes; None draws nothing.

        Raises:
            ValueError: it cannot be read.
            OSError: it cannot be opened, or was lost.
            KeyboardInterrupt: Ctrl+C; what was found and drawn until then is kept.
        """
        if source.kind == "picture":
            return self._annotate_picture(source, output)
        return self._annotate_video(source, output)

    def summary(self, seconds: float) -> str:
        """Return a line about everything seen so far."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self._objects.most_common())
        total = sum(self._objects.values())
        rate = self.pictures / seconds if seconds else 0.0
        return (
            f"{self.pictures:,} pictures, {total:,} objects{': ' if counts else ''}{counts}; "
            f"{seconds:.1f} s, {rate:.1f} pictures/s"
        )

    def _annotate_picture(self, source: PictureSource, output: Path | None) -> int:
        image = read_picture(source.path, self._settings.upright)
        detections = self._find(image)
        self._records.add(FoundObjects(str(source), _size(image), detections))
        if self._labels:
            self._labels.add_file(source.path, image, detections)
        if output:
            write_picture(output, self._draw(image, detections))
        return len(detections)

    def _annotate_video(self, source: PictureSource, output: Path | None) -> int:
        before = sum(self._objects.values())
        interrupt: KeyboardInterrupt | None = None
        with ExitStack() as stack:
            frames = stack.enter_context(closing(open_source(source)))
            bar = stack.enter_context(_bar(frames, source, self._settings.max_frames))
            video = stack.enter_context(VideoWriter(output, frames.rate)) if output else None
            paced = PacedVideo(video) if video and frames.live else None
            self._next_label = 0.0
            try:
                for frame in self._frames(frames):
                    detections = self._find(frame.image)
                    self._record(source, frame, detections)
                    if paced:
                        paced.write(self._draw(frame.image, detections), frame.captured)
                    elif video:
                        video.write(self._draw(frame.image, detections))
                    bar.update()
            except KeyboardInterrupt as end:
                interrupt = None if source.live else end  # a camera ends no other way
            except SourceError as error:
                if not source.live:
                    raise
                # Of a camera, what came until now is what there is.
                logger.warning("%s", error)
            if paced:
                paced.close()
        if video:
            logger.info("The output video is %s (%d frames)", output, video.count)
        if interrupt is not None:
            raise interrupt
        return sum(self._objects.values()) - before

    def _frames(self, frames: FrameSource) -> Iterator[Frame]:
        most = self._settings.max_frames
        while True:
            frame = frames.read()
            if frame is None:
                if frames.fault:
                    logger.warning("%s", frames.fault)
                    self.damaged += 1
                return
            if most and frame.number >= most:
                return
            yield frame

    def _find(self, image: np.ndarray) -> Detections:
        detections = self._finder.find(image)
        self.pictures += 1
        self._objects.update(self._finder.class_names[label] for label in detections.labels)
        return detections

    def _record(self, source: PictureSource, frame: Frame, detections: Detections) -> None:
        found = FoundObjects(
            str(source), _size(frame.image), detections, frame.number, round(frame.seconds, 3)
        )
        self._records.add(found)
        if self._labels and frame.seconds >= self._next_label - 1e-6:
            stem = source.kind if source.live else source.path.stem
            self._labels.add_frame(f"{stem}-{frame.number:06d}", frame.image, detections)
            self._next_label = frame.seconds + self._settings.voc_seconds

    def _draw(self, image: np.ndarray, detections: Detections) -> np.ndarray:
        return draw_detections(image, detections, self._finder.class_names, self._parts)


def _bar(frames: FrameSource, source: PictureSource, most: int | None) -> tqdm:
    total = min(filter(None, (frames.frames, most)), default=None)
    return tqdm(total=total, unit="frame", desc=source.path.name, disable=None)


def _size(image: np.ndarray) -> tuple[int, int]:
    return image.shape[1], image.shape[0]
