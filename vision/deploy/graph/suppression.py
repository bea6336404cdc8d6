"""Put non-maximum suppression (NMS) into a graph, with operators that every TensorRT has.

detectnet has no NMS. It merges two boxes of a class only if their intersection is over 0.75 of the
larger one, so one object often gets several boxes. With NMS in the graph, what reaches detectnet
has one box an object.

Greedy NMS goes through the boxes, best first, and keeps one if no box that it has kept overlaps it
by more than the threshold:

    keep[j] = 1 - max over i before j of (keep[i] * overlaps[i, j])

TensorRT 7.1 has no loop that could do so. Instead the rule is applied to all boxes at once, and
again, a fixed number of rounds, beginning with keep = 1. After N rounds a box is right if the chain
of boxes that decides on it is not longer than N: a suppresses b, which therefore does not suppress
c, and so on. The rule turns more kept boxes into fewer and fewer into more. So after an even number
of rounds everything that NMS keeps is there: where the rounds run out, a box too many stays, and no
object is lost.

After NMS at an IoU of t <= 0.6 detectnet never merges, so it shows these boxes as they are. Proof:
let I be the intersection of two boxes of one class and L the larger area. detectnet merges them if
I / L > 0.75. Their union is at most 2 L - I, so IoU >= I / (2 L - I) > 0.75 / (2 - 0.75) = 0.6, and
NMS has removed one of them. Stretching to the picture's pixels changes no ratio of areas.

detectnet gives each row the class with the highest score other than column 0, which it never reads.
NMS does the same: a row is a box of its best class. All scores of a suppressed row become zero, and
those of the others stay as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from onnx import GraphProto, ModelProto, helper, numpy_helper

from vision.deploy.graph.clean_up import replace_all
from vision.deploy.nms import FARTHEST, NEAREST, NMS_KEY, SCALE, SMALLEST_UNION, GraphNms
from vision.deploy.onnx_reading import default_opset, fixed_shape_of

# The outputs of the net itself, one row a prior, once NMS stands behind them.
ALL_SCORES = "all_scores"
ALL_BOXES = "all_boxes"

LOWEST_OPSET = 11

# The least step of an IoU over 0.1 is 2**-27 in FP32: times this twice, it is more than 1.
STEEPNESS = 2.0**14


def opset_has_nms(model: ModelProto) -> bool:
    """Tell whether NMS can be written with the operators of a graph's opset."""
    return (default_opset(model) or 0) >= LOWEST_OPSET


def add_nms(model: ModelProto, nms: GraphNms) -> ModelProto:
    """Return a copy of a detector's graph with NMS behind its outputs.

    Args:
        model: its outputs are scores (1, P, C) and boxes (1, P, 4), xyxy in [0, 1], in this order.
        nms: the settings.

    Returns:
        The graph with the outputs scores (1, K, C) and boxes (1, K, 4), K = `nms.candidates`, or P
        if that is less: the rows with the highest foreground scores, best first, with zeros for the
        scores of suppressed rows. What the net itself puts out is named ALL_SCORES and ALL_BOXES.

    Raises:
        ValueError: if the graph takes several pictures, or if its opset is too old.
    """
    extended = ModelProto()
    extended.CopyFrom(model)
    graph, opset = extended.graph, default_opset(model) or 0
    shape = fixed_shape_of(graph.output[0]) or ()
    if len(shape) != 3 or shape[0] != 1:
        raise ValueError("NMS in the graph needs a batch size of 1; leave --batch-size out")
    if not opset_has_nms(model):
        raise ValueError(
            f"NMS in the graph needs opset {LOWEST_OPSET} or more, got {opset}; leave --opset out, "
            "or --nms"
        )
    scores_name, boxes_name = (value.name for value in graph.output)
    names = {scores_name: ALL_SCORES, boxes_name: ALL_BOXES}
    for node in graph.node:
        replace_all(node.input, [names.get(name, name) for name in node.input])
        replace_all(node.output, [names.get(name, name) for name in node.output])

    write = NodeWriter(graph, opset)
    count, classes = min(nms.candidates, shape[1]), shape[2]
    rows = _best_rows(write, count, classes)
    scores = _take(write, ALL_SCORES, rows, (1, count, classes))
    boxes = _take(write, ALL_BOXES, rows, (1, count, 4), boxes_name)
    # (1, K, K) with 1 where the column's box, if it is kept, suppresses the row's; else 0.
    suppresses = _overlapping(write, boxes, nms.iou_threshold)
    suppresses = write.add("Mul", suppresses, write.constant(np.tri(count, k=-1)[None]))
    if classes > 2 and not nms.across_classes:
        suppresses = write.add("Mul", suppresses, _same_class(write, scores, classes))
    keep = write.constant(np.ones((1, count, 1)))
    for _ in range(nms.rounds):
        better = write.add("MatMul", suppresses, keep)  # (1, K, 1): kept boxes that suppress it
        keep = write.add("Relu", write.add("Sub", write.constant(1), better))
    write.add("Mul", scores, keep, output=scores_name)
    for value in graph.output:
        value.type.tensor_type.shape.dim[1].dim_value = count
    extended.metadata_props.add(key=NMS_KEY, value=nms.to_text())
    return extended


class NodeWriter:
    """Appends nodes and constants to a graph. Each call returns the name of what it made."""

    def __init__(self, graph: GraphProto, opset: int) -> None:
        self._graph, self._opset = graph, opset
        self._count = 0

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Append a node. Of TopK's two outputs the name returned is that of the indices."""
        self._count += 1
        output = output or f"nms_{kind.lower()}_{self._count}"
        outputs = [f"{output}_values", output] if kind == "TopK" else [output]
        name = f"node_{output}"
        self._graph.node.append(helper.make_node(kind, inputs, outputs, name=name, **attributes))
        return output

    def constant(self, values: ArrayLike, kind: type = np.float32) -> str:
        """Add a constant."""
        self._count += 1
        name = f"nms_constant_{self._count}"
        self._graph.initializer.append(numpy_helper.from_array(np.array(values, kind), name))
        return name

    def clip(self, values: str, low: float, high: float) -> str:
        """Limit values to a range."""
        return self.add("Clip", values, self.constant(low), self.constant(high))

    def columns(self, values: str, start: int, end: int) -> str:
        """Take a range of the last axis of (1, N, M)."""
        limits = [self.constant([limit], np.int64) for limit in (start, end, 2)]
        return self.add("Slice", values, *limits)

    def row_maximum(self, values: str) -> str:
        """Turn (1, N, M) into its maxima (1, N)."""
        if self._opset < 18:
            return self.add("ReduceMax", values, axes=[2], keepdims=0)
        return self.add("ReduceMax", values, self.constant([2], np.int64), keepdims=0)

    def pairwise(self, kind: str, values: str) -> str:
        """Combine each of (1, K, 1) with each: (1, K, K)."""
        return self.add(kind, values, self.add("Transpose", values, perm=[0, 2, 1]))


def _best_rows(write: NodeWriter, count: int, classes: int) -> str:
    """Return the indices (1, K) of the rows with the highest foreground scores, best first."""
    best = write.row_maximum(write.columns(ALL_SCORES, 1, classes))
    return write.add("TopK", best, write.constant([count], np.int64), axis=1)


def _take(
    write: NodeWriter, values: str, rows: str, shape: tuple[int, int, int], output: str = ""
) -> str:
    """Return these rows of (1, P, M): (1, K, M)."""
    taken = write.add("Gather", values, rows, axis=1)  # (1, 1, K, M)
    return write.add("Reshape", taken, write.constant(shape, np.int64), output=output)


def _overlapping(write: NodeWriter, boxes: str, iou_threshold: float) -> str:
    """Return (1, K, K) with 1 where the IoU of two boxes is over the threshold, else 0."""
    near = write.add("Mul", write.clip(boxes, NEAREST, FARTHEST), write.constant(SCALE))
    left, top, right, bottom = (write.columns(near, i, i + 1) for i in range(4))  # (1, K, 1)
    areas = write.add("Mul", write.add("Sub", right, left), write.add("Sub", bottom, top))
    sides = [
        write.add("Sub", write.pairwise("Min", far), write.pairwise("Max", near))
        for near, far in ((left, right), (top, bottom))
    ]
    intersections = write.add("Mul", *(write.add("Relu", side) for side in sides))
    unions = write.add("Sub", write.pairwise("Add", areas), intersections)
    unions = write.add("Max", unions, write.constant(SMALLEST_UNION))
    excess = write.add(
        "Sub", write.add("Div", intersections, unions), write.constant(iou_threshold)
    )
    for _ in range(2):
        excess = write.clip(write.add("Mul", excess, write.constant(STEEPNESS)), 0, 1)
    return excess


def _same_class(write: NodeWriter, scores: str, classes: int) -> str:
    """Return (1, K, K) with 1 where two rows have the same best foreground class, else 0."""
    foreground = write.columns(scores, 1, classes)
    best = write.add("TopK", foreground, write.constant([1], np.int64), axis=2)  # (1, K, 1)
    # Looking the class up in 0, 1, 2, ... turns its index into a float without a Cast.
    best = write.add("Gather", write.constant(np.arange(classes - 1)), best, axis=0)
    difference = write.clip(write.pairwise("Sub", best), -1, 1)
    differs = write.add("Mul", difference, difference)
    return write.add("Sub", write.constant(1), differs)
