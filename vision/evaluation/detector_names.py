"""What the detectors of one report are called: each otherwise, or one would replace another."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Sequence


def detector_names(models: Sequence[Path], detections: Sequence[Path]) -> list[str]:
    """Return a name for each model file, with its folder, and then for each file of detections.

    Where two are the same, as many folders come in front as make them differ; what is given twice
    is numbered.
    """
    paths = [path.resolve() for path in models]
    paths += [path.parent.resolve() / path.name for path in detections]
    depths = [2] * len(models) + [1] * len(detections)
    names: dict[Path, str] = {}
    for path, depth in zip(paths, depths):
        names.setdefault(path, "/".join(path.parts[-depth:]))
    while len(set(names.values())) < len(names):
        counts = Counter(names.values())
        names = {
            path: _with_one_more_folder(path, name) if counts[name] > 1 else name
            for path, name in names.items()
        }
    return _numbered([names[path] for path in paths])


def _with_one_more_folder(path: Path, name: str) -> str:
    depth = len(Path(name).parts) + 1
    return "/".join(path.parts[-depth:])


def _numbered(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(f"{name} ({seen[name]})" if seen[name] > 1 else name)
    return numbered
