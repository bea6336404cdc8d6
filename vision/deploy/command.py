"""How to start detectnet on the Jetson with a file, and what detectnet.txt says of it."""

from __future__ import annotations

import json
import logging
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Sequence

from vision.deploy.emulation.clustering import PostProcessing
from vision.deploy.readiness.candidate import DEFAULT_BINDINGS, Bindings

logger = logging.getLogger(__name__)

NOTE = "detectnet.txt"  # beside the file; there is one in a folder


@dataclass(frozen=True)
class DetectNetCommand:
    """The files and settings of one call of detectnet."""

    model: Path
    labels: Path | None
    settings: PostProcessing = field(default_factory=PostProcessing)
    bindings: Bindings = DEFAULT_BINDINGS

    def shell(self) -> str:
        """Return the command, with INPUT and OUTPUT to be filled in."""
        words = [f"--model={self.model}"]
        words += [f"--labels={self.labels}"] if self.labels else []
        words += self.bindings.options.split()
        words += [
            f"--threshold={self.settings.threshold:g}",
            f"--clustering={self.settings.clustering:g}",
        ]
        return "detectnet " + " ".join(map(shlex.quote, words)) + " INPUT OUTPUT"

    def python(self) -> list[str]:
        """Return the lines that do the same in Python."""
        texts = {"model": str(self.model)}
        texts.update({"labels": str(self.labels)} if self.labels else {})
        texts["input_blob"], texts["output_cvg"], texts["output_bbox"] = self.bindings
        arguments = [f"{name}={json.dumps(text)}" for name, text in texts.items()]
        arguments.append(f"threshold={self.settings.threshold:g}")
        return [
            f"net = jetson_inference.detectNet({', '.join(arguments)})",
            f"net.SetClusteringThreshold({self.settings.clustering:g})",
        ]


def settings_text(command: DetectNetCommand, measured: Sequence[str] = ()) -> str:
    """Return the content of detectnet.txt: the command, the Python lines, and what was measured.

    The names in it have no folder, because the files go to the Jetson together.
    """
    labels = Path(command.labels.name) if command.labels else None
    here = replace(command, model=Path(command.model.name), labels=labels)
    lines = [
        _first_line(here.model),
        here.shell(),
        "",
        "# The same in Python:",
        *(f"#   {line}" for line in ["import jetson_inference", *here.python()]),
    ]
    lines += ["", *(f"# {line}".rstrip() for line in measured)] if measured else []
    return "\n".join(lines) + "\n"


def remove_note(model: Path) -> None:
    """Remove the detectnet.txt beside a file if it is of an older file of this name.

    That of another file stays.
    """
    note = model.with_name(NOTE)
    if not note.is_file():
        return
    with note.open(encoding="utf-8", errors="replace") as file:
        is_of_model = file.readline().rstrip() == _first_line(Path(model.name))
    if is_of_model:
        note.unlink()
        logger.info("removed %s, which was of an older %s", note, model.name)


def _first_line(model: Path) -> str:
    return f"# How to use {model} with detectnet of jetson-inference, in this folder."
