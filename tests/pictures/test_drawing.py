from __future__ import annotations

import numpy as np
import pytest

from vision.pictures import drawing
from vision.pictures.drawing import class_colour, draw_detections
from vision.structures import Detections
from vision.utils import lettering
from vision.utils.figures import new_figure, plain_name, save_figure
from vision.utils.lettering import drawable, text_width, write_text
from vision.utils.numpy_boxes import shared_area

NAMES = ["BACKGROUND", "apple", "pineapple with a long name", "größe", "蘋果"]


def detections(*boxes, labels=None):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels or [1] * count, np.int64),
        np.linspace(0.9, 0.5, count).astype(np.float32),
    )


def of_colour(image, label):
    """Return rows and columns of the pixels in the colour of a class."""
    return np.nonzero((image == class_colour(label)).all(axis=2))


def test_the_box_is_where_the_detection_is():
    image = np.zeros((300, 400, 3), np.uint8)
    drawn = draw_detections(image, detections([100, 120, 200, 220]), NAMES)
    rows, columns = of_colour(drawn[120:], 1)
    assert (columns.min(), columns.max()) == pytest.approx((100, 199), abs=2)
    assert rows.max() + 120 == pytest.approx(219, abs=2)
    assert not image.any(), "the picture given stays as it was"
    assert not drawn[140:200, 120:180].any(), "the inside stays visible"


@pytest.mark.parametrize("size", [(100, 80), (4000, 3000), (60, 400), (400, 30), (640, 480)])
@pytest.mark.parametrize("corner", [(0, 0), (0.8, 0), (0, 0.8), (0.8, 0.8)])
def test_a_label_is_inside_and_its_letters_are_large_enough(size, corner):
    width, height = size
    x1, y1 = corner[0] * width, corner[1] * height
    image = np.full((height, width, 3), 128, np.uint8)
    drawn = draw_detections(image, detections([x1, y1, x1 + 0.2 * width, y1 + 0.2 * height]), NAMES)
    rows, columns = np.nonzero(drawn.min(axis=2) > 180)  # white letters on dark green
    # The p reaches below the line, the digits and the l above it.
    assert rows.max() - rows.min() >= max(7, (width * height) ** 0.5 / 50)
    assert columns.max() < width - 1
    assert rows.max() < height - 1


def test_a_long_name_is_made_to_fit():
    tag = drawing._fit("pineapple", ": 0.90", 70, 70)
    assert tag.width <= 70
    assert tag.text in ("pineapple: 0.90", "pineapple")
    assert drawing._fit("pear", ": 0.90", 640, 480).text == "pear: 0.90"


def test_labels_keep_clear_of_each_other():
    tag = drawing._fit("apple", ": 0.90", 400, 300)
    for box in ([100, 100, 200, 200], [0, 0, 400, 300], [380, 280, 400, 300]):
        places = []
        for _ in range(4):
            places.append(drawing._place(tag, np.float32(box), places, (400, 300)))
        x1, y1, x2, y2 = np.array(places).T
        assert (x2 - x1 == tag.width).all()
        assert (y2 - y1 == tag.height).all()
        assert min(x1.min(), y1.min()) >= 0
        assert x2.max() <= 400
        assert y2.max() <= 300
        apart = shared_area(places[0], places[1]) == 0
        assert apart, "there is room for two labels at every box"


@pytest.mark.parametrize("name", ["größe", "мяч", "μήλο", "تفاحة", "תפוח", "naïve $x^2$", "O0o"])
def test_names_of_many_scripts_are_drawn_in_their_letters(name):
    assert drawable(name, "class 1") == name
    image = np.zeros((60, 300, 3), np.uint8)
    write_text(image, name, (10, 40), 16, (255, 255, 255))
    columns = np.nonzero(image.any(axis=(0, 2)))[0]
    assert columns.max() - columns.min() == pytest.approx(text_width(name, 16), abs=6)


def test_letters_that_no_font_here_has_give_way(monkeypatch):
    monkeypatch.setattr(lettering, "_fonts", lambda: (lettering.PLAIN_FONT,))
    assert drawable("蘋果", "class 4") == "class 4"
    assert drawable("apple 蘋果", "class 4") == "apple"
    assert drawable("two\nlines", "class 4") == "two lines"
    drawn = draw_detections(np.zeros((90, 90, 3), np.uint8), detections([9, 30, 60, 60]), NAMES)
    assert drawn.any()


def test_a_zero_reads_as_no_other_letter():
    def ink(text):
        image = np.zeros((60, 60, 3), np.uint8)
        write_text(image, text, (10, 50), 32, (255, 255, 255))
        return image[..., 0] > 128

    rows, columns = np.nonzero(ink("0"))
    middle = ink("0")[(rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2]
    assert not middle, "a stroke or a dot makes it an 8 or a Ø"


def test_text_beyond_the_edge_is_cut_off():
    image = np.zeros((20, 20, 3), np.uint8)
    for start in ((-5, 10), (15, 25), (-500, 10), (5, 900)):
        write_text(image, "apple", start, 12, (255, 255, 255))
    assert image.shape == (20, 20, 3)
    assert image.any()


def test_names_in_figures_have_letters_that_matplotlib_has(tmp_path, recwarn):
    names = ["größe", "мяч", "蘋果", "$x^2$", "りんご"]
    assert plain_name("蘋果") == "\\u860b\\u679c"
    assert plain_name("a$" + 30 * "b", longest=6) == r"a\$bbb…"
    figure = new_figure(3, 2)
    axes = figure.subplots()
    for name in names:
        axes.plot([0, 1], [0, 1], label=plain_name(name))
    axes.legend()
    save_figure(figure, tmp_path / "a.png")
    assert [str(one.message) for one in recwarn if "Glyph" in str(one.message)] == []


def test_colours_differ_between_classes_and_never_between_pictures():
    colours = [class_colour(label) for label in range(1, 41)]
    assert len(set(colours)) == 40
    neighbours = np.abs(np.diff(np.array(colours), axis=0)).sum(axis=1)
    assert neighbours.min() > 100
    assert class_colour(7) == colours[6]


def test_nothing_found_leaves_the_picture_as_it_is():
    image = np.full((20, 30, 3), 77, np.uint8)
    assert np.array_equal(draw_detections(image, detections(), NAMES), image)


def test_a_mirrored_view_can_be_drawn_on():
    image = np.zeros((100, 100, 3), np.uint8)[:, ::-1]
    assert draw_detections(image, detections([10, 20, 50, 60]), NAMES).any()


def test_a_box_may_end_anywhere():
    image = np.zeros((40, 60, 3), np.uint8)
    boxes = np.float32([[-1e30, 10, 1e30, 20], [5, -3e9, 15, 4e12]])
    found = Detections(boxes, np.array([1, 1]), np.float32([0.9, 0.8]))
    drawn = draw_detections(image, found, ["BACKGROUND", "cat"], parts=("box",))
    assert draw_detections(image, found, ["BACKGROUND", "cat"]).shape == image.shape
    colour = class_colour(1)
    assert (drawn[10, [30, 59]] == colour).all()  # the lines run on over the edges
    assert (drawn[[30, 39], 5] == colour).all()
