"""Every kind of picture file, good and bad."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from tests.datasets.picture_bytes import jpeg_header, png_file
from vision.pictures.reading import EncodedPicture, PictureError, read_picture, read_picture_size

WIDTH, HEIGHT = 21, 13
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def stripes() -> np.ndarray:
    """Three upright stripes, each a third of the picture: red, green, blue; RGB."""
    return np.repeat(np.uint8([[RED, GREEN, BLUE]]), WIDTH // 3, axis=1).repeat(HEIGHT, axis=0)


def bgr(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[..., ::-1])


def encode(extension: str, picture: np.ndarray, *parameters: int) -> bytes:
    done, data = cv2.imencode(extension, picture, list(parameters))
    assert done
    return data.tobytes()


def exif(orientation: int, thumbnail: bytes = b"") -> bytes:
    """An APP1 segment with one tag and, behind it, the bytes of a thumbnail."""
    tiff = b"II*\0" + struct.pack("<IHHHIIH", 8, 1, 0x0112, 3, 1, orientation, 0) + b"\0" * 4
    payload = b"Exif\0\0" + tiff + thumbnail
    return b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload


def palette_png() -> bytes:
    """The stripes as a PNG with a palette of three colours, 8 bits an index."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    row = b"\0" + b"".join(bytes([index]) * (WIDTH // 3) for index in range(3))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", bytes(RED + GREEN + BLUE))
        + chunk(b"IDAT", zlib.compress(row * HEIGHT))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tif", ".ppm", ".PNG"])
def test_lossless_formats_come_out_as_they_went_in(tmp_path, extension):
    path = tmp_path / f"a picture{extension}"
    path.write_bytes(encode(extension.lower(), bgr(stripes())))
    picture = read_picture(path)
    assert picture.dtype == np.uint8 and picture.flags.c_contiguous
    np.testing.assert_array_equal(picture, stripes())
    assert read_picture_size(path) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("extension", [".jpg", ".webp"])
def test_lossy_formats_come_out_alike(tmp_path, extension):
    path = tmp_path / f"picture{extension}"
    path.write_bytes(encode(extension, bgr(stripes())))
    middles = read_picture(str(path))[HEIGHT // 2, [3, 10, 17]].astype(int)
    assert abs(middles - [RED, GREEN, BLUE]).max() < 70  # far from a swap of channels
    assert read_picture_size(str(path)) == (WIDTH, HEIGHT)


def test_alpha_is_dropped(tmp_path):
    path = tmp_path / "alpha.png"
    alpha = np.full((HEIGHT, WIDTH, 1), 7, np.uint8)
    path.write_bytes(encode(".png", np.concatenate([bgr(stripes()), alpha], axis=2)))
    np.testing.assert_array_equal(read_picture(path), stripes())


@pytest.mark.parametrize("extension", [".png", ".jpg", ".bmp", ".tif"])
def test_grey_becomes_rgb(tmp_path, extension):
    path = tmp_path / f"grey{extension}"
    path.write_bytes(encode(extension, np.full((HEIGHT, WIDTH), 90, np.uint8)))
    np.testing.assert_array_equal(read_picture(path), np.full((HEIGHT, WIDTH, 3), 90))
    assert read_picture_size(path) == (WIDTH, HEIGHT)


def test_sixteen_bits_become_eight(tmp_path):
    path = tmp_path / "deep.png"
    path.write_bytes(encode(".png", bgr(stripes()).astype(np.uint16) * 257))
    np.testing.assert_array_equal(read_picture(path), stripes())


def test_a_palette_is_looked_up(tmp_path):
    path = tmp_path / "palette.png"
    path.write_bytes(palette_png())
    np.testing.assert_array_equal(read_picture(path), stripes())
    assert read_picture_size(path) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_upright_unless_it_is_asked_for_as_stored(tmp_path, orientation):
    plain = encode(".jpg", bgr(stripes()))
    path = tmp_path / "turned.jpg"
    path.write_bytes(plain[:2] + exif(orientation) + plain[2:])
    shown = cv2.imread(str(path))[..., ::-1]  # OpenCV obeys the orientation by itself
    np.testing.assert_array_equal(read_picture(path), shown)
    assert read_picture_size(path) == shown.shape[1::-1]
    picture = EncodedPicture.read(path)
    assert (picture.width, picture.height) == shown.shape[1::-1]

    assert read_picture(path, upright=False).shape == (HEIGHT, WIDTH, 3)
    assert read_picture_size(path, upright=False) == (WIDTH, HEIGHT)
    assert EncodedPicture.read(path, upright=False).decode(2).shape == (7, 11, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_reduced_only_where_its_pixels_keep_their_place(tmp_path, orientation):
    path = tmp_path / "turned.jpg"
    for (width, height), whole in (((64, 48), True), ((61, 45), False)):
        picture = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
        plain = encode(".jpg", cv2.blur(picture, (9, 9)))
        path.write_bytes(plain[:2] + exif(orientation) + plain[2:])
        encoded = EncodedPicture.read(path)
        reversed_somewhere = orientation in (2, 3, 4, 6, 7, 8)
        assert (len(encoded.reductions) > 1) == (whole or not reversed_somewhere)
        for reduction in encoded.reductions:
            small = encoded.decode(reduction)
            sides = [-(-side // reduction) for side in (encoded.height, encoded.width)]
            assert list(small.shape[:2]) == sides


def test_the_orientation_of_webp_is_obeyed(tmp_path):
    path = tmp_path / "turned.webp"
    plain = encode(".webp", bgr(stripes()))
    tiff = exif(6)[10:]
    size = (WIDTH - 1).to_bytes(3, "little") + (HEIGHT - 1).to_bytes(3, "little")
    chunks = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + size + plain[12:]
    chunks += b"EXIF" + struct.pack("<I", len(tiff)) + tiff + b"\0" * (len(tiff) % 2)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks)
    assert read_picture(path).shape == (WIDTH, HEIGHT, 3)
    assert read_picture(path, upright=False).shape == (HEIGHT, WIDTH, 3)
    top, bottom = read_picture(path)[[2, -3], HEIGHT // 2].astype(int)
    assert abs(top - RED).max() < 70 and abs(bottom - BLUE).max() < 70


def test_a_thumbnail_is_not_the_picture(tmp_path):
    plain = encode(".jpg", bgr(stripes()))
    thumbnail = encode(".jpg", np.zeros((3, 4, 3), np.uint8))
    path = tmp_path / "camera.jpg"
    path.write_bytes(plain[:2] + exif(1, thumbnail) + plain[2:])
    assert read_picture_size(path) == (WIDTH, HEIGHT)
    np.testing.assert_array_equal(read_picture(path), cv2.imdecode(_array(plain), 1)[..., ::-1])
    cut = plain[:2] + exif(1, thumbnail) + plain[2:-40]
    path.write_bytes(cut)
    with pytest.raises(PictureError, match="cut short"):
        read_picture(path)


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm(tmp_path):
    path = tmp_path / "motion photo.jpg"
    path.write_bytes(encode(".jpg", bgr(stripes())) + b"\xff\xda film \0\0")
    assert read_picture(path).shape == (HEIGHT, WIDTH, 3)


def test_a_progressive_jpeg_is_reduced_too(tmp_path):
    path = tmp_path / "progressive.jpg"
    path.write_bytes(encode(".jpg", bgr(stripes()), cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    picture = EncodedPicture.read(path)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    assert picture.decode(4).shape == (4, 6, 3)


def test_fill_bytes_before_a_jpeg_marker_are_passed_over(tmp_path):
    plain = encode(".jpg", bgr(stripes()))
    path = tmp_path / "filled.jpg"
    path.write_bytes(plain[:2] + b"\xff\xff" + plain[2:])
    assert read_picture_size(path) == (WIDTH, HEIGHT)


def test_bmp_rows_from_the_top(tmp_path):
    data = bytearray(encode(".bmp", bgr(stripes())))
    data[22:26] = struct.pack("<i", -HEIGHT)
    path = tmp_path / "down.bmp"
    path.write_bytes(data)
    assert read_picture_size(path) == (WIDTH, HEIGHT)
    np.testing.assert_array_equal(read_picture(path), stripes())


@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
def test_a_reduced_pixel_is_the_mean_of_its_square(tmp_path, reduction):
    """So the scale is the reduction, although 83 x 61 does not divide by it."""
    x, y = np.meshgrid(np.arange(83), np.arange(61))
    ramp = np.stack([2 * x + y] * 3, axis=2).astype(np.uint8)
    path = tmp_path / "ramp.jpg"
    path.write_bytes(encode(".jpg", ramp, cv2.IMWRITE_JPEG_QUALITY, 100))
    reduced = EncodedPicture.read(path).decode(reduction)
    assert reduced.shape == (-(-61 // reduction), -(-83 // reduction), 3)
    middle = (reduction - 1) / 2  # the centre of the first square, as an index
    columns, rows = np.meshgrid(np.arange(80 // reduction), np.arange(56 // reduction))
    expected = 2 * (columns * reduction + middle) + rows * reduction + middle
    whole_squares = reduced[: 56 // reduction, : 80 // reduction, 0]
    assert abs(whole_squares - expected).max() <= 2


def test_only_a_jpeg_is_reduced(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(encode(".png", bgr(stripes())))
    picture = EncodedPicture.read(path)
    assert picture.reductions == (1,)
    with pytest.raises(ValueError, match=r"one of \(1,\), got 2 for .*picture\.png"):
        picture.decode(2)


def test_one_pixel(tmp_path):
    for extension in (".png", ".jpg", ".bmp"):
        path = tmp_path / f"dot{extension}"
        path.write_bytes(encode(extension, np.uint8([[[10, 10, 10]]])))
        np.testing.assert_array_equal(read_picture(path), [[[10, 10, 10]]])
        assert read_picture_size(path) == (1, 1)


@pytest.mark.parametrize("read", [read_picture, read_picture_size, EncodedPicture.read])
@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("missing.jpg", None, "cannot read"),
        ("empty.jpg", b"", "empty file"),
        ("page.jpg", b"<html>404 Not Found</html>", "damaged, or not a picture"),
        ("start.jpg", b"\xff\xd8\xff\xe0", "damaged, or not a picture"),
        ("start.png", b"\x89PNG\r\n\x1a\n", "damaged, or not a picture"),
        ("marker.jpg", b"\xff\xd8\xff\xe0\x00\x00\x00\x00", "damaged, or not a picture"),
        ("short.bmp", b"BM" + bytes(8), "damaged, or not a picture"),
    ],
)
def test_no_picture_is_an_error_that_names_the_file(tmp_path, read, name, data, reason):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(PictureError, match=reason) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_folder_is_no_picture(tmp_path):
    for read in (read_picture, read_picture_size):
        with pytest.raises(PictureError, match="cannot read"):
            read(tmp_path)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.99])
def test_a_file_cut_short_is_an_error(tmp_path, extension, kept):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(extension, noise)
    path = tmp_path / f"cut{extension}"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(PictureError, match=r"cut short|damaged"):
        read_picture(path)
    assert read_picture_size(path) == (64, 64)  # the header is still there


@pytest.mark.parametrize(
    "data",
    [
        jpeg_header(50_000, 50_000),
        png_file(50_000, 50_000),
        b"GIF89a" + struct.pack("<HH", 50_000, 50_000) + bytes(20),
        b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 50_000, 50_000, 1, 24) + bytes(24),
    ],
    ids=["jpeg", "png", "gif", "bmp"],
)
def test_a_picture_too_large_to_decode_is_refused_by_its_header(tmp_path, monkeypatch, data):
    monkeypatch.setattr(cv2, "imdecode", None)
    path = tmp_path / "huge.picture"
    path.write_bytes(data)
    message = r"huge\.picture is 50,000 x 50,000 pixels, and at most 268,435,456"
    with pytest.raises(PictureError, match=message):
        read_picture(path)


def test_a_size_far_behind_the_beginning_is_found(tmp_path):
    """Behind a thumbnail of 60,000 bytes and a colour profile of as many."""
    plain = encode(".jpg", bgr(stripes()))
    profile = b"\xff\xe2" + struct.pack(">H", 60_002) + bytes(60_000)
    path = tmp_path / "camera.jpg"
    path.write_bytes(plain[:2] + exif(1, bytes(60_000)) + profile + plain[2:])
    assert read_picture_size(path) == (WIDTH, HEIGHT)


def _array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)
