"""Everything that an evaluation leaves in a folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Iterator, Sequence

from vision.evaluation.detections_file import write_detections
from vision.evaluation.report.page import page
from vision.evaluation.report.plots import PLOTS, plot, plot_comparisons
from vision.evaluation.report.tables import Entry, as_csv, as_values, summary
from vision.utils.files import write_together
from vision.utils.tensorboard import summary_writer

REPORT, VALUES, TABLE = "report.html", "results.json", "results.csv"


def write_results(
    folder: Path, entries: Sequence[Entry], title: str | None, detections: Path | None = None
) -> None:
    """Write the figures and, with a title, the report; all files appear together, or none.

    `detections` is a file for those of the last entry.

    One entry is one object in results.json; several are a list of them as "detectors". The page and
    the plots are those of the first entry; those of others stand in folders of their own.
    """
    values = [as_values(entry) for entry in entries]
    content = values[0] if len(values) == 1 else {"detectors": values}
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
    with write_together() as place:
        place(folder / VALUES).write_text(text, encoding="utf-8")
        place(folder / TABLE).write_text(as_csv(entries), encoding="utf-8")
        for name, file in report_files(title, entries) if title else ():
            place(folder / name).write_bytes(file)
        if detections:
            write_detections(place(detections), entries[-1].evaluation.collection)


def report_files(title: str, entries: Sequence[Entry]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a report, each with its name in the folder."""
    yield REPORT, page(title, entries).encode("utf-8")
    yield from _plot_files("", entries[0])
    if len(entries) > 1:
        curves = {entry.name: entry.ranking for entry in entries}
        for name, png in plot_comparisons(curves).items():
            yield f"side_by_side_{name}.png", png
    for entry, folder in list(zip(entries, folder_names(entries)))[1:]:
        own = f"{folder}/"
        yield own + REPORT, page(entry.name, [entry]).encode("utf-8")
        yield from _plot_files(own, entry)


def _plot_files(folder: str, entry: Entry) -> Iterator[tuple[str, bytes]]:
    for name, draw in PLOTS.items():
        yield f"{folder}{name}.png", plot(draw, entry.evaluation)


def folder_name(name: str) -> str:
    """Return a name that any file system takes, in which the end of a long one is left."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[-80:] or "detector"


def folder_names(entries: Sequence[Entry]) -> list[str]:
    """Return the name of a folder for each entry; no two are the same on any disk."""
    # A file of detections may be called as a file that is written beside the folders.
    taken = {REPORT, VALUES, TABLE}
    names = []
    for entry in entries:
        stem = folder_name(entry.name)
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def write_tensorboard(folder: Path, entries: Sequence[Entry]) -> None:
    """Write the figures for TensorBoard, a run for each entry."""
    open_writer = summary_writer("Nothing")
    if open_writer is None:
        return
    for entry, own in zip(entries, folder_names(entries)):
        with open_writer(str(folder / own)) as writer:
            for name, value in summary(entry).items():
                if value is not None:
                    writer.add_scalar(f"Evaluation/{name}", value)
            for one in entry.ranking.classes:
                if one.average_precision is not None:
                    writer.add_scalar(f"Class Average Precision/{one.name}", one.average_precision)
            curves = entry.ranking.curves.overall
            for place, value in enumerate(curves.precision_by_recall):
                writer.add_scalar("Precision by recall, per cent", value, place)
