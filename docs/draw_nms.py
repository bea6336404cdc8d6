"""Draw what detectnet shows without and with NMS in the file: docs/pictures/nms.jpg.

Usage:
    python3 onnx_export.py --model-dir=models/demo --output=/tmp/plain/
    python3 onnx_export.py --model-dir=models/demo --output=/tmp/nms/ --nms
    python3 docs/draw_nms.py /tmp/plain /tmp/nms data/fruit-drawn/test

Of the pictures in the folder, the ones with the most boxes too many are taken.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

if TYPE_CHECKING:
    import numpy as np

    from vision.deploy.detectnet import DetectNet

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "pictures" / "nms.jpg"
SIDE = 360  # of one picture, pixels
GAP = 8
QUALITY = 72


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("plain", type=Path, help="folder of an export without --nms")
    parser.add_argument("nms", type=Path, help="folder of an export with --nms")
    parser.add_argument("pictures", type=Path, help="folder of pictures")
    parser.add_argument("--count", type=int, default=2, help="pictures to draw (default: 2)")
    parser.add_argument("--output", type=Path, default=PICTURE, help="(default: %(default)s)")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    """Choose pictures, and draw them twice, one above the other."""
    sys.path.insert(0, str(ROOT))
    import numpy as np

    from vision.pictures.reading import read_picture
    from vision.pictures.writing import write_picture
    from vision.utils.files import require_place

    require_place(args.output)
    detectors = [open_export(args.plain), open_export(args.nms)]
    surplus = {}
    for path in sorted(args.pictures.glob("*.jpg")):
        image = read_picture(path)
        before, after = (len(net.detect(image)) for net in detectors)
        surplus[path] = before - after
    chosen = sorted(surplus, key=lambda path: -surplus[path])[: args.count]
    rows = []
    for net, title in zip(detectors, ("no NMS", "--nms")):
        pictures = [drawn(net, read_picture(path), title) for path in chosen]
        gap = np.full((SIDE, GAP, 3), 255, np.uint8)
        rows += [np.hstack([part for image in pictures for part in (image, gap)][:-1])]
    sheet = np.vstack([rows[0], np.full((GAP, rows[0].shape[1], 3), 255, np.uint8), rows[1]])
    write_picture(args.output, sheet, QUALITY)


def open_export(folder: Path) -> DetectNet:
    """Open the .onnx of a folder with detectnet's own settings."""
    from vision.checkpoints.detector import EXPORTED, detector_file
    from vision.deploy.detectnet import DetectNet

    return DetectNet(detector_file(folder, EXPORTED), folder / "labels.txt")


def drawn(net: DetectNet, image: np.ndarray, title: str) -> np.ndarray:
    """Return a picture of SIDE pixels with what detectnet shows on it, and a title."""
    import cv2

    from vision.deploy.emulation.clustering import as_detections
    from vision.pictures.drawing import draw_detections

    # detectnet makes its own input from the picture's pixels, so the larger picture is for us.
    large = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    found = as_detections(net.detect(image))
    height, width = image.shape[:2]
    scale = (SIDE / width, SIDE / height) * 2
    found = type(found)((found.boxes * scale).astype("float32"), found.labels, found.scores)
    sheet = draw_detections(large, found, net.labels)
    text = f"{title}: {len(found)} boxes"
    for colour, thickness in (((255, 255, 255), 5), ((0, 0, 0), 2)):
        cv2.putText(sheet, text, (8, SIDE - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.7, colour, thickness)
    return sheet


if __name__ == "__main__":
    main(parse_args())
