"""Everything that an evaluation leaves in a folder."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Sequence

from vision.evaluation.report.page import write_page
from vision.evaluation.report.plots import PLOTS, plot, plot_comparisons
from vision.evaluation.report.tables import Entry, as_csv, as_values, summary
from vision.utils.files import atomic_write

logger = logging.getLogger(__name__)

REPORT, VALUES, TABLE = "report.html", "results.json", "results.csv"
# What tensorboard raises when it is imported: where it is missing, where NumPy has become too new
# for it, and where protobuf has.
UNUSABLE = (ImportError, AttributeError, TypeError)


def write_results(folder: Path, entries: Sequence[Entry]) -> None:
    """Write the figures: one object for one entry, a list of them as "detectors" for several."""
    values = [as_values(entry) for entry in entries]
    content = values[0] if len(values) == 1 else {"detectors": values}
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
    _write(folder / VALUES, text.encode("utf-8"))
    _write(folder / TABLE, as_csv(entries).encode("utf-8"))


def write_report(folder: Path, title: str, entries: Sequence[Entry]) -> None:
    """Write the page and the plots of the first entry; those of others in folders of their own."""
    write_page(folder / REPORT, title, entries)
    _write_plots(folder, entries[0])
    if len(entries) > 1:
        curves = {entry.name: entry.ranking for entry in entries}
        for name, png in plot_comparisons(curves).items():
            _write(folder / f"side_by_side_{name}.png", png)
    for entry in entries[1:]:
        own = folder / folder_name(entry.name)
        write_page(own / REPORT, entry.name, [entry])
        _write_plots(own, entry)


def _write_plots(folder: Path, entry: Entry) -> None:
    for name, draw in PLOTS.items():
        _write(folder / f"{name}.png", plot(draw, entry.evaluation))


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def folder_name(name: str) -> str:
    """Return a name that any file system takes, in which the end of a long one is left."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[-80:] or "detector"


def write_tensorboard(folder: Path, entries: Sequence[Entry]) -> None:
    """Write the figures for TensorBoard, a run for each entry."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except UNUSABLE as error:
        logger.warning("Nothing for TensorBoard: %s; pip install tensorboard", error)
        return
    for entry in entries:
        with SummaryWriter(str(folder / folder_name(entry.name))) as writer:
            for name, value in summary(entry).items():
                if value is not None:
                    writer.add_scalar(f"Evaluation/{name}", value)
            for one in entry.ranking.classes:
                if one.average_precision is not None:
                    writer.add_scalar(f"Class Average Precision/{one.name}", one.average_precision)
            curves = entry.ranking.curves.overall
            for place, value in enumerate(curves.precision_by_recall):
                writer.add_scalar("Precision by recall, per cent", value, place)
