"""The parts of the page that show one detector: figures, tables, the matrix, pictures."""

from __future__ import annotations

from typing import Sequence

from vision.evaluation.measure import Evaluation
from vision.evaluation.metrics.errors import MISSED
from vision.evaluation.report.markup import Markup, data_url, element, join
from vision.evaluation.report.plots import LONGEST_LABEL, NO_CLASS, PLOTS, matrix_labels, plot
from vision.evaluation.report.tables import Entry, figure, summary
from vision.evaluation.report.tiles import (
    Tile,
    cell_crops,
    draw_tiles,
    surest_mistakes,
    worst_pictures,
)
from vision.utils.text import cut

SHADES = 5
CAUSE_WORDS = {
    "class": "on an object, with the name of another class",
    "place": "of the right class, but too far off its object",
    "both": "near an object of another class, and off it",
    "double": "one more box on an object that has been found",
    "background": "where nothing is marked",
    MISSED: "objects that nothing found, and nothing nearly found",
}
MEANINGS = {
    "mAP": "mean over the classes of the average precision of PASCAL VOC",
    "AP50:95": "COCO's average precision, mean over the overlaps 0.5 to 0.95",
    "AP50": "the same at an overlap of 0.5",
    "AP75": "the same at an overlap of 0.75",
    "precision": "the share of the boxes shown that are right",
    "recall": "the share of the objects that are found",
    "F1": "the harmonic mean of precision and recall",
    "threshold": "the score from which on boxes are shown",
    "boxes": "how many are shown",
}


def summary_cards(entry: Entry) -> Markup:
    """Return the most important figures, each with its name."""
    cards = [
        element("div", element("dt", name, title=MEANINGS[name]), element("dd", figure(value)))
        for name, value in zip(MEANINGS, summary(entry).values())
    ]
    return element("dl", *cards, class_="figures")


def comparison_table(entries: Sequence[Entry]) -> Markup:
    """Return a table with a row for each entry."""
    rows = [
        element(
            "tr",
            element("th", entry.name, scope="row"),
            *(_number(value) for value in summary(entry).values()),
        )
        for entry in entries
    ]
    return _sortable(["", *MEANINGS], rows, [None, *MEANINGS.values()])


def class_table(entry: Entry) -> Markup:
    """Return the table of the classes, which can be sorted by each column."""
    columns = ["class", "objects", "AP", "AP50:95", "precision", "recall", "F1"]
    columns += ["wrong", "missed", "best threshold"]
    rows = []
    for one, ranked in zip(entry.evaluation.classes, entry.ranking.classes):
        counts = one.counts
        has = bool(one.objects)
        shares = counts.precision, counts.recall, counts.f1
        values = [one.objects, ranked.average_precision, ranked.coco_ap]
        values += [share if has else None for share in shares]
        values += [counts.false_positives, counts.false_negatives]
        values += [ranked.own_threshold if has else None]
        rows.append(element("tr", element("th", one.name, scope="row"), *map(_number, values)))
    whole, counts = summary(entry), entry.evaluation.counts
    objects = counts.true_positives + counts.false_negatives
    values = [objects, whole["mAP"], whole["AP50:95"], whole["P"], whole["R"], whole["F1"]]
    values += [counts.false_positives, counts.false_negatives, entry.evaluation.threshold]
    total = element("tr", element("th", "all", scope="row"), *map(_number, values))
    return _sortable(columns, rows, [None] * len(columns), total)


def _sortable(
    columns: Sequence[str],
    rows: Sequence[Markup],
    meanings: Sequence[str | None],
    total: Markup | None = None,
) -> Markup:
    heads = [
        element(
            "th", element("button", name, type="button") if name else "", scope="col", title=meaning
        )
        for name, meaning in zip(columns, meanings)
    ]
    parts = [element("thead", element("tr", *heads)), element("tbody", *rows)]
    if total is not None:
        parts.append(element("tfoot", total))
    return element("div", element("table", *parts), class_="wide")


def _number(value: float | None) -> Markup:
    if value is None:
        return element("td", "–")
    return element("td", figure(value), data_value=value)


def plots_section(entry: Entry) -> Markup:
    """Return all plots but the matrix, which stands as a table."""
    ranked = ("precision_recall", "f1", "precision", "recall", "errors")
    figures = []
    for name, draw in PLOTS.items():
        if name != "confusion":
            evaluation = entry.ranking if name in ranked else entry.evaluation
            figures.append(plot_figure(plot(draw, evaluation), name.replace("_", " by ")))
    return element("div", *figures, class_="plots")


def plot_figure(png: bytes, name: str) -> Markup:
    """Return a plot as a figure."""
    return element(
        "figure", element("img", src=data_url(png, "image/png"), alt=name), class_="plot"
    )


def causes_table(entry: Entry) -> Markup:
    """Return what each cause of errors costs, in words and figures."""
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", CAUSE_WORDS[name], class_="text"),
            element("td", f"{one.count:,}"),
            element("td", f"{100 * one.cost:.1f}"),
        )
        for name, one in entry.ranking.errors.costs.items()
    ]
    heads = [element("th", name, scope="col") for name in ("cause", "", "errors", "costs")]
    table = element(
        "table", element("thead", element("tr", *heads)), element("tbody", *rows), class_="causes"
    )
    return element("div", table, class_="wide")


def matrix_section(evaluation: Evaluation) -> Markup:
    """Return the confusion matrix; a click on a cell shows its pictures."""
    labels = matrix_labels(evaluation)
    crops = cell_crops(evaluation, labels)
    tiles = iter(draw_tiles(evaluation, [one for cell in crops.values() for one in cell]))
    drawn = {cell: [next(tiles) for _ in requests] for cell, requests in crops.items()}
    heads = [
        element("th", element("span", _class_name(evaluation, label)), scope="col")
        for label in labels
    ]
    rows = []
    for row in labels:
        cells = [_cell(evaluation, row, column, drawn) for column in labels]
        name = _class_name(evaluation, row)
        rows.append(element("tr", element("th", name, scope="row"), *cells))
    table = element(
        "table",
        element("thead", element("tr", element("td"), *heads)),
        element("tbody", *rows),
        class_="matrix",
    )
    galleries = [
        element(
            "section",
            element("h3", _cell_title(evaluation, *cell)),
            gallery(some),
            element("p", element("a", "Back to the table", href="#confusion")),
            class_="cell",
            id=f"cell-{cell[0]}-{cell[1]}",
        )
        for cell, some in drawn.items()
    ]
    return join(element("div", table, class_="wide"), *galleries)


def _cell(
    evaluation: Evaluation,
    row: int,
    column: int,
    drawn: dict[tuple[int, int], list[Tile | None]],
) -> Markup:
    matrix = evaluation.confusion.matrix
    count = int(matrix[row, column])
    if not count:
        return element("td")
    share = count / max(1, matrix[row].sum())
    shade = min(SHADES, 1 + int(share * SHADES))
    kind = f"s{shade} right" if row == column else f"e{shade}"
    text: str | Markup = f"{count:,}"
    if (row, column) in drawn:
        title = _cell_title(evaluation, row, column)
        text = element("a", text, href=f"#cell-{row}-{column}", title=title)
    return element("td", text, class_=kind)


def _class_name(evaluation: Evaluation, label: int) -> str:
    return cut(evaluation.collection.name(label), LONGEST_LABEL) if label else NO_CLASS


def _cell_title(evaluation: Evaluation, row: int, column: int) -> str:
    there, found = _class_name(evaluation, row), _class_name(evaluation, column)
    if row == column:
        return f"{there}, found"
    if not row:
        return f"{found} where nothing is marked, or once more on an object"
    return f"{there}, taken for {found}" if column else f"{there}, not found"


def worst_section(evaluation: Evaluation) -> Markup:
    """Return the pictures with most mistakes."""
    return gallery(draw_tiles(evaluation, worst_pictures(evaluation)), large=True)


def surest_section(evaluation: Evaluation) -> Markup:
    """Return the wrong detections with the highest scores."""
    return gallery(draw_tiles(evaluation, surest_mistakes(evaluation)))


def gallery(tiles: Sequence[Tile | None], large: bool = False) -> Markup:
    """Return tiles beside each other, with their captions."""
    figures = [
        element(
            "figure",
            element(
                "img",
                src=data_url(tile.jpeg, "image/jpeg"),
                width=tile.width,
                height=tile.height,
                alt=f"{tile.name}: {tile.caption}",
            ),
            element("figcaption", tile.caption, element("span", tile.name, class_="soft")),
        )
        for tile in tiles
        if tile is not None
    ]
    if not figures:
        return element("p", "None.", class_="soft")
    return element("div", *figures, class_="tiles large" if large else "tiles")
