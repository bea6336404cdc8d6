"""The classes of a net and those of a dataset, matched by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Sequence

import numpy as np

from vision.evaluation.matching import DetectionTable
from vision.utils.labels import BACKGROUND
from vision.utils.text import first_few


@dataclass(frozen=True)
class ClassMatching:
    """Which classes both have, and which only one of them."""

    shared: tuple[str, ...]
    only_net: tuple[str, ...]  # their detections can be neither right nor wrong
    only_data: Mapping[str, int]  # class -> boxes, which are not asked for
    similar: tuple[
        tuple[str, str], ...
    ]  # class of the dataset, class of the net: alike but unequal

    def lines(self) -> list[str]:
        """Return what there is to say: nothing where the classes are the same."""
        lines = []
        if self.only_data:
            boxes = ", ".join(f"{name} {count:,}" for name, count in self.only_data.items())
            lines.append(f"Only the dataset has these classes, whose boxes are left out: {boxes}.")
        if self.only_net:
            names = ", ".join(self.only_net)
            lines.append(f"Only the net has these classes, whose detections are left out: {names}.")
        if self.similar:
            pairs = ",".join(f"{old}={new}" for old, new in self.similar)
            lines.append(f'Some are alike; if they are the same, add --class-map "{pairs}".')
        return lines

    def require_shared(self) -> None:
        """Refuse to measure where no class is shared.

        Raises:
            ValueError: saying which classes there are.
        """
        if not self.shared:
            nets, data = _few(self.only_net), _few(list(self.only_data))
            raise ValueError(
                f"the net and the dataset share no class: the net has {nets}; the dataset has "
                f"{data}; rename them with --class-map"
                + (f", as {'='.join(self.similar[0])}" if self.similar else "")
            )


def match_classes(net_classes: Sequence[str], boxes_per_class: Mapping[str, int]) -> ClassMatching:
    """Compare the classes by name.

    Args:
        net_classes: BACKGROUND first.
        boxes_per_class: of the dataset, without BACKGROUND.
    """
    nets = [name for name in net_classes if name != BACKGROUND]
    only_net = tuple(name for name in nets if name not in boxes_per_class)
    only_data = {name: count for name, count in boxes_per_class.items() if name not in nets}
    plain = {_plain(name): name for name in only_net}
    similar = [(name, plain[_plain(name)]) for name in only_data if _plain(name) in plain]
    shared = tuple(name for name in nets if name in boxes_per_class)
    return ClassMatching(shared, only_net, only_data, tuple(similar))


def without_classes(
    found: DetectionTable, class_names: Sequence[str], left_out: Sequence[str]
) -> DetectionTable:
    """Return the detections of the classes that can be judged."""
    unknown = np.array([name in left_out for name in class_names], bool)
    return found.select(~unknown[found.labels]) if unknown.any() else found


def _plain(name: str) -> str:
    """Return a name without what people write differently: case, blanks, hyphens, a plural s."""
    letters = "".join(letter for letter in name.casefold() if letter.isalnum())
    return letters[:-1] if letters.endswith("s") else letters


def _few(names: Sequence[str]) -> str:
    return first_few(names, 8) or "none"
