from __future__ import annotations

import numpy as np
import pytest

from vision.deploy.emulation.network_input import network_input


def picture(height, width):
    if (height, width) == (37, 53):
        return np.random.RandomState(4).randint(0, 256, (37, 53, 3), dtype=np.uint8)
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([(7 * x + 3 * y) % 256, (x + 11 * y) % 256, (5 * x) % 256], -1).astype(np.uint8)


@pytest.mark.parametrize("name", ["37x53_30", "480x640_300", "300x300_300", "1080x1920_300"])
def test_equals_detectnet_to_the_bit(golden, name):
    source, side = name.split("_")
    height, width = map(int, source.split("x"))
    tensor = network_input(picture(height, width), int(side), int(side))
    assert tensor.shape == (1, 3, int(side), int(side))
    assert tensor.dtype == np.float32
    np.testing.assert_array_equal(tensor[0, :, ::7, ::7], golden("detectnet_input.npz")[name])


def test_black_and_white_are_the_ends():
    image = np.array([[[0, 255, 0], [255, 0, 255]]], dtype=np.uint8)  # one row, two pixels
    np.testing.assert_array_equal(
        network_input(image, 1, 2)[0], [[[-1.0, 1.0]], [[1.0, -1.0]], [[-1.0, 1.0]]]
    )


def test_a_pixel_is_taken_by_truncation():
    image = np.arange(5, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    taken = network_input(image, 1, 3)[0, 0, 0] * 127.5 + 127.5
    np.testing.assert_allclose(taken, [0, 1, 3], atol=1e-4)  # 0, 5/3 and 10/3, cut off


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3), (1, 3, 4, 4)])
def test_anything_but_a_picture_is_refused(shape):
    with pytest.raises(ValueError, match=r"image must be \(H, W, 3\)"):
        network_input(np.zeros(shape, np.uint8), 30, 30)
