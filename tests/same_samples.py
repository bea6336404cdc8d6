"""Whether two datasets are the same to a net."""

from __future__ import annotations

import numpy as np

from vision.loading.dataset import DetectionDataset


def require_same(one, other, ids=True):
    """Check that two indices give the same samples in the same order, to the last bit."""
    assert one.class_names == other.class_names
    assert len(one) == len(other) > 0
    if ids:
        assert list(one.image_ids) == list(other.image_ids)
    for row in range(len(one)):
        expected, found = DetectionDataset(one)[row], DetectionDataset(other)[row]
        assert np.array_equal(expected.image, found.image)
        assert expected.boxes.tobytes() == found.boxes.tobytes()
        assert np.array_equal(expected.labels, found.labels)
        assert np.array_equal(expected.difficult, found.difficult)
