"""Measure what NMS in the graph costs in onnxruntime, and where its rounds run out.

Usage:
    python3 benchmarks/nms_in_graph.py
    python3 benchmarks/nms_in_graph.py --net mb2-ssd-lite --runs 200

The time is that of the processor, on one core, the least of many runs in turns. To reach: under
5 % more for mb1-ssd. Rounds are counted on random boxes of the kind that a net makes: many about
each of a few objects.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from compared import Compared, hand_on

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

ROUNDS = (2, 4, 6, 8, 12, 16)
PRIORS = 1000
MOST_PERCENT = 5.0


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--net", default="mb1-ssd", help="(default: %(default)s)")
    parser.add_argument("--classes", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--candidates", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--runs", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=200, help="random ones, to count rounds on")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Print both tables; return 1 if NMS costs too much."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import torch

    from vision.deploy.export import build_model
    from vision.deploy.graph.suppression import add_nms
    from vision.deploy.nms import GraphNms
    from vision.ssd import create_net

    torch.manual_seed(0)
    net = create_net(args.net, args.classes + 1).eval()
    side = net.config.image_size
    plain = build_model(net, (1, 3, side, side), 11)
    print(f"{args.net}, {side} x {side}, {args.classes} classes, least of {args.runs} runs")
    nms = GraphNms(candidates=args.candidates)
    before, after = least_times([plain, add_nms(plain, nms)], args.runs)
    percent = 100 * (after / before - 1)
    print(f"  without NMS {1000 * before:7.2f} ms\n  with NMS    {1000 * after:7.2f} ms", end="")
    print(f"   {percent:.1f} % more (to reach: under {MOST_PERCENT:g} %)")

    what, times = f"{args.net} in onnxruntime, NMS in the graph", (1000 * after, 1000 * before)
    ours, plain_time = (f"{milliseconds:.2f} ms" for milliseconds in times)
    hand_on([Compared(what, ours, f"without {plain_time}", after / before, "at most 1.05")])

    print(f"\nrows that rounds leave unsettled, of {args.pictures} x 200")
    wrong = unsettled_rows(args.pictures, args.classes)
    for rounds, count in wrong.items():
        print(f"  {rounds:2} rounds {count:6}")
    return int(percent >= MOST_PERCENT)


def least_times(models: Sequence[ModelProto], runs: int) -> list[float]:
    """Return the least processor time of each model for one picture, in seconds."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    sessions = [
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers)
        for model in models
    ]
    shape = sessions[0].get_inputs()[0].shape
    picture = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    least = [float("inf")] * len(models)
    for _ in range(runs):
        for index, session in enumerate(sessions):
            start = time.process_time()
            session.run(None, {"input_0": picture})
            least[index] = min(least[index], time.process_time() - start)
    return least


def unsettled_rows(pictures: int, classes: int) -> dict[int, int]:
    """Count the rows that a number of rounds keeps and greedy NMS does not."""
    import numpy as np

    from vision.deploy.graph.suppression import add_nms
    from vision.deploy.nms import GraphNms, suppress_rows
    from vision.deploy.onnx_reading import open_session

    rng = np.random.default_rng(0)
    crowds = [crowded_rows(rng, classes + 1) for _ in range(pictures)]
    bare = pass_through(PRIORS, classes + 1)
    wrong = {}
    for rounds in ROUNDS:
        nms = GraphNms(rounds=rounds)
        session = open_session(add_nms(bare, nms).SerializeToString())
        wrong[rounds] = 0
        for scores, boxes in crowds:
            found = session.run(["scores"], {"s": scores[None], "b": boxes[None]})[0][0]
            expected = suppress_rows(scores, boxes, nms)[0]
            wrong[rounds] += int((found != expected).any(axis=1).sum())
    return wrong


def crowded_rows(rng: np.random.Generator, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (P, C) and boxes (P, 4) as of a net: many boxes about each of five objects."""
    import numpy as np

    centres, sizes = rng.uniform(0.2, 0.8, (5, 2)), rng.uniform(0.1, 0.4, (5, 2))
    which = rng.integers(0, 5, PRIORS)
    centres = centres[which] + rng.normal(0, 0.06, (PRIORS, 2))
    sizes = sizes[which] * rng.lognormal(0, 0.3, (PRIORS, 2))
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    return rng.dirichlet(np.ones(columns), PRIORS).astype(np.float32), boxes.astype(np.float32)


def pass_through(priors: int, columns: int) -> ModelProto:
    """Return a graph whose outputs are its inputs, as if a net had made them."""
    from onnx import TensorProto, helper

    shapes = {"s": columns, "b": 4, "scores": columns, "boxes": 4}
    s, b, scores, boxes = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, priors, width])
        for name, width in shapes.items()
    )
    nodes = [helper.make_node("Identity", [a], [c]) for a, c in (("s", "scores"), ("b", "boxes"))]
    graph = helper.make_graph(nodes, "rows", [s, b], [scores, boxes])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


if __name__ == "__main__":
    sys.exit(main(parse_args()))
