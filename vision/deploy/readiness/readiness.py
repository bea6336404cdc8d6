"""Is a file ready for detectnet? All checks, in the order in which they build on each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterable, Iterator, Sequence

from onnx import ModelProto

from vision.deploy.onnx_reading import fixed_shape_of, graph_inputs, read_model, shape_of
from vision.deploy.readiness.candidate import (
    DEFAULT_BINDINGS,
    ERROR,
    WARNING,
    Bindings,
    Candidate,
    Finding,
    LabelFile,
)
from vision.deploy.readiness.graph_checks import GRAPH_CHECKS
from vision.deploy.readiness.interface_checks import FILE_CHECKS, INTERFACE_CHECKS, VERSION_CHECKS
from vision.deploy.readiness.label_checks import LABEL_CHECKS
from vision.deploy.readiness.number_checks import NUMBER_CHECKS
from vision.deploy.readiness.probes import probe_inputs
from vision.deploy.readiness.requirements import REQUIREMENTS
from vision.deploy.targets import DEFAULT_TARGET, Target
from vision.utils.files import read_regular
from vision.utils.text import printable

Check = Callable[[Candidate], Iterator[Finding]]

LARGEST_TRIED_SIDE = 4096  # of pictures to try a file with, pixels
MOST_TRIED_NUMBERS = 1 << 26  # in a batch of them
LONGEST_MESSAGE = 2000  # of a finding, letters

CHECKS: dict[str, tuple[Check, ...]] = {
    "file": FILE_CHECKS,
    "versions": VERSION_CHECKS,
    "interface": INTERFACE_CHECKS,
    "graph": GRAPH_CHECKS,
    "numbers": NUMBER_CHECKS,
    "labels": LABEL_CHECKS,
}

# A group runs only if the groups that it builds on found no error.
BUILDS_ON = {
    "file": (),
    "versions": ("file",),
    "interface": ("file",),
    "graph": ("file",),
    "numbers": ("file", "versions", "interface", "graph"),
    "labels": (),
}


@dataclass(frozen=True)
class Verdict:
    """What came of one requirement: `findings` is empty where it holds, or was not looked at."""

    group: str
    code: str
    requirement: str
    findings: tuple[Finding, ...] = ()
    unchecked: str | None = None  # the reason why it was not looked at


def find_problems(
    candidate: Candidate, groups: Iterable[str] = tuple(CHECKS), accepted: Iterable[str] = ()
) -> list[Finding]:
    """Run the checks on a candidate.

    Args:
        candidate: what to look at; its `probes` decide which tensors are run.
        groups: keys of CHECKS, in their order there; the labels only where there is a file.
        accepted: codes of findings that were asked for; as errors they become warnings.

    Returns:
        The findings, in the order of the checks.
    """
    return [
        finding for verdict in judge(candidate, groups, accepted) for finding in verdict.findings
    ]


def judge(
    candidate: Candidate, groups: Iterable[str] = tuple(CHECKS), accepted: Iterable[str] = ()
) -> list[Verdict]:
    """Do `find_problems`, and return a verdict on each requirement of the groups."""
    verdicts: list[Verdict] = []
    failed: set[str] = set()
    for group in groups:
        reason = _why_not(candidate, group, failed)
        found = [] if reason else [f for check in CHECKS[group] for f in check(candidate)]
        found = [replace(f, severity=WARNING) if f.code in accepted else f for f in found]
        # They quote names of the file, which may be anything.
        found = [replace(f, message=printable(f.message, LONGEST_MESSAGE)) for f in found]
        if any(finding.severity == ERROR for finding in found):
            failed.add(group)
        for code, requirement in REQUIREMENTS[group].items():
            own = tuple(finding for finding in found if finding.code == code)
            unchecked = reason or _no_material(candidate, code)
            verdicts.append(Verdict(group, code, requirement, own, None if own else unchecked))
    return verdicts


def _why_not(candidate: Candidate, group: str, failed: set[str]) -> str | None:
    """Return why a group of checks cannot run; None if it can."""
    in_the_way = [other for other in BUILDS_ON[group] if other in failed]
    if in_the_way:
        return f"mend the errors of {' and '.join(in_the_way)} first"
    if group == "numbers" and not candidate.probes:
        return "the input has no fixed shape of which pictures could be tried"
    if group == "labels" and candidate.labels is None:
        return "no labels.txt was given, and none lies beside the file"
    return None


def _no_material(candidate: Candidate, code: str) -> str | None:
    """Return why one check has nothing to look at; None if it has."""
    reasons = {
        "opset-not-kept": None if candidate.expected_opset else "no opset was asked for",
        "parity": None if candidate.references else "the net that it was made from is not here",
        "nms": None if candidate.nms else "no NMS of onnx_export.py is in the graph",
        "nms-rounds": None if candidate.nms else "no NMS of onnx_export.py is in the graph",
    }
    return reasons.get(code)


def open_candidate(
    path: str | Path,
    labels_path: str | Path | None = None,
    bindings: Bindings = DEFAULT_BINDINGS,
    target: Target = DEFAULT_TARGET,
) -> Candidate:
    """Open an ONNX file for the checks, with pictures of its input's shape where that is fixed.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an ONNX file.
    """
    labels = None
    if labels_path is not None:
        labels = LabelFile(Path(labels_path), read_regular(labels_path))
    candidate = Candidate(read_model(path), Path(path), labels, target, bindings)
    inputs = graph_inputs(candidate.model)
    shape = fixed_shape_of(inputs[0]) if inputs else None
    if shape and len(shape) == 4 and shape[1] == 3 and can_be_tried(shape):
        candidate.probes = probe_inputs(shape)
    return candidate


def can_be_tried(shape: Sequence[int]) -> bool:
    """Tell whether pictures of a shape, (B, 3, H, W), are of a size that nets take."""
    batch, channels, height, width = shape
    numbers = batch * channels * height * width
    return (
        batch > 0
        and all(0 < side <= LARGEST_TRIED_SIDE for side in shape[2:])
        and numbers <= MOST_TRIED_NUMBERS
    )


def guess_bindings(model: ModelProto) -> Bindings:
    """Return the names under which detectnet would have to be given a file's input and outputs.

    Boxes are the output with four columns. Where it is not clear which output is which, the names
    are the usual ones, and the checks tell what is wrong.
    """
    inputs, outputs = graph_inputs(model), list(model.graph.output)
    names = {value.name for value in outputs}
    if len(inputs) != 1 or len(outputs) != 2 or names == set(DEFAULT_BINDINGS[1:]):
        return DEFAULT_BINDINGS._replace(input=inputs[0].name if len(inputs) == 1 else "input_0")
    boxes = [value.name for value in outputs if (shape_of(value.type) or ())[-1:] == (4,)]
    if len(boxes) != 1 or len(names) != 2:
        return DEFAULT_BINDINGS._replace(input=inputs[0].name)
    (scores,) = names - set(boxes)
    return Bindings(inputs[0].name, scores, boxes[0])


def require_ready(findings: Iterable[Finding], path: Path) -> list[Finding]:
    """Return the warnings among the findings.

    Raises:
        ValueError: if there are errors among them; the message has them all.
    """
    findings = list(findings)
    errors = [str(finding) for finding in findings if finding.severity == ERROR]
    if errors:
        raise ValueError(f"{path} would not work in detectnet: {'; '.join(errors)}")
    return findings
