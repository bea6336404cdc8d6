"""Are the outputs numbers that detectnet can take for scores and boxes?"""

from __future__ import annotations

from typing import Iterator, Sequence

import numpy as np

from vision.deploy.emulation.network_input import INPUT_NORMALISATION
from vision.deploy.readiness.candidate import ERROR, WARNING, Candidate, Finding

TOLERANCE = 1e-4
SUM_TOLERANCE = 1e-3
NORMALISATION_KEY = "input_normalisation"
PLAIN_PROBE = "zeros"


def probe_inputs(shape: Sequence[int], picture: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return tensors to try a file with: grey, black, white, noise, and a real picture if given.

    Args:
        shape: (B, 3, H, W) of the file's input.
        picture: (1, 3, H, W) float32 as `network_input` makes it.
    """
    noise = np.random.default_rng(0).uniform(-1, 1, shape)
    probes = {
        PLAIN_PROBE: np.zeros(shape),
        "minus ones": np.full(shape, -1.0),
        "ones": np.ones(shape),
        "noise": noise,
    }
    if picture is not None:
        probes["picture"] = np.repeat(picture, shape[0], axis=0)
    return {name: values.astype(np.float32) for name, values in probes.items()}


def check_finite(candidate: Candidate) -> Iterator[Finding]:
    """Look for numbers that are infinite or undefined."""
    for probe, outputs in candidate.outputs.items():
        bad = sum(int((~np.isfinite(values)).sum()) for values in outputs)
        if bad:
            message = f"all outputs must be finite, {bad} numbers are not for the probe '{probe}'"
            yield Finding("not-finite", ERROR, message)


def check_probabilities(candidate: Candidate) -> Iterator[Finding]:
    """Check that the softmax over the classes, background included, is in the graph."""
    for probe, (scores, _) in candidate.outputs.items():
        error = np.abs(scores.sum(axis=-1) - 1).max()
        if scores.min() < 0 or scores.max() > 1 or not error <= SUM_TOLERANCE:
            message = (
                f"the scores of a prior must be 0 to 1 and sum to 1, they are {scores.min():.3g} to"
                f" {scores.max():.3g} with sums up to {error:.3g} off for the probe '{probe}'"
            )
            yield Finding("scores", ERROR, message)
            return


def check_corners(candidate: Candidate) -> Iterator[Finding]:
    """Check that boxes are corners in fractions of the picture, not centres and not pixels."""
    for probe, (_, boxes) in candidate.outputs.items():
        upright = (boxes[..., 2:4] > boxes[..., 0:2]).all(axis=-1).mean()
        middle = np.median(np.abs(boxes))
        if upright < 0.999 or middle >= 2:
            message = (
                f"boxes must be x1, y1, x2, y2 in 0..1, {100 * upright:.1f} % have x1 < x2 and"
                f" y1 < y2 and the median coordinate is {middle:.3g} for the probe '{probe}'"
            )
            yield Finding("boxes", ERROR, message)
            return


def check_background(candidate: Candidate) -> Iterator[Finding]:
    """Check that nearly every prior says background, class 0, on a plain grey picture."""
    scores, _ = candidate.outputs[PLAIN_PROBE]
    share = (scores.argmax(axis=-1) == 0).mean()
    if share < 0.9:
        message = (
            f"class 0 should win on a plain grey picture, it does for {100 * share:.0f} % of the"
            " priors; the net is untrained, or its background is not the first class"
        )
        yield Finding("background", WARNING, message)


def check_parity(candidate: Candidate) -> Iterator[Finding]:
    """Compare with what the net itself computes."""
    for probe, differences in candidate.differences.items():
        for name, difference in zip(("scores", "boxes"), differences):
            if not difference <= TOLERANCE:
                message = (
                    f"{name} must equal the net's within {TOLERANCE:g}, they are"
                    f" {difference:.3g} off for the probe '{probe}'"
                )
                yield Finding("parity", ERROR, message)


def check_normalisation(candidate: Candidate) -> Iterator[Finding]:
    """Check that the file says that it was made for the numbers that detectnet feeds."""
    said = {entry.key: entry.value for entry in candidate.model.metadata_props}
    if said.get(NORMALISATION_KEY) != INPUT_NORMALISATION:
        message = (
            f"the file should say that it takes {INPUT_NORMALISATION}, which detectnet feeds;"
            " a net trained with other statistics fails there without a word"
        )
        yield Finding("normalisation", WARNING, message)


NUMBER_CHECKS = (
    check_finite,
    check_probabilities,
    check_corners,
    check_background,
    check_parity,
    check_normalisation,
)
