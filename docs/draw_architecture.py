"""Draw the floors of the package from its imports: docs/pictures/architecture.svg.

Usage:
    python3 docs/draw_architecture.py

A room is a folder or a single file of vision/. It stands above all rooms that it imports. The
picture has the arrows that a reader needs: where a room imports another both directly and through
a third one, the direct arrow is left out. The same imports always give the same file, and the file
holds the rooms and arrows that it was drawn from, so that a test can compare them with the code.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from typing import Dict, List, Set, Tuple

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "pictures" / "architecture.svg"
PACKAGE = "vision"

Graph = Dict[str, Set[str]]  # from a room or a script to the rooms that it imports
Line = Tuple[str, bool]  # a text, and whether it is a heading

FLOOR_HEIGHT, BOX_HEIGHT, MARGIN, GAP = 118, 58, 24, 26  # pixels
HEADING_WIDTH, TEXT_WIDTH = 8.8, 6.4  # of a letter, roughly
LETTERS_IN_A_LINE = 26
LANE = 8  # the width that an arrow takes where it passes between boxes
PORT = 16  # between two arrows at the edge of a box
SWEEPS = 48
COLOURS = ("#2a6f97", "#9a4c1c", "#4f772d", "#7b2d6b", "#8a6d00", "#1f6f64", "#a02c3c", "#4a4e9c")
SCRIPT_FILL, ROOM_FILL, GROUND_FILL = "#fff3d6", "#e8f1f8", "#e4e7ea"


# What the code says.


def read_graph(root: Path) -> Graph:
    """Return the rooms that each room and each script of a project imports."""
    graph: Graph = {}
    scripts = {path.stem: path for path in root.glob("*.py")}
    for name, path in sorted(scripts.items()):
        graph[name] = _imported_rooms(path)
    for path in sorted((root / PACKAGE).rglob("*.py")):
        room = _room(path.relative_to(root))
        if room:
            graph.setdefault(room, set()).update(_imported_rooms(path) - {room})
    return graph


def read_wings(root: Path) -> dict[str, list[str]]:
    """Return the folders inside each room."""
    wings: dict[str, list[str]] = {}
    for path in sorted((root / PACKAGE).glob("*/*/__init__.py")):
        wings.setdefault(path.parent.parent.name, []).append(path.parent.name)
    return wings


def _room(path: Path) -> str:
    """Return the room of a file of the package; nothing for the package's own first file."""
    name = path.with_suffix("").parts[1]
    return "" if name == "__init__" else name


def _imported_rooms(path: Path) -> set[str]:
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.ImportFrom):
            # `from ..utils import x` in vision/ssd/ssd.py is relative to vision.
            parts = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*parts, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            rooms.update(_room_of_module(name))
    return rooms


def _room_of_module(name: str) -> list[str]:
    package, *inside = name.split(".")
    return inside[:1] if package == PACKAGE else []


def without_detours(graph: Graph) -> Graph:
    """Return the graph without the arrows that other arrows imply (its transitive reduction)."""
    return {
        room: {
            used
            for used in rooms
            if not any(used in rooms_below(graph, other) for other in rooms - {used})
        }
        for room, rooms in graph.items()
    }


def rooms_below(graph: Graph, room: str) -> set[str]:
    """Return every room that a room imports, directly or through others."""
    found: set[str] = set()
    waiting = list(graph.get(room, ()))
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += graph.get(other, ())
    return found


def floor_of(graph: Graph, room: str) -> int:
    """Return the floor of a room: one above the highest room that it imports."""
    return 1 + max((floor_of(graph, other) for other in graph.get(room, ())), default=-1)


# Where everything stands.


@dataclass
class Box:
    """A box of the picture, or, without lines, the place where an arrow passes a floor."""

    name: str
    floor: int
    lines: list[Line] = field(default_factory=list)
    fill: str = ""
    x: float = 0.0  # of the centre

    @property
    def width(self) -> float:
        """How much room it takes, pixels."""
        if not self.lines:
            return LANE
        widths = [len(text) * (HEADING_WIDTH if bold else TEXT_WIDTH) for text, bold in self.lines]
        return max(widths) + 20


Floors = List[List[Box]]


@dataclass
class Plan:
    """The boxes floor by floor, the ground floor first, and the ways of the arrows through them."""

    floors: Floors
    ways: list[list[Box]]  # each from the room that imports to the one that is imported


def make_plan(graph: Graph, wings: dict[str, list[str]], scripts: set[str]) -> Plan:
    """Decide where the boxes stand and where the arrows run."""
    arrows = without_detours(graph)
    top = max(floor_of(graph, room) for room in graph if room not in scripts) + 1
    boxes = {
        room: Box(room, floor_of(graph, room), _room_lines(room, wings.get(room, [])), ROOM_FILL)
        for room in graph
        if room not in scripts
    }
    for box in boxes.values():
        box.fill = ROOM_FILL if box.floor else GROUND_FILL
    # Scripts that use the same rooms share a box.
    alike: dict[frozenset[str], list[str]] = {}
    for script in sorted(scripts):
        alike.setdefault(frozenset(arrows[script]), []).append(script)
    for names in alike.values():
        lines = [(name + ".py", True) for name in names]
        boxes[names[0]] = Box(names[0], top, lines, SCRIPT_FILL)
    plan = Plan([[] for _ in range(top + 1)], [])
    for name in sorted(boxes):
        plan.floors[boxes[name].floor].append(boxes[name])
    for name in sorted(boxes):
        for used in sorted(arrows[name]):
            plan.ways.append(_way(plan, boxes[name], boxes[used]))
    _put_in_order(plan)
    _put_in_place(plan)
    return plan


def _room_lines(room: str, wings: list[str]) -> list[Line]:
    lines: list[Line] = [(room, True)]
    text = ""
    for wing in wings:
        longer = f"{text} · {wing}" if text else wing
        if len(longer) > LETTERS_IN_A_LINE:
            lines.append((text, False))
            longer = wing
        text = longer
    return [*lines, (text, False)] if text else lines


def _way(plan: Plan, start: Box, end: Box) -> list[Box]:
    way = [start]
    for floor in range(start.floor - 1, end.floor, -1):
        passing = Box(f"{start.name}-{end.name}", floor)
        plan.floors[floor].append(passing)
        way.append(passing)
    return [*way, end]


def _neighbours(plan: Plan, step: int) -> dict[int, list[Box]]:
    """Return, by id, what the boxes are joined to on the floor below (-1) or above (1)."""
    found: dict[int, list[Box]] = {}
    for way in plan.ways:
        for upper, lower in zip(way, way[1:]):
            box, other = (upper, lower) if step < 0 else (lower, upper)
            found.setdefault(id(box), []).append(other)
    return found


def _put_in_order(plan: Plan) -> None:
    """Sort each floor so that few arrows cross (barycentre sweeps; the best order seen is kept)."""
    best, fewest = [list(floor) for floor in plan.floors], _crossings(plan)
    for sweep in range(SWEEPS):
        step = -1 if sweep % 2 == 0 else 1  # upwards, looking at the floor below, and back
        neighbours = _neighbours(plan, step)
        numbers = range(len(plan.floors))
        for number in numbers if step < 0 else reversed(numbers):
            floor = plan.floors[number]
            places = _places(plan)
            floor.sort(key=lambda box: _mean_place(box, neighbours, places))
        count = _crossings(plan)
        if count < fewest:
            best, fewest = [list(floor) for floor in plan.floors], count
    plan.floors[:] = best


def _places(plan: Plan) -> dict[int, float]:
    return {
        id(box): (place + 0.5) / len(floor)
        for floor in plan.floors
        for place, box in enumerate(floor)
    }


def _mean_place(box: Box, neighbours: dict[int, list[Box]], places: dict[int, float]) -> float:
    around = neighbours.get(id(box), [])
    if not around:
        return places[id(box)]
    return sum(places[id(other)] for other in around) / len(around)


def _crossings(plan: Plan) -> int:
    places = _places(plan)
    count = 0
    steps = [pair for way in plan.ways for pair in zip(way, way[1:])]
    for number, (upper, lower) in enumerate(steps):
        for other_upper, other_lower in steps[:number]:
            if upper.floor == other_upper.floor:
                above = places[id(upper)] - places[id(other_upper)]
                below = places[id(lower)] - places[id(other_lower)]
                count += above * below < 0
    return count


def _put_in_place(plan: Plan) -> None:
    """Give every box its x: near what it is joined to, in order, without touching others."""
    for floor in plan.floors:
        _spread(floor, [0.0] * len(floor), [1.0] * len(floor))
    below, above = _neighbours(plan, -1), _neighbours(plan, 1)
    for sweep in range(SWEEPS):
        for floor in plan.floors if sweep % 2 == 0 else plan.floors[::-1]:
            wishes, weights = [], []
            for box in floor:
                around = below.get(id(box), []) + above.get(id(box), [])
                pulls = [_pull(box, other) for other in around] or [1.0]
                places = [other.x for other in around] or [box.x]
                weights.append(sum(pulls))
                wishes.append(sum(p * x for p, x in zip(pulls, places)) / weights[-1])
            _spread(floor, wishes, weights)
    left = min(box.x - box.width / 2 for floor in plan.floors for box in floor)
    for floor in plan.floors:
        for box in floor:
            box.x += MARGIN - left


def _pull(box: Box, other: Box) -> float:
    """Return how much two joined boxes want to stand above each other: long arrows run straight."""
    return (1.0, 2.0, 8.0)[(not box.lines) + (not other.lines)]


def _spread(floor: list[Box], wishes: list[float], weights: list[float]) -> None:
    """Place boxes as near to their wishes as their order and widths allow (least squares)."""
    offsets = [0.0]
    for box, after in zip(floor, floor[1:]):
        offsets.append(offsets[-1] + (box.width + after.width) / 2 + GAP)
    groups: list[tuple[float, float, int]] = []  # mean, weight, boxes; the means must not fall
    for wish, weight, offset in zip(wishes, weights, offsets):
        mean, count = wish - offset, 1
        while groups and groups[-1][0] > mean:
            before, heavy, number = groups.pop()
            mean = (mean * weight + before * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + number
        groups.append((mean, weight, count))
    starts = [mean for mean, _, count in groups for _ in range(count)]
    for box, start, offset in zip(floor, starts, offsets):
        box.x = start + offset


# The file.


def draw(plan: Plan, graph: Graph, wings: dict[str, list[str]]) -> str:
    """Return the picture as SVG."""
    boxes = [box for floor in reversed(plan.floors) for box in floor]
    width = round(max(box.x + box.width / 2 for box in boxes) + MARGIN)
    height = FLOOR_HEIGHT * (len(plan.floors) - 1) + BOX_HEIGHT + 2 * MARGIN
    sources = [box for box in boxes if any(way[0] is box for way in plan.ways)]
    colours = {id(box): COLOURS[number % len(COLOURS)] for number, box in enumerate(sources)}
    facts = json.dumps(described(graph, wings), sort_keys=True)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="DejaVu Sans, Verdana, sans-serif">',
        "<title>The rooms of the package, floor by floor; arrows go to what is imported</title>",
        f"<desc>{escape(facts, quote=False)}</desc>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        "<defs>",
        *(_arrow_head(colour) for colour in sorted(set(colours.values()))),
        "</defs>",
    ]
    tops = {id(box): _top(box, len(plan.floors)) for box in boxes}
    for way, start, end in zip(plan.ways, *_ports(plan)):
        places = [start, *(box.x for box in way[1:-1]), end]
        edges = [tops[id(box)] for box in way]
        lines.append(_arrow(places, edges, colours[id(way[0])]))
    for box in boxes:
        if box.lines:
            lines += _drawn_box(box, tops[id(box)])
    return "\n".join([*lines, "</svg>", ""])


def _ports(plan: Plan) -> tuple[list[float], list[float]]:
    """Return where each arrow leaves its first box and reaches its last: side by side, in order."""
    starts, ends = [0.0] * len(plan.ways), [0.0] * len(plan.ways)
    for places, at, beside in ((starts, 0, 1), (ends, -1, -2)):
        joined: dict[int, list[int]] = {}
        for number, way in enumerate(plan.ways):
            joined.setdefault(id(way[at]), []).append(number)
        for numbers in joined.values():
            box = plan.ways[numbers[0]][at]
            step = min(PORT, (box.width - PORT) / len(numbers))
            numbers.sort(key=lambda number: plan.ways[number][beside].x)
            for place, number in enumerate(numbers):
                places[number] = box.x + step * (place - (len(numbers) - 1) / 2)
    return starts, ends


def described(graph: Graph, wings: dict[str, list[str]]) -> dict[str, dict[str, list[str]]]:
    """Return what the picture shows, as JSON can hold it: arrows and inner folders of each room."""
    return {
        room: {"imports": sorted(used), "holds": wings.get(room, [])}
        for room, used in without_detours(graph).items()
    }


def drawn_from(picture: str) -> dict[str, dict[str, list[str]]]:
    """Return what a picture says that it was drawn from.

    Raises:
        ValueError: if it says nothing.
    """
    found = re.search(r"<desc>(.*?)</desc>", picture, re.S)
    if not found:
        raise ValueError("the picture has no <desc>; draw it with docs/draw_architecture.py")
    return json.loads(unescape(found[1]))


def _top(box: Box, floors: int) -> int:
    return MARGIN + FLOOR_HEIGHT * (floors - 1 - box.floor)


def _arrow_head(colour: str) -> str:
    return (
        f'<marker id="{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="{colour}"/></marker>'
    )


def _arrow(places: list[float], tops: list[int], colour: str) -> str:
    """Return a curve through the places, from below the first box to the top of the last."""
    x, y = places[0], tops[0] + BOX_HEIGHT
    parts = [f"M{x:.0f},{y}"]
    for number, (next_x, top) in enumerate(zip(places[1:], tops[1:]), start=2):
        bend = round((y + top) / 2)
        parts.append(f"C{x:.0f},{bend} {next_x:.0f},{bend} {next_x:.0f},{top}")
        x, y = next_x, top
        if number < len(places):  # it passes between two boxes
            y = top + BOX_HEIGHT
            parts.append(f"V{y}")
    return (
        f'<path d="{" ".join(parts)}" fill="none" stroke="{colour}" stroke-width="1.6" '
        f'marker-end="url(#{colour[1:]})"/>'
    )


def _drawn_box(box: Box, top: int) -> list[str]:
    left = box.x - box.width / 2
    lines = [
        f'<rect x="{left:.0f}" y="{top}" width="{box.width:.0f}" height="{BOX_HEIGHT}" rx="6" '
        f'fill="{box.fill}" stroke="#56606b"/>'
    ]
    step = 16
    y = top + (BOX_HEIGHT - step * len(box.lines)) / 2 + 12
    for text, bold in box.lines:
        style = 'font-size="14" font-weight="bold"' if bold else 'font-size="11.5"'
        lines.append(
            f'<text x="{box.x:.0f}" y="{y:.0f}" {style} fill="#1b1f24" text-anchor="middle">'
            f"{escape(text)}</text>"
        )
        y += step
    return lines


def main() -> int:
    """Draw the picture of this project."""
    graph, wings = read_graph(ROOT), read_wings(ROOT)
    scripts = {path.stem for path in ROOT.glob("*.py")}
    picture = draw(make_plan(graph, wings, scripts), graph, wings)
    PICTURE.write_text(picture, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
