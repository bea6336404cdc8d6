from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.datasets.files import listing
from vision.pictures.headers import FORMATS
from vision.pictures.reading import PictureError, read_picture
from vision.pictures.suffixes import PICTURE_SUFFIXES, SUFFIXES_OF
from vision.video import grammar

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = dict(enumerate(["ten", "eleven", "twelve", "thirteen"], 10))


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_a_picture_of_every_suffix_is_read(tmp_path, suffix):
    """What OpenCV cannot write under a suffix it may still read: it goes by the content."""
    image = np.zeros((16, 16, 3), np.uint8)
    image[4:12, 4:12, 0] = 250
    first = next(first for first, *others in SUFFIXES_OF.values() if suffix in (first, *others))
    if not cv2.haveImageWriter(f"a{first}"):
        pytest.skip(f"this OpenCV has no {first} files, only later ones have")
    _, encoded = cv2.imencode(first, image[..., ::-1])
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded.tobytes())
    assert np.abs(read_picture(path).astype(int) - image).mean() < 6


def test_every_format_that_headers_know_has_its_suffixes():
    assert set(FORMATS) - {"other"} <= set(SUFFIXES_OF)


def test_there_is_one_list_and_the_documents_have_it():
    assert grammar.PICTURE_SUFFIXES is listing.PICTURE_SUFFIXES is PICTURE_SUFFIXES
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    (sentence,) = re.findall(r"`(\.jpg [^`]*)`", page)
    assert tuple(sentence.split()) == PICTURE_SUFFIXES
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"(\w+) (?:extensions|suffixes)", readme)
    assert set(told) <= {NUMBERS[len(PICTURE_SUFFIXES)]}


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("my cat.HEIC", "heif-convert '{}my cat.HEIC' '{}my cat.jpg'"),
        ("a.jpg", "heif-convert {}a.jpg {}a-converted.jpg (apt install libheif-examples)"),
        ("b.dng", "darktable-cli {}b.dng {}b.jpg (apt install darktable)"),
    ],
)
def test_what_a_phone_sends_is_named_with_the_command_that_converts_it(tmp_path, name, command):
    path = tmp_path / name
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert command.replace("{}", f"{tmp_path}/") in str(caught.value)
    assert "which OpenCV does not read; convert it to JPEG" in str(caught.value)


def test_a_folder_goes_on_without_what_cannot_be_read(tmp_path, caplog):
    for name in ("a.jpg", "b.HEIC", "notes.txt"):
        (tmp_path / name).touch()
    found = [source.path.name for source in grammar.parse_sources([str(tmp_path)])]
    assert found == ["a.jpg"]
    assert "b.HEIC is a HEIC picture, which OpenCV does not read" in caplog.text
