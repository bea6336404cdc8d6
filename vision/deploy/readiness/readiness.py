"""Is a file ready for detectnet? All checks, in the order in which they build on each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterable, Iterator

from vision.deploy.onnx_reading import fixed_shape_of, graph_inputs, read_model
from vision.deploy.readiness.candidate import ERROR, WARNING, Bindings, Candidate, Finding
from vision.deploy.readiness.graph_checks import GRAPH_CHECKS
from vision.deploy.readiness.interface_checks import FILE_CHECKS, INTERFACE_CHECKS, VERSION_CHECKS
from vision.deploy.readiness.label_checks import LABEL_CHECKS
from vision.deploy.readiness.number_checks import NUMBER_CHECKS, probe_inputs
from vision.deploy.targets import DEFAULT_TARGET, Target

Check = Callable[[Candidate], Iterator[Finding]]

CHECKS: dict[str, tuple[Check, ...]] = {
    "file": FILE_CHECKS,
    "versions": VERSION_CHECKS,
    "interface": INTERFACE_CHECKS,
    "graph": GRAPH_CHECKS,
    "numbers": NUMBER_CHECKS,
    "labels": LABEL_CHECKS,
}

# A group runs only where the ones it builds on found no error.
BUILDS_ON = {
    "file": (),
    "versions": ("file",),
    "interface": ("file",),
    "graph": ("file",),
    "numbers": ("file", "versions", "interface", "graph"),
    "labels": (),
}


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
    findings: list[Finding] = []
    failed: set[str] = set()
    for group in groups:
        if failed.intersection(BUILDS_ON[group]) or not _has_material(candidate, group):
            continue
        found = [finding for check in CHECKS[group] for finding in check(candidate)]
        found = [replace(f, severity=WARNING) if f.code in accepted else f for f in found]
        if any(finding.severity == ERROR for finding in found):
            failed.add(group)
        findings += found
    return findings


def open_candidate(
    path: str | Path,
    labels_path: str | Path | None = None,
    bindings: Bindings | None = None,
    target: Target = DEFAULT_TARGET,
) -> Candidate:
    """Open an ONNX file for the checks, with probes of its input's shape where that is fixed.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an ONNX file.
    """
    candidate = Candidate(
        read_model(path),
        Path(path),
        labels_path=Path(labels_path) if labels_path else None,
        bindings=bindings or Bindings(),
        target=target,
    )
    inputs = graph_inputs(candidate.model)
    shape = fixed_shape_of(inputs[0]) if inputs else None
    if shape and len(shape) == 4:
        candidate.probes = probe_inputs(shape)
    return candidate


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


def _has_material(candidate: Candidate, group: str) -> bool:
    material = {"numbers": candidate.probes, "labels": candidate.labels_path}
    return bool(material.get(group, True))
