"""Train an SSD on pictures of your own, by transfer learning or from scratch.

Usage:
    python3 train_ssd.py --data=data/fruit --model-dir=models/fruit --batch-size=4 --epochs=30
    python3 train_ssd.py --data data/a data/b --net mb2-ssd-lite --base-net mobilenet_v2.pth
    python3 train_ssd.py --model-dir=models/fruit --resume --epochs=60

Writes into the model directory: labels.txt, weights after every validation, best.pth (the best so
far by mAP), last.pth (to resume from), results.csv and training_args.json.
"""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
import time
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

from vision.training.options import OPTIONS, check_values, sizes_before
from vision.utils.cli import parse_options, run_main, set_up_logging
from vision.utils.threads import share_cores

logger = logging.getLogger("train_ssd")

# What a resumed run does not take over from the one before.
NOT_SAVED = ("typed", "resume", "debug", "log_level")
INTERRUPTED = 130  # exit status, as of a program that Ctrl+C ended


def parse_args(argv: list[str] | None = None, saved: dict | None = None) -> argparse.Namespace:
    """Read the options; `saved` ones of a run that is resumed take the place of the defaults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for title, options in OPTIONS.items():
        group = parser.add_argument_group(title)
        for names, what in options:
            group.add_argument(*names, **what)
    parser.set_defaults(**(saved or {}))
    args = parse_options(parser, argv)
    vars(args).update(sizes_before(vars(args), saved or {}))
    args.typed = sys.argv[1:] if argv is None else argv
    return args


def main(args: argparse.Namespace) -> int:
    """Open the data, build the net, train it, validate it, keep the best."""
    set_up_logging(args.log_level)
    share_cores()
    from vision.training.compute import launching
    from vision.training.compute.world import join_world

    if launching.is_settled():
        return 0
    if args.resume is not None:
        args = parse_args(args.typed, launching.devices_before(args.resume, args.checkpoint_folder))
    processes = launching.number_of_processes(args.gpus, args.use_cuda)
    if processes > 1 and not args.lr_finder:
        return launching.start_processes(processes, args.typed)
    with launching.settled_failures(), join_world(args.use_cuda) as world:
        finished = train(args, world)
    return 0 if finished else launching.settle(INTERRUPTED)


def train(args: argparse.Namespace, world) -> bool:
    """Train as one of the processes of a world; return False for a run that was interrupted."""
    import torch

    from vision.training.compute.engine import make_engine
    from vision.training.learning_rate_finder import suggest_learning_rate
    from vision.training.machine.preflight import preflight
    from vision.training.model_folder.state import Progress, fit_epochs
    from vision.training.recipe import Recipe, make_training
    from vision.training.run import Run, Settings
    from vision.utils.device import select_device

    if not world.is_main:  # it would say everything once more
        logging.getLogger().setLevel("ERROR")
    args, state = resumed(args, world)
    check_values(vars(args))
    torch.manual_seed(args.seed)
    device = select_device(args.use_cuda, world.local_rank)
    preflight(device, args.checkpoint_folder, args.net, args.keep)

    with world.main_first():  # it fills the cache of what the pictures are
        datasets = open_checked(args, world)
    loaders = make_loaders(args, datasets, device, world)
    index, steps_per_epoch = loaders.train.index, len(loaders.train)
    net, description = make_net(args, index, state)
    net = net.to(device, memory_format=torch.channels_last)
    if args.lr_finder:
        make = partial(make_training, recipe=chosen(Recipe, args), steps_per_epoch=steps_per_epoch)
        suggest_learning_rate(make, net, loaders.train, args.checkpoint_folder)
        return True
    engine = make_engine(net, world, device, args.batch_size, not args.no_amp)
    training = make_training(net, chosen(Recipe, args), steps_per_epoch, engine)
    engine.model = world.wrap(net, args.sync_bn)
    progress = Progress()
    if state:
        state.restore(training)
        progress = state.progress
    fit_epochs(training, progress, steps_per_epoch)
    folder = open_run_folder(args, index.class_names, progress, world)
    run = Run(training, description, progress, folder, loaders, chosen(Settings, args))
    finished = run.train()
    if world.is_main:
        report(args, run, finished)
    return finished


def resumed(args: argparse.Namespace, world):
    """Return the arguments and the state of the run to resume; those given and None without one."""
    from vision.checkpoints.detector import LAST, PREVIOUS
    from vision.ssd import resolve_net
    from vision.training.compute.launching import is_restart
    from vision.training.model_folder.kaboom_state import find_resumable

    path = args.checkpoint_folder if args.resume == "" else args.resume
    if is_restart() and any((args.checkpoint_folder / name).is_file() for name in (LAST, PREVIOUS)):
        path = args.checkpoint_folder
    state = None
    if path is not None:
        logger.info("Resume from the model %s", path)
        state = find_resumable(Path(path)) if world.is_main else None
    state = world.from_main(state)
    if state:
        args = parse_args(args.typed, saved=state.arguments)
        for name, value in plain_values(args).items():
            if value != state.arguments.get(name, value):
                logger.info("Changed: %s is %s, was %s", name, value, state.arguments[name])
    args.net = resolve_net(args.net)
    return args, state


def plain_values(args: argparse.Namespace) -> dict:
    """Return what a resumed run takes over, paths in full: it may start in another folder."""
    values = {name: value for name, value in vars(args).items() if name not in NOT_SAVED}
    values["datasets"] = [str(Path(path).resolve()) for path in args.datasets]
    return {
        name: str(value.resolve()) if isinstance(value, Path) else value
        for name, value in values.items()
    }


def chosen(kind: type, args: argparse.Namespace):
    """Return a dataclass whose fields are the options of the same names."""
    return kind(**{one.name: getattr(args, one.name) for one in fields(kind)})


def open_checked(args: argparse.Namespace, world):
    """Open and check the datasets; say what was found."""
    from vision.training.data import DataChoice, balanced, open_data
    from vision.training.data_report import report_data

    logger.info("Prepare training datasets.")
    choice = chosen(DataChoice, args)
    datasets, pictures = open_data(choice)
    if world.is_main:
        report_data(datasets, pictures, args.net, args.resolution, args.checkpoint_folder)
    return balanced(datasets, choice)


def make_loaders(args: argparse.Namespace, datasets, device, world):
    """Return the loaders of the training and validation part; settle sizes that are auto."""
    from vision.loading.loaders import EpochLoader, LoaderOptions
    from vision.ssd import NETS
    from vision.training.machine.sizing import choose_sizes
    from vision.training.reports.input_pictures import write_inputs
    from vision.training.run import Loaders
    from vision.transforms import EvalTransform, TrainTransform
    from vision.transforms.albumentations_file import AlbumentationsTransform

    transform = TrainTransform(args.resolution, NETS[args.net].config(300).fill_colour)
    if args.augmentation:
        transform = AlbumentationsTransform(args.augmentation, args.resolution)
    sizes = args.batch_size, args.num_workers
    sizes = choose_sizes(*sizes, args.net, args.resolution, len(datasets.train), device)
    args.batch_size, args.num_workers = world.from_main(sizes)
    options = args.batch_size * args.accumulate, args.num_workers, device, args.seed
    options = LoaderOptions(*options, world.rank, world.size)
    validation = replace(options, batch_size=args.batch_size)  # what memory holds at a time
    train_loader = EpochLoader(datasets.train, transform, options, shuffle=True)
    if args.viz_inputs and world.is_main:
        write_inputs(train_loader, args.viz_inputs, args.checkpoint_folder)
    val_loader = EpochLoader(datasets.validation, EvalTransform(args.resolution), validation)
    return Loaders(train_loader, val_loader)


def make_net(args: argparse.Namespace, index, state):
    """Build the net with its initial weights; return it and its description."""
    from vision.checkpoints.description import Description
    from vision.checkpoints.initial_weights import initialise
    from vision.ssd import NETS
    from vision.training.model_folder.records import tool_versions

    logger.info("Build network.")
    config = NETS[args.net].config(args.resolution)
    if args.anchors == "auto":
        config = fitted(config, args, index) if state is None else state.description.config
    description = Description(
        args.net, tuple(index.class_names), config, args.mb2_width_mult, versions=tool_versions()
    )
    if state:
        state.description.require_same(description)
    net = description.create()
    if not state:
        start = time.monotonic()
        initialise(net)
        load_initial_weights(args, net, index.class_names)
        logger.info("Took %.2f seconds to load the model.", time.monotonic() - start)
    return net, description


def fitted(config, args: argparse.Namespace, index):
    """Return the config with priors that are fitted to the boxes of the data."""
    from vision.ssd.prior_search import fit_priors
    from vision.training.network_boxes import network_boxes

    fit = fit_priors(network_boxes(index, args.resolution), config, args.seed)
    logger.info("%s", fit)
    return replace(config, prior_specs=fit.specs)


def load_initial_weights(args: argparse.Namespace, net, class_names: list[str]) -> None:
    """Load what --resume (weights only), --base-net or --pretrained-ssd name, in this order."""
    from vision.checkpoints.detector import load_strictly
    from vision.checkpoints.initial_weights import load_base_net, load_imagenet, load_pretrained
    from vision.checkpoints.weights_file import read_weights
    from vision.download.published import fetch_published

    if args.resume is not None:
        load_strictly(net, read_weights(args.resume)[0], Path(args.resume))
        logger.warning(
            "weights only: epoch and optimizer are not in %s; starting at epoch 0", args.resume
        )
        return
    if args.base_net:
        logger.info("Init from base net %s", args.base_net)
        if args.base_net == "imagenet":
            load_imagenet(net, args.net)
        else:
            load_base_net(net, args.base_net)
        return
    path = args.pretrained_ssd
    if path == "auto":
        path = fetch_published(args.net, Path(__file__).parent / "models")
    if path in (None, "none"):
        logger.warning("%s starts from random weights; --base-net FILE learns faster", args.net)
        return
    logger.info("Init from pretrained ssd %s", path)
    logger.info("Took %s.", load_pretrained(net, path, class_names))


def open_run_folder(args: argparse.Namespace, class_names: list[str], progress, world):
    """Make the model directory and write what is known before the first step."""
    from vision.training.model_folder.model_folder import RunFolder

    run_folder = RunFolder(args.checkpoint_folder, plain_values(args), args.keep)
    if world.is_main:
        run_folder.prepare(class_names, progress)
    return run_folder


def report(args: argparse.Namespace, run, finished: bool) -> None:
    """Say how it went, and what to type next."""
    from vision.training.reports.closing_lines import closing_lines

    if not finished:
        logger.info(
            "Saved. To go on: python3 train_ssd.py --model-dir=%s --resume",
            shlex.quote(str(args.checkpoint_folder)),
        )
        return
    folders = [args.validation_dataset] if args.validation_dataset else args.datasets
    index = run.loaders.train.index
    for line in closing_lines(
        run.folder.table.rows,
        run.progress.best_epoch,
        args.checkpoint_folder,
        folders,
        index.boxes_per_class(),
    ):
        logger.info(line)
    logger.info("Task done, exiting program.")


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
