"""What train_ssd.py sets up before its loop: the options, the loaders, the net, the training."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

import torch

from vision.checkpoints.description import Description
from vision.checkpoints.detector import BEST, LAST, PREVIOUS, load_strictly
from vision.checkpoints.initial_weights import (
    initialise,
    load_base_net,
    load_imagenet,
    load_pretrained,
)
from vision.checkpoints.weights_file import epoch_of, read_weights
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.opening import Datasets
from vision.datasets.options import TRAINING_ARGUMENTS, options_of_run
from vision.loading.dataset import Transform
from vision.loading.loaders import EpochLoader, LoaderOptions
from vision.nn.multibox_loss import MultiboxLoss
from vision.ssd import NETS, resolve_net
from vision.ssd.ssd import SSD
from vision.training import optimization
from vision.training.assignment import ASSIGNMENTS
from vision.training.averaging import WeightAverage
from vision.training.compute.compiling import compiled
from vision.training.compute.engine import least_batch, make_engine
from vision.training.compute.half_backbone import with_half_backbone
from vision.training.compute.launching import is_restart, may_restart
from vision.training.compute.processes import (
    from_main,
    gather_values,
    is_main,
    process_count,
    process_rank,
    wrap,
)
from vision.training.machine.machine import tool_versions
from vision.training.machine.sizing import choose_sizes
from vision.training.model_folder.state import (
    ENDING,
    Progress,
    SavedState,
    explain_run,
    find_state,
    holds_run,
    own_state_in,
)
from vision.training.options import AUTO, NO_FILE, OF_THE_PAPER, TrainOptions
from vision.training.prior_choice import choose_config, config_to_go_on
from vision.training.steps import Training
from vision.training.validation import what_is_measured
from vision.training.weights_alone import require_same_to_learn
from vision.transforms import EvalTransform, TrainTransform
from vision.transforms.albumentations_file import AlbumentationsTransform
from vision.transforms.augmentation import GEOMETRY, GEOMETRY_OF_THE_PAPER
from vision.utils.files import require_regular

# What scores follow from, to compare with a state that does not say what its own are of.
MEASURED_BY = ("validation_mean_ap", "validation_dataset", "datasets", "val_split", "seed", "exif")
IMAGENET = "imagenet"  # --base-net: torchvision's weights

logger = logging.getLogger(__name__)


class Loaders(NamedTuple):
    """Where the batches come from."""

    train: EpochLoader
    validation: EpochLoader


def earlier_devices(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return on what the run that goes on has computed, by option; nothing where no file says it.

    It is asked before there are the processes that read the whole state.

    Raises:
        ValueError: if the file cannot be read.
    """
    options = TrainOptions.of(typed)
    path = options.resume_from
    if path is None:
        return {}
    run = options_of_run(path)
    saved: dict[str, Any] = {name: run[name] for name in ("gpus", "use_cuda") if name in run}
    try:
        TrainOptions.of(saved)
    except ValueError as error:
        folder = path if path.is_dir() else path.parent
        raise ValueError(f"{folder / TRAINING_ARGUMENTS} cannot be used: {error}") from None
    return saved


def options_and_state(typed: Mapping[str, Any]) -> tuple[TrainOptions, SavedState | None]:
    """Return all options, and the state of the run to go on with; None for a run that begins.

    Raises:
        ValueError: if there is no such state, or an option cannot be used.
    """
    options = TrainOptions.of(typed)
    folder = options.checkpoint_folder
    path = options.resume_from
    if is_restart():
        path = own_state_in(folder, options.overwrite) or path
    # An agent that has come later was told to resume, and counts no restarts; one that another
    # agent made start again was not, nor does it: what one process knows holds for all.
    path = next((one for one in gather_values(path) if one is not None), None)
    saved = None
    if path is not None:
        logger.info("Resume from the model %s", path)
        saved = from_main(find_state(path) if is_main() else None)
    if saved and path:
        if "checkpoint_folder" not in typed and (path.is_dir() or path.name in (LAST, PREVIOUS)):
            typed = {**typed, "checkpoint_folder": saved.path.parent}  # it may have been renamed
        options = TrainOptions.resumed(saved.arguments, typed)
        logger.info("The run goes on in %s", options.checkpoint_folder)
        now, before = options.saved(), TrainOptions.resumed(saved.arguments, {}).saved()
        for name in saved.arguments:
            if name in now and now[name] != before[name]:
                logger.info("Changed: %s is %s, was %s", name, now[name], before[name])
    options = options.replace(net=resolve_net(options.net))
    options.require_sensible()
    if saved is None:
        require_named_files(options)
    folder = options.checkpoint_folder
    if not _goes_on_in(folder, saved) and not options.overwrite and holds_run(folder):
        raise ValueError(explain_run(folder, None if saved else path))
    return options, saved


def _goes_on_in(folder: Path, saved: SavedState | None) -> bool:
    return saved is not None and saved.path.parent.resolve() == folder.resolve()


def mark_old_run(folder: Path, saved: SavedState | None) -> None:
    """Mark that a folder holds what the new run will remove, for a restart before it has."""
    is_first = may_restart() and not is_restart() and is_main()
    if is_first and folder.is_dir() and not _goes_on_in(folder, saved):
        (folder / ENDING).touch()


def require_named_files(options: TrainOptions) -> None:
    """Check that what the options name is there, before the pictures are looked through.

    Raises:
        ValueError: naming the first that is not, or is no file.
    """
    named = (options.base_net, options.pretrained_ssd, options.augmentation)
    for one in named:
        if one and one not in (IMAGENET, AUTO, NO_FILE, OF_THE_PAPER):
            if not Path(one).exists():
                fetch = ", or leave --pretrained-ssd out: what is published for the net is fetched"
                advice = fetch if one == options.pretrained_ssd else ""
                raise ValueError(f"there is no file {one}; check the path{advice}")
            require_regular(one)
    for place in (options.teacher, *options.unlabelled):
        if place and not place.exists():
            raise ValueError(f"there is no {place}; check the path of --teacher and --unlabelled")


def with_sizes(options: TrainOptions, pictures: int, device: torch.device) -> TrainOptions:
    """Return the options with numbers in the place of "auto"; `pictures` are trained on."""
    sizes = from_main(choose_sizes(options, pictures, device))
    return options.replace(batch_size=sizes.batch_size, num_workers=sizes.workers)


def make_loaders(options: TrainOptions, data: Datasets, device: torch.device) -> Loaders:
    """Return the loaders of the training and the validation part."""
    batch_size = int(options.batch_size)
    of_validation = LoaderOptions(
        batch_size,  # what memory holds at a time
        int(options.num_workers),
        device,
        options.seed,
        process_rank(),
        process_count(),
    )
    of_training = replace(of_validation, batch_size=batch_size * options.accumulate)
    train = EpochLoader(data.train, training_transform(options), of_training, shuffle=True)
    validation = EpochLoader(data.validation, EvalTransform(options.resolution), of_validation)
    return Loaders(train, validation)


def training_transform(options: TrainOptions) -> Transform:
    """Return how a picture becomes a training sample, as --augmentation says.

    Raises:
        ValueError: if the file of a pipeline cannot be used.
    """
    if options.augmentation and options.augmentation != OF_THE_PAPER:
        return AlbumentationsTransform(Path(options.augmentation), options.resolution)
    geometry = GEOMETRY_OF_THE_PAPER if options.augmentation else GEOMETRY
    fill_colour = NETS[options.net].config(options.resolution).fill_colour
    return TrainTransform(options.resolution, fill_colour, geometry)


def make_net(
    options: TrainOptions, data: Datasets, saved: SavedState | None, pretrained: Path | None = None
) -> tuple[SSD, Description]:
    """Build the net, with its initial weights if the run begins; return it and its description.

    Args:
        options: of the run.
        data: whose class names the net learns, and whose boxes decide about fitted priors.
        saved: of the run that goes on.
        pretrained: a detector to start from, if the options name no other weights.

    Raises:
        ValueError: if the net does not fit the state of the run, or its weights cannot be used.
    """
    logger.info("Build network.")
    if not saved and options.resume_from is not None:
        require_same_to_learn(options.resume_from, options.net, data.class_names)
    if saved:
        config = config_to_go_on(options, saved.description)
    else:
        config = choose_config(options, data.train, options.resume_from or pretrained)
    description = Description(
        options.net,
        tuple(data.class_names),
        config,
        options.mb2_width_mult,
        versions=tool_versions(),
    )
    if saved:
        saved.description.require_same(description)
    net = description.create()
    if len(data.train) < least_batch(net):
        raise ValueError(
            f"there is {len(data.train)} picture to train on, and {options.net} learns from no "
            "fewer than two at a time; add pictures (a hundred for each class is a start), or give "
            "fewer to the validation with --val-split"
        )
    if not saved:
        started = time.monotonic()
        initialise(net)
        load_initial_weights(options, net, data.class_names, pretrained)
        logger.info("Took %.2f seconds to load the model.", time.monotonic() - started)
    return net, description


def load_initial_weights(
    options: TrainOptions, net: SSD, class_names: Sequence[str], pretrained: Path | None
) -> None:
    """Load what --resume (a file of weights), --base-net or --pretrained-ssd name, in this order.

    Raises:
        ValueError: if a file cannot be read, or is of another net.
    """
    if options.resume_from is not None:
        weights, _ = read_weights(options.resume_from)
        load_strictly(net, weights, options.resume_from)
        logger.warning("%s has weights only; the optimizer starts anew", options.resume_from)
    elif options.base_net:
        logger.info("Init from base net %s", options.base_net)
        if options.pretrained_ssd not in (None, AUTO, NO_FILE):
            logger.warning(
                "--pretrained-ssd %s is not loaded, as --base-net is; name only one of them",
                options.pretrained_ssd,
            )
        if options.base_net == IMAGENET:
            load_imagenet(net, options.net)
        else:
            load_base_net(net, options.base_net)
    elif pretrained:
        logger.info("Init from pretrained ssd %s", pretrained)
        taken = load_pretrained(net, options.net, pretrained, class_names)
        logger.info("Took %s.", taken)
    else:
        logger.warning("%s starts from random weights; --base-net FILE learns faster", options.net)
        if options.freeze_base_net or options.freeze_net:
            logger.warning(
                "Its backbone is frozen, so it will never learn anything: name weights for it, or "
                "leave out --freeze-base-net and --freeze-net"
            )


def make_training(net: SSD, options: TrainOptions, steps_per_epoch: int) -> Training:
    """Choose what is frozen, the learning rates, the optimizer and the schedule of a net.

    Args:
        net: on its device.
        options: of the run.
        steps_per_epoch: batches of the whole training part.
    """
    if options.freeze_base_net or options.freeze_net:
        optimization.freeze(net, ["base_net"])
    if options.freeze_net:
        optimization.freeze(net, ["extras", "source_layer_add_ons"])
    rates = options.peak_rates()
    logger.info(
        "Learning rate: %g, Base net learning rate: %g, Extra Layers learning rate: %g.",
        rates.headers,
        rates.base_net,
        rates.extras,
    )
    logger.info("Uses %s and the %s learning rate schedule.", options.optimizer, options.scheduler)
    warm_up, run = options.warm_up, options.num_epochs * steps_per_epoch
    if warm_up >= run:
        warm_up = run // 10
        logger.warning(
            "The warm-up of %d steps is longer than the run, which has %d; it now takes %d",
            options.warm_up,
            run,
            warm_up,
        )
    groups = optimization.parameter_groups(net, rates, options.weight_decay)
    device = next(net.parameters()).device
    engine = make_engine(net, device, int(options.batch_size), not options.no_amp)
    training = Training(
        net,
        MultiboxLoss(object_balance=options.balance_of_objects),
        optimization.OPTIMIZERS[options.optimizer](groups, options),
        optimization.Schedule.of(options.replace(warm_up=warm_up), steps_per_epoch),
        WeightAverage(net, options.average_decay) if options.average_decay else None,
        options.clip_gradients,
        engine,
        ASSIGNMENTS[options.assignment],
    )
    engine.model = wrap(with_half_backbone(net, options.half_backbone), options.sync_bn)
    if options.compile_net:
        engine.compiled = compiled(engine.model)
    return training


def begin_or_go_on(
    training: Training,
    options: TrainOptions,
    saved: SavedState | None,
    steps_per_epoch: int,
    validation: AnnotationIndex,
) -> Progress:
    """Return how far the run is, and put the state that it goes on from into the training.

    Args:
        training: that has just been made.
        options: of the run.
        saved: of the run that goes on.
        steps_per_epoch: batches of the whole training part.
        validation: the pictures to validate on.
    """
    progress = Progress()
    if saved:
        saved.restore(training)
        progress = saved.progress
    elif options.resume_from is not None:
        progress.begin(epoch_of(options.resume_from) + 1)
        progress.judged_from = progress.epoch
    progress.fit_epochs(training, steps_per_epoch)
    measured = what_is_measured(validation, options)
    why = _why_judged_anew(options, saved, measured) if saved else ""
    if why and progress.epoch < options.num_epochs:
        progress.judge_anew(why)
    progress.measured = measured
    if progress.epoch >= options.num_epochs:
        logger.warning(
            "The run has had its %d epochs, so there is nothing to train; to go on, give more by "
            "--epochs",
            progress.epoch,
        )
    return progress


def _why_judged_anew(options: TrainOptions, saved: SavedState, measured: str) -> str:
    """Say why a run cannot go on with its best score; "" where it can."""
    if saved.progress.measured:
        is_same = saved.progress.measured == measured
    else:
        before = TrainOptions.resumed(saved.arguments, {}).saved()
        now = options.saved()
        is_same = all(now[name] == before[name] for name in MEASURED_BY)
    if not is_same:
        return "The run now validates on other pictures, or measures something else"
    best = saved.path.with_name(BEST)
    return "" if from_main(best.is_file()) else f"There is no {best} any more"
