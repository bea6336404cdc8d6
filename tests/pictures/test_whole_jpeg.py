"""Which bytes are a whole JPEG."""

import pytest

from tests.download.pictures import draw_jpeg
from vision.pictures.whole_jpeg import is_whole_jpeg, jpeg_fault

WHOLE = draw_jpeg(1, 160, 120)


def test_a_whole_jpeg_has_no_fault():
    assert jpeg_fault(WHOLE) is None
    assert jpeg_fault(draw_jpeg(2, 8, 8)) is None
    assert jpeg_fault(draw_jpeg(3, 1, 1)) is None


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.5, 0.9, 0.99])
def test_a_cut_jpeg_is_noticed_wherever_it_is_cut(kept):
    assert "truncated" in jpeg_fault(WHOLE[: int(len(WHOLE) * kept)]).lower()


@pytest.mark.parametrize("data", [b"", b"<html>Sign in to the hotel's network</html>", bytes(500)])
def test_what_is_no_jpeg_is_noticed(data):
    assert "cannot identify" in jpeg_fault(data)


def test_zeros_in_the_place_of_the_second_half_are_noticed():
    half = len(WHOLE) // 2
    assert jpeg_fault(WHOLE[:half] + bytes(len(WHOLE) - half)) == "its end marker is missing"


def test_a_huge_size_in_the_header_is_a_fault():
    place = WHOLE.index(b"\xff\xc0") + 5
    huge = WHOLE[:place] + b"\xff\xf0\xff\xf0" + WHOLE[place + 4 :]
    assert "exceeds limit" in jpeg_fault(huge)


def test_files(tmp_path):
    path = tmp_path / "a.jpg"
    assert not is_whole_jpeg(path)
    for data, whole in [
        (WHOLE, True),
        (WHOLE + bytes(10), True),
        (WHOLE + b"a tail of some camera", True),
        (WHOLE[:-500], False),
        (b"<html>Sign in</html>\xff\xd9", False),
        (b"\n" + WHOLE, False),
        (WHOLE[:2], False),
        (b"", False),
    ]:
        path.write_bytes(data)
        assert is_whole_jpeg(path) == whole
