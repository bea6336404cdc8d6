"""Are the outputs numbers that detectnet can take for scores and boxes?

An error is what detectnet cannot use. What only may go wrong is a warning.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Iterator, NamedTuple, Sequence

import numpy as np
from onnx import ModelProto, TensorProto, helper

from vision.deploy.emulation.network_input import INPUT_NORMALISATION
from vision.deploy.nms import suppress_rows
from vision.deploy.onnx_reading import infer_shapes, metadata, open_session
from vision.deploy.readiness.candidate import (
    ERROR,
    WARNING,
    Candidate,
    Finding,
    largest_differences,
    with_outputs,
)
from vision.deploy.readiness.graph_checks import DOUBTFUL_HALF, LARGEST_HALF
from vision.deploy.readiness.probes import PLAIN_PROBE, SCENE_PROBE

NORMALISATION_KEY = "input_normalisation"
TOLERANCE = 1e-4
# A file may round as badly as float32 does in the net itself, whose operators run in another order.
TIMES_FLOAT32 = 10
SUM_TOLERANCE = 1e-3
UPRIGHT, MOSTLY_UPRIGHT = 0.999, 0.9  # shares of the boxes; centre form has far fewer
FRACTION_LIMIT = 2  # a median coordinate beyond is no fraction of the picture


def check_finite(candidate: Candidate) -> Iterator[Finding]:
    """Look for infinite and undefined weights and outputs; detectnet passes over such rows."""
    for name, values in candidate.constants.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            message = (
                f"all weights must be finite, '{name}' has {(~np.isfinite(values)).sum()} numbers"
                " that are not; the training diverged: export an earlier checkpoint"
            )
            yield Finding("not-finite", ERROR, message)
            return
    faults = []
    for probe, rows in candidate.rows.items():
        bad = ~np.isfinite(np.concatenate(rows, axis=-1)).all(axis=-1)
        if bad.any():
            message = (
                f"all outputs must be finite, {bad.sum()} of {bad.size} rows are not for the probe"
                f" '{probe}'; the net is untrained, or its training diverged: export an earlier"
                " checkpoint"
            )
            faults.append(Fault(message, is_severe=bool(bad.all())))
    yield from _judged("not-finite", faults, candidate)


def check_probabilities(candidate: Candidate) -> Iterator[Finding]:
    """Check that the softmax over the classes, background included, is in the graph."""
    faults = []
    for probe, (scores, _) in candidate.rows.items():
        scores = scores[np.isfinite(scores).all(axis=-1)]  # (N, C)
        error = np.abs(scores.sum(axis=-1) - 1).max(initial=0)
        low, high = scores.min(initial=0), scores.max(initial=0)
        if low < 0 or high > 1 + SUM_TOLERANCE or error > SUM_TOLERANCE:
            message = (
                f"the scores of a row must be 0 to 1 and sum to 1, they are {low:.3g} to"
                f" {high:.3g} with sums up to {error:.3g} off for the probe '{probe}'; end the"
                " graph with a softmax over the classes"
            )
            faults.append(Fault(message, is_severe=True))
    yield from _judged("scores", faults, candidate)


def check_corners(candidate: Candidate) -> Iterator[Finding]:
    """Check that boxes are corners in fractions of the picture, not centres and not pixels."""
    faults = []
    for probe, (_, boxes) in candidate.rows.items():
        boxes = boxes[np.isfinite(boxes).all(axis=-1)]  # (N, 4)
        if not len(boxes):
            continue
        # Rows that are background may say any numbers, also widths that float32 rounds to 0.
        upright = (boxes[:, 2:4] >= boxes[:, 0:2]).all(axis=-1).mean()
        middle = np.median(np.abs(boxes))
        if upright < UPRIGHT or middle >= FRACTION_LIMIT:
            message = (
                f"boxes must be x1, y1, x2, y2 in 0..1, {100 * upright:.1f} % have x1 <= x2 and"
                f" y1 <= y2 and the median coordinate is {middle:.3g} for the probe '{probe}'; if"
                " the net is trained, its boxes are centres or pixels: let the graph decode them"
            )
            is_severe = upright < MOSTLY_UPRIGHT or middle >= FRACTION_LIMIT
            # What the net itself puts out is in the right form; an untrained one exaggerates.
            faults.append(Fault(message, is_severe and not candidate.references))
    yield from _judged("boxes", faults, candidate)


class Fault(NamedTuple):
    """What one probe shows."""

    message: str
    is_severe: bool


def _judged(code: str, faults: Sequence[Fault], candidate: Candidate) -> Iterator[Finding]:
    """Report the worst fault: an error if detectnet cannot use the file for any of the probes."""
    if faults:
        is_useless = sum(fault.is_severe for fault in faults) == len(candidate.probes)
        worst = max(faults, key=attrgetter("is_severe"))
        yield Finding(code, ERROR if is_useless else WARNING, worst.message)


def check_background(candidate: Candidate) -> Iterator[Finding]:
    """Check that nearly every row says background, class 0, on a plain wall."""
    if PLAIN_PROBE not in candidate.probes:
        return
    share = (candidate.rows[PLAIN_PROBE].scores.argmax(axis=-1) == 0).mean()
    if share < 0.9:
        message = (
            f"class 0 should win on a plain wall, it does for {100 * share:.0f} % of the rows; the"
            " net is untrained (train it longer), or its background is not the first class"
        )
        yield Finding("background", WARNING, message)


def check_parity(candidate: Candidate) -> Iterator[Finding]:
    """Compare with the net in float64; what float32 is off sets how near is near enough.

    By luck, float32 may round well for the boxes of one picture. Scores and boxes come from the
    same maps, so the worst of both on all pictures says what the net makes of a rounding.
    """
    references = candidate.references.values()
    errors = [error for one in references for error in largest_differences(one.single, one)]
    rounding = max(errors, default=0.0)
    allowed = TOLERANCE + TIMES_FLOAT32 * rounding
    for probe, differences in candidate.differences.items():
        for name, difference in zip(("scores", "boxes"), differences):
            if not difference <= allowed:
                message = (
                    f"{name} must equal the net's within {allowed:.3g}, they are {difference:.3g}"
                    f" off for the probe '{probe}' (the net in float32: {rounding:.3g}); try"
                    " another --opset, and please report it"
                )
                yield Finding("parity", ERROR, message)


def check_nms(candidate: Candidate) -> Iterator[Finding]:
    """Compare NMS in the graph with its definition, on the rows that the graph itself made."""
    nms = candidate.nms
    if nms is None:
        return
    for probe, outputs in candidate.outputs.items():
        rows = candidate.rows[probe]
        if not np.isfinite(np.concatenate(rows, axis=-1)).all():
            continue
        wanted, boxes = suppress_rows(rows.scores[0], rows.boxes[0], nms)
        found = outputs.scores[0]
        lost = ((found < wanted).any(axis=-1)).sum()
        if lost or not np.array_equal(outputs.boxes[0], boxes):
            message = (
                f"NMS in the graph must keep what NMS keeps, {lost} boxes are lost for the probe"
                f" '{probe}'; export again with onnx_export.py --nms"
            )
            yield Finding("nms", ERROR, message)
            return
        extra = ((found > wanted).any(axis=-1)).sum()
        if extra:
            message = (
                f"NMS in the graph should settle every box in its {nms.rounds} rounds,"
                f" {extra} of {len(found)} stay that would go for the probe '{probe}'; in a"
                " trained net these have low scores, and --threshold removes them"
            )
            yield Finding("nms-rounds", WARNING, message)
            return


def check_half_activations(candidate: Candidate) -> Iterator[Finding]:
    """Look for values inside the net that FP16 cannot hold, or hardly."""
    if SCENE_PROBE not in candidate.probes:
        return
    session = open_session(_with_ranges(candidate.model).SerializeToString(), candidate.path)
    names = [value.name for value in session.get_outputs()][len(candidate.model.graph.output) :]
    tensor = candidate.probes[SCENE_PROBE]
    extremes = np.abs(session.run(names, {candidate.bindings.input: tensor}))
    largest = float(np.where(np.isfinite(extremes), extremes, np.inf).max())
    if largest > DOUBTFUL_HALF:
        fault = "overflow" if largest > LARGEST_HALF else "come near to that"
        message = (
            f"values inside the net should fit FP16 ({LARGEST_HALF:.0f} at most), which detectnet"
            f" uses on a Jetson; they reach {largest:.3g} for the probe '{SCENE_PROBE}' and"
            f" {fault}: compare what the Jetson shows with what run_ssd_example.py shows"
        )
        yield Finding("half-activation", WARNING, message)


def _with_ranges(model: ModelProto) -> ModelProto:
    """Return the graph with the largest and least value of every float32 tensor as outputs."""
    inferred = infer_shapes(model).graph
    tensors = [
        value.name
        for value in [*inferred.value_info, *inferred.output]
        if value.type.tensor_type.elem_type == TensorProto.FLOAT
    ]
    names = [f"{kind} of {tensor}" for kind in ("ReduceMax", "ReduceMin") for tensor in tensors]
    extended = with_outputs(model, names)
    for name in names:
        kind, tensor = name.split(" of ", 1)
        extended.graph.node.append(helper.make_node(kind, [tensor], [name], keepdims=0))
    return extended


def check_normalisation(candidate: Candidate) -> Iterator[Finding]:
    """Check that the file says that it was made for the numbers that detectnet feeds."""
    if metadata(candidate.model).get(NORMALISATION_KEY) != INPUT_NORMALISATION:
        message = (
            f"the file should say that it takes {INPUT_NORMALISATION}, which detectnet feeds; a net"
            " trained with other numbers finds nothing there: export with onnx_export.py, which"
            " puts the difference into the graph"
        )
        yield Finding("normalisation", WARNING, message)


NUMBER_CHECKS = (
    check_finite,
    check_probabilities,
    check_corners,
    check_background,
    check_parity,
    check_nms,
    check_half_activations,
    check_normalisation,
)
