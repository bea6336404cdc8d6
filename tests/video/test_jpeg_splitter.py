from __future__ import annotations

import random

import pytest

from tests.video.cameras import BOUNDARY, jpeg, part
from vision.pictures.headers import read_picture_header
from vision.video import jpeg_splitter
from vision.video.jpeg_splitter import JpegSplitter

PICTURES = [jpeg(number) for number in range(5)]


def split(data, step=None):
    splitter = JpegSplitter()
    step = step or len(data)
    chunks = [data[start : start + step] for start in range(0, len(data), step)]
    return [picture for chunk in chunks for picture in splitter.feed(chunk)], splitter.broken


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100, None])
def test_pictures_come_out_whatever_the_pieces(step):
    assert split(b"".join(map(part, PICTURES)), step) == (PICTURES, 0)


def test_wrong_lengths_and_no_headers_do_not_matter():
    wrong = [part(picture, length) for picture, length in zip(PICTURES, (0, 10, 10**9, 1, 5))]
    assert split(b"".join(wrong)) == (PICTURES, 0)
    assert split(b"".join(PICTURES)) == (PICTURES, 0)


@pytest.mark.parametrize("cut", [3, 30, 200, 640, -1])
def test_half_a_picture_is_left_out(cut):
    data = part(PICTURES[0]) + part(PICTURES[1][:cut]) + part(PICTURES[2]) + part(PICTURES[3])
    pictures, broken = split(data)
    assert pictures[0] == PICTURES[0]
    assert pictures[-1] == PICTURES[3]
    assert PICTURES[1] not in pictures
    assert broken >= 1


def test_a_thumbnail_inside_a_segment_does_not_end_the_picture():
    thumbnail = b"\xff\xe1" + (len(PICTURES[1]) + 2).to_bytes(2, "big") + PICTURES[1]
    picture = PICTURES[0][:2] + thumbnail + PICTURES[0][2:]
    assert split(part(picture) + part(PICTURES[2]), 50) == ([picture, PICTURES[2]], 0)


@pytest.mark.parametrize(
    "between", [b"\xff", b"\xff" * 5, b"\xff\x01", b"\xff\xd0", b"\xff\xff\x01"]
)
def test_what_may_stand_between_segments_does_not_break_the_picture(between):
    """Fill bytes and markers without a length, as the reader of headers takes them too."""
    picture = PICTURES[0][:2] + between + PICTURES[0][2:]
    assert split(part(picture) + part(PICTURES[1]), 50) == ([picture, PICTURES[1]], 0)
    assert read_picture_header(picture)[:3] == read_picture_header(PICTURES[0])[:3]


@pytest.mark.parametrize("between", [b"\xff\x00", b"\xff\x02", b"\xff\xbf", b"\xff\xd9", b"\0"])
def test_what_cannot_stand_between_segments_breaks_the_picture(between):
    picture = PICTURES[0][:2] + b"\xff\x01" + between + PICTURES[0][2:]
    pictures, broken = split(part(picture) + part(PICTURES[1]), 50)
    assert pictures == [PICTURES[1]]
    assert broken >= 1


def test_what_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(jpeg_splitter, "MOST_BYTES", 10_000)
    endless = PICTURES[0][:-2] + b"\0" * 20_000
    splitter = JpegSplitter()
    assert list(splitter.feed(endless)) == []
    assert list(splitter.feed(b"\0" * 5000)) == []
    assert len(splitter._data) < 20_000
    assert list(splitter.feed(part(PICTURES[1]))) == [PICTURES[1]]


def test_noise_is_survived():
    rng = random.Random(3)
    for _ in range(200):
        data = bytearray(b"".join(map(part, PICTURES)))
        for _ in range(20):
            data[rng.randrange(len(data))] = rng.randrange(256)
        pictures, _ = split(bytes(data) + BOUNDARY + b"\0" * 70_000 + part(PICTURES[0]), 1000)
        assert pictures
        assert pictures[-1] == PICTURES[0]
