"""Measure detectors on annotated pictures: how good, where they fail, what a Jetson will show.

Usage:
    python3 eval_ssd.py --model-dir=models/fruit
    python3 eval_ssd.py --model models/fruit/ssd-mobilenet.onnx --dataset=data/fruit --pipeline=both
    python3 eval_ssd.py --model models/a models/b --dataset=data/fruit
    python3 eval_ssd.py --detections board.json --labels=models/fruit/labels.txt --data=data/fruit

Takes .pth, .onnx, model directories, and files of detections. A model directory says what it was
trained on, so that --dataset may be left out. Prints the figures and a verdict, and writes
report.html, results.json, results.csv and plots into --eval-dir.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence

from vision.datasets.options import DataOptions
from vision.datasets.run_data import RunData, data_of_run
from vision.evaluation.options import (
    RESULTS_FOLDER,
    MeasuredOptions,
    MeasureOptions,
    OutputOptions,
    SpeedOptions,
)
from vision.utils.buckets import full_path
from vision.utils.cli import parse_options, run_main, set_up_logging
from vision.utils.options import LogOptions, OneOf, add_options, option, path
from vision.utils.threads import share_cores

if TYPE_CHECKING:
    from torch import Tensor

    from vision.checkpoints.detector import OpenDetector
    from vision.datasets.index.annotation_index import AnnotationIndex
    from vision.deploy.emulation.clustering import PostProcessing
    from vision.deploy.outputs import Outputs
    from vision.evaluation.collection import EvaluatedPicture
    from vision.evaluation.judge import Judge, Normalisation
    from vision.evaluation.matching import GroundTruth
    from vision.evaluation.report.tables import Entry
    from vision.ssd.predictor import Predictor
    from vision.structures import Detections

logger = logging.getLogger("eval_ssd")

LOWEST_SCORE = 0.01  # of detections that are ranked
TRIAL_PICTURES = 32  # to find out whether pictures have to be normalised otherwise
TUNING_PICTURES = 200  # to find detectnet's settings


@dataclass(frozen=True)
class EvalDataOptions(DataOptions):
    """What it is measured on; what is not typed is as the model was trained."""

    datasets: tuple[Path, ...] = option(
        (Path("data"),),
        *("--dataset", "--datasets", "--data"),
        nargs="+",
        kind=path,
        metavar="FOLDER",
        help="dataset folders",
    )
    split: str = option(
        "test",
        kind=OneOf("train", "val", "test", "all"),
        help="pictures to measure on; if there is no test part, those of val",
    )


@dataclass(frozen=True)
class EvalOptions(
    LogOptions, SpeedOptions, OutputOptions, MeasureOptions, EvalDataOptions, MeasuredOptions
):
    """Everything that eval_ssd.py can be told."""

    @property
    def models(self) -> tuple[Path, ...]:
        """Return the detectors to run."""
        return self.model or ((self.model_dir,) if self.model_dir else ())


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read what was typed; the defaults stand in EvalOptions."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add_options(parser, EvalOptions)
    args = parse_options(parser, argv, EvalOptions)
    options = EvalOptions.of(vars(args))
    if options.model and options.model_dir:
        parser.error("name detectors by --model, or one folder by --model-dir, not both")
    detectors = len(options.models) + len(options.detections)
    if not detectors:
        parser.error("name a detector by --model-dir or --model, or a file by --detections")
    if options.save_detections and (detectors > 1 or options.pipeline == "both"):
        parser.error("--save-detections is for one detector and one --pipeline")
    if options.clustering is not None and options.pipeline == "nms":
        parser.error("--clustering needs --pipeline=detectnet or --pipeline=both")
    return args


def main(args: argparse.Namespace) -> None:
    """Open the data and the detectors, measure, print, and write the results."""
    options, run = with_training_data(vars(args))
    set_up_logging(options.log_level)
    share_cores()
    from vision.checkpoints.detector import detector_file
    from vision.evaluation.detector_names import detector_names
    from vision.evaluation.report.files import write_results, write_tensorboard
    from vision.evaluation.report.tables import result_lines
    from vision.utils.files import require_place

    files = [detector_file(model) for model in options.models]  # before the data take their time
    for file in options.detections:
        if not file.is_file():
            raise FileNotFoundError(f"there is no file of detections {file.absolute()}")
    detector = (*files, *options.detections)[0]
    folder = options.eval_dir or detector.parent / RESULTS_FOLDER
    require_place(folder, is_folder=True)
    if options.save_detections:
        require_place(options.save_detections)
    data = open_data(options, run)
    names = detector_names(files, options.detections)
    entries: list[Entry] = []
    for file, name in zip(files, names):
        entries += measure_model(file, name, data, options)
    for file, name in zip(options.detections, names[len(files) :]):
        entries.append(measure_file(file, name, data, options))
    print("\n".join(["", *result_lines(entries), ""]))

    folders = ", ".join(dataset.resolve().name for dataset in options.datasets)
    title = None if options.no_report else f"{detector.resolve().name} on {folders}"
    write_results(folder, entries, title, options.save_detections)
    if options.tensorboard:
        write_tensorboard(folder / "tensorboard", entries)
    logger.info("Results written to %s", folder.absolute())


def with_training_data(typed: Mapping[str, Any]) -> tuple[EvalOptions, RunData]:
    """Return the options; what is not typed of the data is as the first model was trained.

    Returns:
        Also what that training says of its data.
    """
    options = EvalOptions.of(typed)
    if not options.models:
        return options, RunData()
    named = options.datasets if "datasets" in typed else ()
    run = data_of_run(options.models[0], named, options.split)
    saved = {**run.options, "datasets": run.folders} if run.folders else run.options
    return EvalOptions.of(saved, typed), run


@dataclass(frozen=True, eq=False)
class EvalData:
    """The pictures to measure on, with the classes that the dataset has."""

    index: AnnotationIndex
    pictures: list[EvaluatedPicture]

    def truths(self, class_names: Sequence[str]) -> list[GroundTruth]:
        """Return the objects of these classes in each picture, labelled in their order."""
        from vision.evaluation.matching import GroundTruth

        pairs = zip(self.index.with_classes(class_names), self.pictures)
        return [
            GroundTruth(one.boxes_in_pixels(facts.width, facts.height), one.labels, one.difficult)
            for one, facts in pairs
        ]

    def select(self, rows: Sequence[int]) -> EvalData:
        """Return the pictures of these rows."""
        import numpy as np

        index = self.index.select(np.array(rows, dtype=np.int64))
        return EvalData(index, [self.pictures[row] for row in rows])


def open_data(options: EvalOptions, run: RunData) -> EvalData:
    """Open the split, with the classes of the dataset."""
    from vision.datasets.opening import open_split
    from vision.evaluation.collection import EvaluatedPicture

    index = open_split(
        options.datasets,
        options.dataset_type,
        options.split,
        selection=run.selection(options),
        pictures=options.picture_checks(),
    )
    if not len(index):
        raise ValueError(f"there is no picture to measure on in the {options.split} part")
    rows = zip(index.image_ids, index.paths, index.sizes.tolist())
    pictures = [
        EvaluatedPicture(name, file, width, height, index.upright)
        for name, file, (width, height) in rows
    ]
    return EvalData(index, pictures)


def make_judge(
    data: EvalData, class_names: Sequence[str], options: EvalOptions, resolution: int | None
) -> Judge:
    """Return what the detections of a detector with these classes are held against."""
    from vision.evaluation.class_matching import match_classes
    from vision.evaluation.judge import Judge
    from vision.evaluation.measure import MeasureSettings

    matching = match_classes(class_names, data.index.boxes_per_class())
    matching.require_shared()
    settings = MeasureSettings(
        options.iou_threshold, options.use_2007_metric, options.conf, resolution
    )
    facts = {
        "datasets": [full_path(dataset) for dataset in options.datasets],
        "split": options.split,
        "pictures": len(data.pictures),
        "resolution": resolution,
        "classes": options.classes,
        "class_map": options.class_map,
    }
    known = {name: value for name, value in facts.items() if value}
    truths = data.truths(class_names)
    return Judge(data.pictures, truths, class_names, matching, settings, known)


def measure_file(file: Path, name: str, data: EvalData, options: EvalOptions) -> Entry:
    """Measure detections that were collected before, perhaps on the board."""
    from vision.evaluation.detections_file import read_detections
    from vision.evaluation.verdict import advice_about_file, verdict
    from vision.utils.labels import read_labels

    stored = read_detections(file, read_labels(options.labels) if options.labels else None)
    divided = stored.divide(data.pictures)
    seen = [row for row, found in enumerate(divided) if found is not None]
    notes = []
    if len(seen) < len(divided):
        notes.append(f"{name} lists {len(seen):,} of {len(divided):,} pictures: these count.")
    unknown = stored.unknown(data.pictures)
    if unknown:
        notes.append(f"{len(unknown):,} pictures are not measured on, such as {unknown[0]}.")
    judge = make_judge(data.select(seen), stored.class_names, options, resolution=None)
    facts = {"detections": str(file.absolute())}
    entry = judge.entry(name, [found for found in divided if found is not None], facts)
    sentences = verdict(entry.evaluation, advice_about_file(entry.evaluation))
    return replace(entry, verdict=sentences, notes=[*notes, *entry.notes])


def measure_model(file: Path, name: str, data: EvalData, options: EvalOptions) -> list[Entry]:
    """Run a detector on all pictures, and measure what each pipeline makes of it."""
    from vision.deploy.emulation.clustering import PostProcessing
    from vision.deploy.emulation.pictures import show_pictures
    from vision.evaluation.verdict import explain_hopeless, verdict

    loaded = load_model(file, options)
    predictor = loaded.predictor
    judge = make_judge(data, loaded.class_names, options, predictor.image_size)
    prefix = f"{name} " if len(options.models) + len(options.detections) > 1 else ""
    facts: dict[str, Any] = {"model": str(file.absolute())}
    entries = []
    if options.pipeline != "detectnet":
        found = detect_with_nms(predictor, data, options)
        about = {**facts, "pipeline": "nms", "nms_method": options.nms_method}
        title = name if options.pipeline == "nms" else f"{prefix}NMS"
        entry = judge.entry(title, found, about)
        if explain_hopeless(entry.ranking):
            advice = advice_about_input(predictor, judge, data, options)
            entry = replace(entry, verdict=verdict(entry.evaluation, advice))
        entries.append(entry)
    if options.pipeline != "nms":
        # Average precision is of all boxes from a low score on, merged as detectnet does.
        usual = PostProcessing()
        best = suggested_settings(predictor, judge, data, options, file)
        kinds = [usual] if best == usual else [usual, best]
        ranked = [replace(one, threshold=LOWEST_SCORE) for one in kinds]
        outputs = net_outputs(predictor, data, options)
        passes = show_pictures(outputs, data.pictures, loaded.class_names, [*kinds, *ranked])
        for one, shown, all_found in zip(kinds, passes, passes[len(kinds) :]):
            about = {**facts, "pipeline": "detectnet", **asdict(one), "ranked_from": LOWEST_SCORE}
            title = f"{prefix}detectnet {one.threshold:g} {one.clustering:g}"
            entries.append(judge.entry(title, shown, about, one.threshold, all_found))
    return entries


def advice_about_input(
    predictor: Predictor, judge: Judge, data: EvalData, options: EvalOptions
) -> str | None:
    """Return what to do if a hopeless net is damaged, or works with another normalisation."""
    import torch

    from vision.ssd.predictor import Predictor

    some = data.select(range(min(TRIAL_PICTURES, len(data.pictures))))
    for images in image_batches(predictor, some, options):
        if torch.isnan(predictor.scores_and_boxes(images)[0]).any():
            return "Its scores are no numbers (NaN): the weights are damaged, train again."

    def detect(normalisation: Normalisation) -> list[Detections]:
        parts = predictor.detect, predictor.image_size, *normalisation
        return detect_with_nms(Predictor(*parts, device=predictor.device), some, options)

    return judge.advice_about_input(detect)


def suggested_settings(
    predictor: Predictor, judge: Judge, data: EvalData, options: EvalOptions, file: Path
) -> PostProcessing:
    """Return detectnet's settings: typed ones, those that the file says, or else the best found."""
    from vision.deploy.emulation.clustering import (
        PostProcessing,
        recommended_settings,
        typed_settings,
    )
    from vision.deploy.onnx_reading import metadata, read_model
    from vision.deploy.tuning import NEEDED_OBJECTS, best_settings

    settings = None
    if options.conf is not None and options.clustering is not None:
        return typed_settings(options.conf, options.clustering)
    if file.suffix.lower() == ".onnx":
        settings = recommended_settings(metadata(read_model(file)), file)
    if settings is None and judge.objects >= NEEDED_OBJECTS:
        rows = range(0, len(data.pictures), -(-len(data.pictures) // TUNING_PICTURES))
        some, truths = data.select(rows), [judge.truths[row] for row in rows]
        outputs = net_outputs(predictor, some, options)
        settings = best_settings(outputs, some.pictures, truths, judge.class_names)
    settings = settings or PostProcessing()
    return typed_settings(
        settings.threshold if options.conf is None else options.conf,
        settings.clustering if options.clustering is None else options.clustering,
    )


def load_model(file: Path, options: EvalOptions) -> OpenDetector:
    """Load a .pth or a .onnx."""
    from vision.checkpoints.detector import EXPORTED, open_detector
    from vision.utils.device import select_device
    from vision.utils.nms import Suppression

    device = select_device(options.use_cuda and file.suffix.lower() != EXPORTED)
    loaded = open_detector(file, options, Suppression(method=options.nms_method), device)
    side = loaded.predictor.image_size
    logger.info("Loaded %s, %d x %d pixels.", file.absolute(), side, side)
    return loaded


def image_batches(
    predictor: Predictor, data: EvalData, options: EvalOptions, interpolation: str = "linear"
) -> Iterator[Tensor]:
    """Yield the pictures (B, 3, S, S) uint8 RGB, with a progress bar on a terminal."""
    from tqdm import tqdm

    from vision.loading.loaders import EpochLoader, LoaderOptions
    from vision.transforms import EvalTransform

    # On a CPU the maps of a larger batch no longer fit its cache.
    batch_size = options.batch_size or (32 if predictor.device.type == "cuda" else 4)
    workers = min(options.num_workers, -(-len(data.index) // batch_size))
    transform = EvalTransform(predictor.image_size, interpolation)
    loader = EpochLoader(
        data.index, transform, LoaderOptions(batch_size, workers, predictor.device)
    )
    for batch in tqdm(loader, "Evaluating", unit="batch", disable=not sys.stderr.isatty()):
        yield batch.images


def detect_with_nms(predictor: Predictor, data: EvalData, options: EvalOptions) -> list[Detections]:
    """Return what is found in each picture, in its pixels; boxes are not clipped to it."""
    found: list[Detections] = []
    for images in image_batches(predictor, data, options):
        for one in predictor.predict_tensor(images):
            facts = data.pictures[len(found)]
            boxes = one.boxes / one.boxes.dtype.type(images.shape[-1])
            boxes *= (facts.width, facts.height) * 2
            found.append(replace(one, boxes=boxes))
    return found


def net_outputs(predictor: Predictor, data: EvalData, options: EvalOptions) -> Iterator[Outputs]:
    """Yield scores (P, C) and boxes (P, 4) of each picture, shrunk as detectnet does."""
    from vision.deploy.outputs import Outputs

    for images in image_batches(predictor, data, options, "nearest"):
        scores, boxes = predictor.scores_and_boxes(images)
        yield from map(Outputs, scores.cpu().numpy(), boxes.cpu().numpy())


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
