from __future__ import annotations

import csv
import io
import json

import pytest

from tests.evaluation.hand_made import HERE, NOWHERE, THERE, found, gathered, truth
from tests.evaluation.report.drawn import drawn_entry
from vision.evaluation.measure import MeasureSettings, measure
from vision.evaluation.report.tables import (
    SCREEN_WIDTH,
    SUMMARY,
    Entry,
    as_csv,
    as_values,
    result_lines,
    shortened,
    summary,
)

CAT, DOG = 1, 2


def entry(name="a net", *pictures, names=("BACKGROUND", "cat", "dog", "emu"), **arguments):
    pictures = pictures or [
        (truth((HERE, CAT), (THERE, DOG)), found((HERE, CAT, 0.9), (NOWHERE, DOG, 0.8)))
    ]
    collection, _ = gathered(*pictures, names=list(names))
    return Entry(name, measure(collection, MeasureSettings(threshold=0.5)), **arguments)


def test_one_entry_on_the_screen():
    lines = result_lines([entry(verdict=["It is good.", "It is not.", "Do this."])])
    assert lines[:9] == [
        "Average Precision Per-class:             objects       P       R      F1 AP50:95",
        "    cat: 1.0000                                1   1.000   1.000   1.000   1.000",
        "    dog: 0.0000                                1   0.000   0.000   0.000   0.000",
        "    emu: n/a (no objects in this split)",
        "    all classes                                2   0.500   0.500   0.500   0.500",
        "",
        "Average Precision Across All Classes:0.5000",
        "Precision, recall and F1 at a score threshold of 0.500",
        "COCO: AP50:95 0.500, AP50 0.500, AP75 0.500, AR 0.500",
    ]
    assert lines[-1] == "It is good. It is not. Do this."


def test_several_entries_are_one_table():
    ranked = entry("x", (truth((HERE, CAT)), found((HERE, CAT, 0.9)))).evaluation
    lines = result_lines([entry("models/a/best.pth"), entry("detectnet", ranked=ranked)])
    assert lines[:4] == [
        "                          mAP AP50:95  AP50  AP75     P     R    F1 score  boxes",
        "models/a/best.pth       0.500   0.500 0.500 0.500 0.500 0.500 0.500 0.500      2",
        "detectnet               1.000   1.000 1.000 1.000 0.500 0.500 0.500 0.500      2",
        "2 objects",
    ]


def test_every_line_fits_the_screen():
    names = ["BACKGROUND", *(f"{'very ' * 12}long class {n}" for n in range(30))]
    long = entry("/".join(["folder"] * 20), names=names, notes=["word " * 60], verdict=["w " * 99])
    for entries in ([long], [long, long]):
        assert max(map(len, result_lines(entries))) <= SCREEN_WIDTH


def test_a_long_name_keeps_both_ends():
    assert shortened("models/fruit/best.pth", 22) == "models/fruit/best.pth"
    assert shortened("models/fruit-and-more/best.pth", 22) == "models/fru.../best.pth"
    assert len(shortened("x" * 50, 21)) == 21


def test_all_figures_as_json(tmp_path):
    values = json.loads(json.dumps(as_values(drawn_entry(tmp_path))))
    assert values["model"] == "/models/drawn/best.pth"
    assert (values["iou_threshold"], values["use_2007_metric"]) == (0.5, True)
    assert 0 < values["mAP"] < 1
    assert set(values["errors"]) == {"class", "place", "both", "double", "background", "missed"}
    counts = [one["ground_truths"] for one in values["classes"]]
    cells = values["confusion"]
    names = [one["name"] for one in values["classes"]]
    there = [sum(one["count"] for one in cells if one["there"] == name) for name in names]
    assert counts == there
    assert {one["found"] for one in cells} == {"BACKGROUND", *names}
    assert sum(counts) == values["true_positives"] + values["false_negatives"]
    assert {"name", "average_precision", "coco_ap", "precision", "found", "own_f1"} <= set(
        values["classes"][0]
    )
    nothing = as_values(entry("no objects", (truth(), found())))
    assert nothing["mAP"] is None
    assert {one["average_precision"] for one in nothing["classes"]} == {None}
    json.dumps(nothing, allow_nan=False)


def test_the_table_for_a_spreadsheet():
    rows = list(csv.DictReader(io.StringIO(as_csv([entry("a, b"), entry("c")]))))
    assert [(row["detector"], row["class"]) for row in rows[:4]] == [
        ("a, b", "cat"),
        ("a, b", "dog"),
        ("a, b", "emu"),
        ("a, b", "(all)"),
    ]
    assert rows[0]["AP"] == "1.000000"
    assert (rows[2]["AP"], rows[2]["objects"]) == ("", "0")
    assert (rows[3]["objects"], rows[3]["found"], rows[3]["wrong"]) == ("2", "1", "1")
    assert len(rows) == 8


def test_the_summary_of_nothing():
    figures = summary(entry("nothing", (truth(), found())))
    assert list(figures) == list(SUMMARY)
    assert figures["mAP"] is figures["AP50"] is None
    assert (figures["P"], figures["boxes"]) == (0, 0)
    assert figures["score"] == pytest.approx(0.5)
