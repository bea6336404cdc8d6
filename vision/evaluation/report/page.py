"""The report as one HTML file: pictures inside, nothing fetched from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Sequence

from vision.evaluation.report.markup import Markup, element, join
from vision.evaluation.report.plots import plot_comparisons
from vision.evaluation.report.sections import (
    MEANINGS,
    causes_table,
    class_table,
    comparison_table,
    matrix_section,
    plot_figure,
    plots_section,
    summary_cards,
    surest_section,
    worst_section,
)
from vision.evaluation.report.tables import Entry

KEY = {
    "right": "right",
    "wrong": "wrong",
    "missed": "an object that is missed",
    "there": "an object that is found",
}


def page(title: str, entries: Sequence[Entry]) -> str:
    """Return the report as HTML: all entries in one table, and the first of them in full."""
    folder = Path(__file__).parent
    style = folder.joinpath("page.css").read_text("utf-8")
    script = folder.joinpath("page.js").read_text("utf-8")
    # The page may show its own pictures, style and script, and load or send nothing.
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src {_hash(style)}; script-src {_hash(script)}"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(style)),
    )
    body = element("body", _body(title, entries), element("script", Markup(script)))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _body(title: str, entries: Sequence[Entry]) -> Markup:
    entry = entries[0]
    parts = {"side-by-side": ("Side by side", _comparison(entries))} if len(entries) > 1 else {}
    parts.update(_sections(entry))
    links = [element("a", key.replace("-", " "), href=f"#{key}") for key in parts]
    sections = [
        element("section", element("h2", name), content, id=key)
        for key, (name, content) in parts.items()
    ]
    return join(
        element("header", element("h1", title), element("p", _subtitle(entry), class_="soft")),
        element("nav", *links),
        element("main", _opening(entry, len(entries) > 1), *sections),
    )


def _subtitle(entry: Entry) -> str:
    collection = entry.evaluation.collection
    objects = int(collection.object_counts().sum())
    facts = [str(value) for name, value in entry.facts.items() if name in ("split", "date")]
    return ", ".join([f"{len(collection.pictures):,} pictures", f"{objects:,} objects", *facts])


def _opening(entry: Entry, named: bool) -> Markup:
    sentences = " ".join(entry.verdict)
    lead = element("strong", f"{entry.name}: ") if named else None
    notes = [element("p", note, class_="note") for note in entry.notes]
    return join(element("p", lead, sentences, class_="verdict"), *notes, summary_cards(entry))


def _comparison(entries: Sequence[Entry]) -> Markup:
    plots = plot_comparisons({entry.name: entry.ranking for entry in entries})
    figures = [plot_figure(png, name) for name, png in plots.items()]
    verdicts = [
        element("p", element("strong", f"{entry.name}: "), " ".join(entry.verdict))
        for entry in entries[1:]
    ]
    return join(comparison_table(entries), element("div", *figures, class_="plots"), *verdicts)


def _sections(entry: Entry) -> dict[str, tuple[str, Markup]]:
    evaluation = entry.evaluation
    threshold = f"{evaluation.threshold:.2f}"
    key = element(
        "ul", *(element("li", text, class_=name) for name, text in KEY.items()), class_="key"
    )
    return {
        "classes": (
            "Classes",
            join(
                _say(
                    f"Precision, recall, F1, wrong and missed are at a threshold of {threshold}. "
                    "The best threshold is that of the class by itself. Click on a heading to sort."
                ),
                class_table(entry),
            ),
        ),
        "curves": ("Curves", plots_section(entry)),
        "confusion": (
            "What is taken for what",
            join(
                _say(
                    "A row for what is there, a column for what was found. The last row has boxes "
                    "where nothing is marked, and second boxes on one object; the last column has "
                    "objects that were not found. Click on a number to see pictures."
                ),
                key,
                matrix_section(evaluation),
            ),
        ),
        "causes": (
            "Why average precision is lost",
            join(
                causes_table(entry),
                _say(
                    "Costs are points of mAP that would be won if these errors alone were mended "
                    "(after TIDE, Bolya et al. 2020); they do not add up."
                ),
            ),
        ),
        "surest-mistakes": (
            "The surest mistakes",
            join(
                _say(
                    "Wrong boxes with the highest scores. Labels that are wrong or missing in the "
                    "dataset show up here: where the detector is right, mend the dataset."
                ),
                key,
                surest_section(evaluation),
            ),
        ),
        "worst-pictures": ("The worst pictures", join(key, worst_section(evaluation))),
        "method": ("How this was measured", _method(entry)),
    }


def _method(entry: Entry) -> Markup:
    settings = entry.evaluation.settings
    metric = "11 points of recall, as in 2007" if settings.use_2007_metric else "the area"
    rows = [
        element(
            "tr", element("th", name.replace("_", " "), scope="row"), element("td", _text(value))
        )
        for name, value in entry.facts.items()
    ]
    facts = element("table", element("tbody", *rows), class_="facts")
    words = [
        element("li", element("strong", name), f": {meaning}") for name, meaning in MEANINGS.items()
    ]
    return join(
        element("div", facts, class_="wide"),
        element("ul", *words),
        _say(
            f"A box is right if it overlaps an object of its class by more than "
            f"{settings.iou_threshold:g} (intersection over union) and no better box has found it. "
            f"VOC's average precision is of {metric}. Objects marked difficult do not count."
        ),
    )


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _say(text: str) -> Markup:
    return element("p", text, class_="soft")
