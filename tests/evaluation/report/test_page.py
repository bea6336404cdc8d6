from __future__ import annotations

import html.parser
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.evaluation.hand_made import found, gathered, truth
from tests.evaluation.report.drawn import drawn_entry
from vision.evaluation.measure import measure
from vision.evaluation.report.files import folder_name, folder_names, write_results
from vision.evaluation.report.markup import Markup, element, join
from vision.evaluation.report.page import page
from vision.evaluation.report.plots import PLOTS, matrix_labels, plot
from vision.evaluation.report.tables import Entry

FILES_OF_ONE = {"report.html", "results.json", "results.csv", *(f"{name}.png" for name in PLOTS)}
EVIL = '<script>alert("x")</script>'


class Elements(html.parser.HTMLParser):
    """Collects the elements of a page, and sees to it that all are closed."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_markup_escapes_all_but_markup():
    assert element("b", EVIL) == "<b>&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;</b>"
    assert element("b", element("i", "x"), None, 3) == "<b><i>x</i>3</b>"
    assert element("img", alt='a "quoted" <name>') == (
        '<img alt="a &quot;quoted&quot; &lt;name&gt;">'
    )
    assert element("th", "", class_="a", data_value=1.5, title=None) == (
        '<th class="a" data-value="1.5"></th>'
    )
    assert join(Markup("<br>"), "<br>") == "<br>&lt;br&gt;"


def test_a_page_needs_nothing_from_elsewhere(tmp_path):
    text = page("drawn", [drawn_entry(tmp_path)])
    elements = Elements(text)
    addresses = [one.get(key, "") for _, one in elements.found for key in ("src", "href")]
    assert all(not one or one.startswith(("data:image/", "#")) for one in addresses)
    (policy,) = [one["content"] for one in elements.all("meta") if "http-equiv" in one]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert not [one for _, one in elements.found if "style" in one or "onclick" in one]
    assert not re.search(r"https?://", text)
    assert {one["lang"] for one in elements.all("html")} == {"en"}
    assert all(one["alt"] for one in elements.all("img"))


def test_every_cell_of_the_matrix_leads_to_its_pictures(tmp_path):
    entry = drawn_entry(tmp_path, count=9)
    elements = Elements(page("drawn", [entry]))
    ids = {one["id"] for _, one in elements.found if "id" in one}
    links = {one["href"][1:] for one in elements.all("a")}
    assert links <= ids
    cells = np.argwhere(entry.evaluation.confusion.matrix).tolist()
    assert {f"cell-{row}-{column}" for row, column in cells} <= links


def test_names_cannot_become_part_of_the_page(tmp_path):
    names = ["BACKGROUND", EVIL, '"><img src=x onerror=alert(1)>', "b & c $x^2$ größe"]
    entry = drawn_entry(tmp_path, EVIL, names=names, prefix="'\"<b>")
    text = page(EVIL, [entry, entry])
    elements = Elements(text)
    assert len(elements.all("script")) == 1
    assert not [one for one in elements.all("img") if "onerror" in one]
    assert EVIL not in text


def test_a_page_for_several_detectors_compares_them(tmp_path):
    entries = [drawn_entry(tmp_path, name) for name in ("first.pth", "second.onnx")]
    text = page("two", entries)
    assert "Side by side" in text
    assert text.count("second.onnx") >= 2
    assert "Side by side" not in page("one", entries[:1])


def test_names_of_any_letters_stand_in_plots_and_on_the_page(tmp_path, recwarn):
    names = ["BACKGROUND", "蘋果", "$5 and $6", "りんご" * 20]
    entry = drawn_entry(tmp_path, "梨.pth", names=names)
    text = page("several", [entry, entry])
    for name, draw in PLOTS.items():
        assert plot(draw, entry.evaluation), name
    assert [str(one.message) for one in recwarn if "Glyph" in str(one.message)] == []
    matrix = text[text.index('<table class="matrix"') :].split("</table>")[0]
    assert "蘋果" in matrix
    assert "$5 and $6" in matrix
    assert ("りんご" * 20)[:21] + "…" in matrix


@pytest.mark.parametrize(
    "pictures", [[], [(truth(), found())], [(truth(([0, 0, 9, 9], 1)), found())]]
)
def test_a_page_about_nothing(pictures):
    collection, _ = gathered(*pictures)
    entry = Entry("nothing", measure(collection), ["Nothing."])
    Elements(page("nothing", [entry, entry]))


@pytest.mark.parametrize("name", PLOTS)
def test_plots_of_few_and_of_many_classes(name, tmp_path):
    few = plot(PLOTS[name], drawn_entry(tmp_path).evaluation)
    names = ["BACKGROUND", *(f"class $_{number}^ with a long name" for number in range(60))]
    rows = [(([n, n, n + 20, n + 20], n % 60 + 1, False), n) for n in range(70)]
    objects = truth(*(row for row, _ in rows))
    detections = found(*((row[0], row[1] % 60 + 1, 0.5 + n / 200) for row, n in rows))
    collection, _ = gathered((objects, detections), names=names)
    many = plot(PLOTS[name], measure(collection))
    for png in (few, many):
        image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape[:2] == (570, 780)
        assert 0.001 < (image < 128).all(axis=2).mean() < 0.5  # ink on paper


def test_a_matrix_of_many_classes_shows_the_worst(tmp_path):
    names = ["BACKGROUND", *map(str, range(1, 101))]
    objects = truth(*(([5 * n, 0, 5 * n + 4, 9], n) for n in range(1, 101)))
    detections = found(*(([5 * n, 0, 5 * n + 4, 9], n, 0.9) for n in range(1, 101) if n % 4))
    collection, _ = gathered((objects, detections), names=names)
    labels = matrix_labels(measure(collection))
    assert len(labels) == 31
    assert set(range(4, 101, 4)) <= set(labels)
    assert labels[-1] == 0


def test_the_files_of_several_detectors(tmp_path):
    entries = [drawn_entry(tmp_path, name) for name in ("a b.pth", "detectnet 0.5 0.75")]
    write_results(tmp_path / "two", entries, "title")
    written = {path.name for path in (tmp_path / "two").iterdir()}
    assert written == {
        *FILES_OF_ONE,
        "side_by_side_f1.png",
        "side_by_side_precision_recall.png",
        "detectnet_0.5_0.75",
    }
    assert (tmp_path / "two" / "detectnet_0.5_0.75" / "report.html").is_file()


def test_a_report_that_cannot_be_drawn_leaves_everything_as_it_was(tmp_path, monkeypatch):
    entries = [drawn_entry(tmp_path)]
    write_results(tmp_path / "out", entries, "title")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(before) == FILES_OF_ONE
    monkeypatch.setitem(PLOTS, "f1", None)
    with pytest.raises(TypeError):
        write_results(tmp_path / "out", [replace(entries[0], name="another")], "title")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_folders_have_names_that_every_system_takes():
    assert folder_name("models/fruit best.pth") == "models_fruit_best.pth"
    assert folder_name("../..") == "detector"
    assert len(folder_name("x" * 300)) == 80


def test_no_two_detectors_share_a_folder_nor_take_the_place_of_a_file(tmp_path):
    names = ["a b", "a_b", "A:B", "results.json"]
    entries = [replace(drawn_entry(tmp_path), name=name) for name in names]
    assert folder_names(entries) == ["a_b", "a_b_2", "A_B_3", "results.json_2"]


@pytest.mark.slow
def test_a_page_is_not_larger_than_a_mail_may_be(real_datasets):
    from tests.evaluation.stored import stored_collection

    evaluation = measure(stored_collection(real_datasets))
    assert len(page("stored", [Entry("stored", evaluation)])) < 8_000_000
