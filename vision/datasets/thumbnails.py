"""Pictures as a few coloured cells, by which frames of one video are known."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Sequence

import numpy as np

from vision.datasets.remembered import cache_file, file_key, load_arrays, save_arrays

CELLS_ALONG = 8  # each side
THUMBNAIL = np.dtype(
    [
        ("key", "<u8"),  # of path, file size and time
        ("cells", "<i2", (CELLS_ALONG, CELLS_ALONG, 3)),  # RGB
    ]
)
THUMBNAILS_VERSION = 1


def thumbnails_of(
    paths: Sequence[str], root: str | Path = "", cache_folder: Path | None = None
) -> np.ndarray:
    """Return N pictures as (N, 8, 8, 3) int16 RGB, all -1 of one that cannot be read.

    Args:
        paths: of the pictures.
        root: of their dataset, which has a cache file of its own.
        cache_folder: where thumbnails are remembered until a picture changes; None: nowhere.
    """
    from tqdm import tqdm

    cache = cache_file(cache_folder, "thumbnails", root)
    known = load_arrays(cache, THUMBNAILS_VERSION, THUMBNAIL).get("records", np.zeros(0, THUMBNAIL))
    records = np.zeros(len(paths), THUMBNAIL)
    records["key"] = [file_key(path) for path in paths]
    _, rows, places = np.intersect1d(records["key"], known["key"], return_indices=True)
    records["cells"][rows] = known["cells"][places]
    new = np.setdiff1d(np.arange(len(paths)), rows)
    if len(new):
        bar = tqdm(desc="Comparing pictures", total=len(new), unit=" images", disable=None)
        with bar, ThreadPoolExecutor() as pool:
            made = pool.map(_thumbnail, (paths[row] for row in new.tolist()))
            for row, cells in zip(new.tolist(), made):
                records["cells"][row] = cells
                bar.update()
        if cache is not None:
            readable = (records["cells"] >= 0).all(axis=(1, 2, 3))
            save_arrays(cache, THUMBNAILS_VERSION, records=records[readable])
    return records["cells"]


def _thumbnail(path: str) -> np.ndarray:
    import cv2

    from vision.pictures.reading import EncodedPicture, PictureError

    try:
        picture = EncodedPicture.read(path)
        small = [
            one for one in picture.reductions if min(picture.width, picture.height) >= 16 * one
        ]
        pixels = picture.decode(max(small, default=1))
    except PictureError:
        return np.full((CELLS_ALONG, CELLS_ALONG, 3), -1, dtype=np.int16)
    return cv2.resize(pixels, (CELLS_ALONG, CELLS_ALONG), interpolation=cv2.INTER_AREA).astype(
        np.int16
    )
