from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.datasets.picture_bytes import encode, find_red, red_corner, turned_jpeg
from vision.datasets.checks.boxes import check_annotations
from vision.datasets.checks.picture_scan import PictureScanner
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.checks.problems import Problems
from vision.datasets.index.builder import IndexBuilder
from vision.pictures.turning import turn_back, turn_upright

IMAGE = red_corner(60, 40)
RED = [4, 6, 24, 16]


def check(folder, pictures, exif="auto", relative=False):
    """Write {name: (bytes, box, stated size)}, check them; return the index and the problems."""
    builder = IndexBuilder(relative)
    for name, (data, box, size) in pictures.items():
        (folder / name).write_bytes(data)
        boxes = [] if box is None else [box]
        builder.add(name, str(folder.resolve() / name), boxes, ["red"] * len(boxes), size=size)
    problems = Problems(folder)
    checks = PictureChecks(PictureScanner(progress=False), exif)
    index = check_annotations(
        builder.build(), lambda image_id, origin: (image_id, None, ""), problems, checks
    )
    return index, problems


def upright(data):
    """Return the picture as a labelling tool shows it, which OpenCV turns by itself."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


UPRIGHT, STORED = "EXIF turn, boxes marked upright", "EXIF turn, boxes marked as stored"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("view", ["upright", "stored"])
@pytest.mark.parametrize("marked_on", ["upright", "stored"])
def test_boxes_follow_the_view_whichever_they_were_marked_on(
    tmp_path, orientation, view, marked_on
):
    data = turned_jpeg(IMAGE, orientation)
    shown = upright(data)
    boxes = {"upright": find_red(shown), "stored": RED}
    sizes = {"upright": shown.shape[1::-1], "stored": (60, 40)}
    exif = {"upright": "apply", "stored": "stored"}[marked_on] if view == "upright" else "ignore"
    if exif == "ignore" and marked_on == "upright" and orientation < 5:
        return  # nothing tells; there is a test of its own
    pictures = {"a.jpg": (data, boxes[marked_on], sizes[marked_on])}
    index, problems = check(tmp_path, pictures, exif=exif)
    assert np.abs(index[0].boxes[0] - boxes[view]).max() <= 1  # the edges of a JPEG are soft
    assert index.sizes.tolist() == [list(sizes[view])]
    assert index.upright == index[0].upright == (view == "upright")
    assert len(problems) == (orientation > 1)


def test_fractions_are_turned_as_fractions():
    box = np.float32([[0.1, 0.2, 0.3, 0.6]])
    turned = turn_back(box, 6, (1, 1))
    assert turned == pytest.approx(np.float32([[0.2, 0.7, 0.6, 0.9]]))
    assert turn_upright(turned, 6, (1, 1)) == pytest.approx(box)
    assert turn_back(np.zeros((0, 4), np.float32), 8, (60, 40)).shape == (0, 4)


def test_auto_goes_by_the_size_that_is_stated(tmp_path):
    data = turned_jpeg(IMAGE, 6)
    marked = find_red(upright(data))
    pictures = {"up.jpg": (data, marked, (40, 60)), "as_is.jpg": (data, RED, (60, 40))}
    index, problems = check(tmp_path, pictures)
    assert np.abs(index.boxes - marked).max() <= 1
    assert problems.counts == {UPRIGHT: 1, STORED: 1}
    assert str(next(iter(problems))) == (
        "up.jpg: has EXIF orientation 6, is 60 x 40 and annotated as 40 x 60"
    )
    index, _ = check(tmp_path, pictures, exif="ignore")
    assert np.abs(index.boxes - RED).max() <= 1


def test_auto_goes_by_what_the_boxes_fit_where_no_size_is_stated(tmp_path):
    data = turned_jpeg(IMAGE, 8)
    pictures = {"up.jpg": (data, [2, 30, 12, 56], (0, 0)), "as_is.jpg": (data, RED, (0, 0))}
    index, problems = check(tmp_path, pictures)
    assert index.boxes[0].tolist() == [2, 30, 12, 56]
    assert problems.counts[UPRIGHT] == 2  # the second one goes with the first
    index, _ = check(tmp_path, pictures, exif="ignore")
    assert index.boxes[0].tolist() == [4, 2, 30, 12]


def test_a_half_turn_which_no_size_betrays_goes_with_the_others(tmp_path):
    half, quarter = turned_jpeg(IMAGE, 3), turned_jpeg(IMAGE, 6)
    pictures = {
        "half.jpg": (half, find_red(upright(half)), (60, 40)),
        "quarter.jpg": (quarter, find_red(upright(quarter)), (40, 60)),
    }
    index, problems = check(tmp_path, pictures, exif="ignore")
    assert np.abs(index.boxes - RED).max() <= 1
    assert problems.counts == {UPRIGHT: 2}


@pytest.mark.parametrize("exif", ["auto", "ignore"])
def test_where_nothing_tells_boxes_are_taken_as_they_are(tmp_path, exif):
    half = turned_jpeg(IMAGE, 3)
    index, problems = check(tmp_path, {"half.jpg": (half, RED, (60, 40))}, exif)
    assert index.boxes.tolist() == [RED]
    assert problems.counts == {"EXIF turn unclear": 1}
    assert next(iter(problems)).severity == "warning"


def test_an_unknown_word_for_exif_is_refused():
    with pytest.raises(ValueError, match=r"exif must be one of auto, ignore, .*, got 'maybe'"):
        PictureChecks(exif="maybe")


@pytest.mark.parametrize(
    ("size", "box", "expected", "kind"),
    [
        ((120, 80), [8, 12, 48, 32], RED, "picture resized after labelling"),
        ((30, 20), [2, 3, 12, 8], RED, "picture resized after labelling"),
        ((61, 41), RED, None, "picture resized after labelling"),
        ((120, 40), [8, 6, 118, 16], [4, 6, 59, 16], "picture resized after labelling"),
        ((80, 80), RED, RED, "stated size wrong"),
        ((30, 20), [10, 5, 50, 30], [10, 5, 50, 30], "stated size wrong"),
        ((40, 60), [10, 5, 58, 30], [10, 5, 58, 30], "stated size wrong"),
    ],
)
def test_boxes_follow_a_picture_that_was_resized(tmp_path, size, box, expected, kind):
    index, problems = check(tmp_path, {"a.png": (encode(IMAGE), box, size)})
    if expected:
        assert index[0].boxes.tolist() == [expected]
    assert problems.counts == {kind: 1}
    assert index.sizes.tolist() == [[60, 40]]
    assert f"is 60 x 40, annotated as {size[0]} x {size[1]}" in str(next(iter(problems)))


def test_turned_and_resized_at_once(tmp_path):
    data = turned_jpeg(IMAGE, 6)
    marked = (2 * np.array(find_red(upright(data)))).tolist()
    index, problems = check(tmp_path, {"a.jpg": (data, marked, (80, 120))})
    assert np.abs(index.boxes - find_red(upright(data))).max() <= 1
    assert problems.counts == {UPRIGHT: 1, "picture resized after labelling": 1}


def test_unusable_pictures_are_left_out_and_listed(tmp_path):
    pictures = {
        "empty.jpg": (b"", RED, (60, 40)),
        "good.png": (encode(IMAGE), RED, (60, 40)),
        "torn.jpg": (encode(IMAGE, ".jpg")[:-99], None, (60, 40)),
    }
    index, problems = check(tmp_path, pictures)
    assert list(index.image_ids) == ["good.png"]
    assert problems.counts == {"picture unreadable": 2}
    assert [problem.file for problem in problems] == ["empty.jpg", "torn.jpg"]
    index, problems = check(tmp_path, {"empty.jpg": (b"", RED, (60, 40))})
    assert (len(index), index.boxes.shape) == (0, (0, 4))


def test_kinds_of_pixels_and_wrong_suffixes_are_counted(tmp_path):
    pictures = {
        "really_png.jpg": (encode(IMAGE), None, (60, 40)),
        "grey.png": (encode(IMAGE[..., 0]), None, (60, 40)),
        "deep.png": (encode(IMAGE.astype(np.uint16)), None, (60, 40)),
        "alpha.png": (encode(np.dstack([IMAGE, IMAGE[..., 0]])), None, (60, 40)),
        "SHOUTED.JPG": (encode(IMAGE, ".jpg"), None, (60, 40)),
    }
    index, problems = check(tmp_path, pictures)
    assert len(index) == 5
    assert problems.counts == {
        "grey picture": 1,
        "alpha picture": 1,
        "16-bit picture": 1,
        "picture of another format": 1,
    }
    last = list(problems)[-1]
    assert str(last) == "really_png.jpg: is a PNG file"


def test_boxes_without_numbers_do_not_decide_anything(tmp_path):
    nan = float("nan")
    index, problems = check(tmp_path, {"a.jpg": (turned_jpeg(IMAGE, 6), [nan, 1, 9, 9], (40, 60))})
    assert index.num_boxes == 0
    assert problems.counts == {UPRIGHT: 1, "box without numbers": 1}


def test_fractions_keep_their_place_whatever_size_is_stated(tmp_path):
    box = [0.25, 0.5, 0.5, 0.75]
    index, _ = check(tmp_path, {"a.png": (encode(IMAGE), box, (120, 80))}, relative=True)
    assert index.boxes.tolist() == [box]
