"""The verdicts of all checks as lines to read."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Sequence

from vision.deploy.readiness.candidate import ERROR
from vision.deploy.readiness.readiness import Verdict
from vision.deploy.targets import Target

TABLE_WIDTH = 80


def check_table(verdicts: Sequence[Verdict], path: Path, target: Target) -> list[str]:
    """Return a table of all requirements, what is wrong, what to do, and what it comes to."""
    lines = [f"{path} for {target}:"]
    group = ""
    for verdict in verdicts:
        if verdict.group != group:
            group = verdict.group
            lines += ["", group]
        state = "-" if verdict.unchecked else "ok"
        if verdict.findings:
            severities = {finding.severity for finding in verdict.findings}
            state = "ERROR" if ERROR in severities else "warning"
        lines.append(f"  {state:8}{verdict.code:18}{verdict.requirement}")
        texts = [finding.message for finding in verdict.findings]
        for text in texts or [verdict.unchecked or ""]:
            indent = " " * 28
            lines += textwrap.wrap(
                text,
                TABLE_WIDTH,
                initial_indent=indent,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return [*lines, "", _sum_of(verdicts)]


def _sum_of(verdicts: Sequence[Verdict]) -> str:
    findings = [finding for verdict in verdicts for finding in verdict.findings]
    errors = sum(finding.severity == ERROR for finding in findings)
    warnings = len(findings) - errors
    counts = f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}"
    if errors:
        return f"{counts}: detectnet cannot use this file. Mend what is marked ERROR."
    if warnings:
        return f"{counts}: detectnet can use this file. Read the warnings."
    return f"{counts}: this file is ready for detectnet."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
