"""What a detector found, as a dataset to correct and to train on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Sequence

import numpy as np

from vision.datasets.files.class_lists import class_list_lines
from vision.datasets.formats.voc_writing import require_new_folder, safe_name, write_lists
from vision.live.labelling.voc_folder import PICTURES, write_objects
from vision.pictures.headers import read_picture_header
from vision.pictures.writing import encode_picture
from vision.structures import Detections
from vision.utils.files import atomic_write, write_together

ORDER = "least_certain_first.txt"
COPIED = (".jpg", ".jpeg", ".png", ".bmp")  # what every reader of such a folder opens


class PseudoLabels:
    """A VOC folder that grows by one picture at a time. `close` writes the lists."""

    def __init__(self, folder: str | Path, class_names: Sequence[str]) -> None:
        """Begin a folder.

        Args:
            folder: new or empty.
            class_names: BACKGROUND first.

        Raises:
            ValueError: there is something in the folder.
        """
        self.folder = Path(folder)
        require_new_folder(self.folder)
        self._class_names = list(class_names)
        self._taken: set[str] = set()
        self._certainties: list[tuple[float, str]] = []

    def add_file(self, path: Path, image: np.ndarray, detections: Detections) -> None:
        """Add a picture file as it is, or as an upright JPEG where others would show it turned."""
        name = safe_name(path.name, self._taken)
        suffix = path.suffix.lower()
        turned = read_picture_header(path.read_bytes()).orientation != 1
        if suffix not in COPIED or turned:
            self._add(f"{name}.jpg", encode_picture(image), image, detections)
        else:
            self._add(f"{name}{suffix}", path, image, detections)

    def add_frame(self, name: str, image: np.ndarray, detections: Detections) -> None:
        """Add a frame of a video under a name of your choice."""
        name = safe_name(name, self._taken)
        self._add(f"{name}.jpg", encode_picture(image), image, detections)

    def close(self) -> None:
        """Write labels.txt, the lists, and the order in which to look through the pictures.

        The least certain comes first: of a picture's objects the one with the lowest score counts.
        Pictures without objects come last.
        """
        if not self._certainties:
            return
        names = [Path(filename).stem for _, filename in self._certainties]
        lines = [f"{score:.3f} {PICTURES}/{name}\n" for score, name in sorted(self._certainties)]
        with write_together() as place:
            place(self.folder / ORDER).write_text("".join(lines), encoding="utf-8")
            labels = "".join(f"{line}\n" for line in class_list_lines(self._class_names))
            place(self.folder / "labels.txt").write_bytes(labels.encode("utf-8"))
            write_lists(self.folder, {"train": names})

    def _add(
        self, filename: str, content: bytes | Path, image: np.ndarray, detections: Detections
    ) -> None:
        with atomic_write(self.folder / PICTURES / filename) as temporary:
            if isinstance(content, Path):
                shutil.copyfile(content, temporary)
            else:
                temporary.write_bytes(content)
        size = (image.shape[1], image.shape[0])
        # Whole pixels, as people mark them; an object is at least one wide and high.
        boxes = np.round(detections.boxes)
        rows = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
        names = [self._class_names[label] for label in detections.labels[rows]]
        write_objects(self.folder, filename, size, boxes[rows], names)
        lowest = float(detections.scores.min()) if len(detections) else 1.0
        self._certainties.append((lowest, filename))
