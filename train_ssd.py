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
import os
import shlex
import sys
import time
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

from vision.training.options import OPTIONS, check_values, choose_optimizer, peak_rates
from vision.utils.cli import parse_options, run_main, set_up_logging

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
    args.typed = sys.argv[1:] if argv is None else argv
    return args


def main(args: argparse.Namespace) -> int:
    """Open the data, build the net, train it, validate it, keep the best."""
    set_up_logging(args.log_level)
    # Threads that spin while they wait take the cores from the processes that load pictures.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from vision.ssd import resolve_net
    from vision.training.run import Run, Settings
    from vision.training.state import Progress, find_state
    from vision.utils.device import select_device

    state = None
    if args.resume is not None:
        path = Path(args.resume) if args.resume else args.checkpoint_folder
        logger.info("Resume from the model %s", path)
        state = find_state(path)
    if state:
        args = parse_args(args.typed, saved=state.arguments)
    args.net = resolve_net(args.net)
    check_values(vars(args))
    torch.manual_seed(args.seed)
    device = select_device(args.use_cuda)

    loaders = make_loaders(args, device)
    index, steps_per_epoch = loaders.train.dataset.index, len(loaders.train)
    net, description = make_net(args, index, state)
    net = net.to(device, memory_format=torch.channels_last)
    if args.lr_finder:
        return suggest_learning_rate(args, net, loaders.train)
    training = make_training(args, net, steps_per_epoch)
    progress = Progress()
    if state:
        state.restore(training)
        progress = state.progress
    folder = open_run_folder(args, index.class_names, progress)
    settings = Settings(**{one.name: getattr(args, one.name) for one in fields(Settings)})
    run = Run(training, description, progress, folder, loaders, settings)
    finished = run.train()
    report(args, run, finished)
    return 0 if finished else INTERRUPTED


def make_loaders(args: argparse.Namespace, device):
    """Open and check the datasets; return the loaders of the training and validation part."""
    from vision.datasets.sampling import balance, repeat_rare
    from vision.ssd import NETS
    from vision.training.loading import make_loader
    from vision.training.run import Loaders
    from vision.transforms import EvalTransform, TrainTransform
    from vision.transforms.albumentations_file import AlbumentationsTransform

    datasets = open_data(args)
    train = balance(datasets.train, args.seed) if args.balance_data else datasets.train
    train = repeat_rare(train, args.seed) if args.balance == "sampler" else train
    logger.info("Train dataset size: %d", len(train))
    logger.info("Validation dataset size: %d", len(datasets.validation))
    transform = TrainTransform(args.resolution, NETS[args.net].config(300).fill_colour)
    if args.augmentation:
        transform = AlbumentationsTransform(args.augmentation, args.resolution)
    options = args.batch_size, args.num_workers, device, args.seed
    train_loader = make_loader(train, transform, *options, shuffle=True)
    val_loader = make_loader(datasets.validation, EvalTransform(args.resolution), *options)
    return Loaders(train_loader, val_loader)


def open_data(args: argparse.Namespace):
    """Read the datasets and open every picture once; say what was understood and what is wrong.

    Raises:
        ValueError: if there is nothing to train or to validate on.
    """
    from vision.datasets.opening import open_datasets
    from vision.datasets.picture_checks import PictureChecks
    from vision.datasets.picture_scan import PictureScanner, default_cache_folder
    from vision.datasets.selection import parse_selection
    from vision.training.data_report import report_data

    logger.info("Prepare training datasets.")
    selection = parse_selection(args.classes, args.class_map, args.negatives)
    selection = replace(selection, val_split=args.val_split, seed=args.seed)
    pictures = PictureChecks(PictureScanner(default_cache_folder()), args.exif)
    datasets = open_datasets(
        args.datasets, args.dataset_type, args.validation_dataset, selection, pictures=pictures
    )
    if not len(datasets.validation):
        raise ValueError(
            "there is no picture to validate on, so no epoch would be the best; give a "
            "--validation-dataset or a --val-split above 0"
        )
    report_data(datasets, pictures, args.net, args.resolution, args.checkpoint_folder)
    return datasets


def make_net(args: argparse.Namespace, index, state):
    """Build the net with its initial weights; return it and its description."""
    from vision.ssd import NETS
    from vision.ssd.description import Description
    from vision.training.initial_weights import initialise
    from vision.training.records import tool_versions

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
    from vision.ssd.anchors import fit_priors
    from vision.training.network_boxes import network_boxes

    fit = fit_priors(network_boxes(index, args.resolution), config, args.seed)
    logger.info("%s", fit)
    return replace(config, prior_specs=fit.specs)


def load_initial_weights(args: argparse.Namespace, net, class_names: list[str]) -> None:
    """Load what --resume (weights only), --base-net or --pretrained-ssd name, in this order."""
    from vision.download.published import fetch_published
    from vision.training.checkpoints import load_strictly
    from vision.training.initial_weights import load_base_net, load_imagenet, load_pretrained
    from vision.training.weights_file import read_weights

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


def make_training(args: argparse.Namespace, net, steps_per_epoch: int):
    """Choose rates, optimizer and schedule."""
    from vision.nn.multibox_loss import MultiboxLoss
    from vision.training import optimization
    from vision.training.averaging import WeightAverage
    from vision.training.loop import Training

    if args.freeze_base_net or args.freeze_net:
        optimization.freeze(net, ["base_net"])
    if args.freeze_net:
        optimization.freeze(net, ["extras", "source_layer_add_ons"])
    kind = choose_optimizer(args.optim_choose, args.lr)
    rates = optimization.LearningRates(
        *peak_rates(kind, args.lr, args.base_net_lr, args.extra_layers_lr)
    )
    logger.info(
        "Learning rate: %g, Base net learning rate: %g, Extra Layers learning rate: %g.",
        *(rates.headers, rates.base_net, rates.extras),
    )
    options = {"momentum": args.momentum, "nesterov": args.nesterov, "betas": tuple(args.betas)}
    groups = optimization.parameter_groups(net, rates, args.weight_decay)
    optimizer = optimization.OPTIMIZERS[kind](groups, options)
    schedule = optimization.Schedule(
        args.scheduler,
        warmup_steps=args.warm_up,
        t_max=round((args.t_max or args.num_epochs) * steps_per_epoch),
        milestones=[epoch * steps_per_epoch for epoch in args.milestones],
        gamma=args.gamma,
    )
    logger.info("Uses %s and the %s learning rate schedule.", kind, args.scheduler)
    average = WeightAverage(net, args.average_decay) if args.average_decay else None
    return Training(net, MultiboxLoss(), optimizer, schedule, average, args.clip_gradients)


def open_run_folder(args: argparse.Namespace, class_names: list[str], progress):
    """Make the model directory and write what is known before the first step."""
    from vision.training.run_folder import RunFolder

    arguments = {name: value for name, value in vars(args).items() if name not in NOT_SAVED}
    for name, value in arguments.items():
        if isinstance(value, Path):
            arguments[name] = str(value.resolve())
    arguments["datasets"] = [str(Path(path).resolve()) for path in args.datasets]
    run_folder = RunFolder(args.checkpoint_folder, arguments, args.keep)
    run_folder.prepare(class_names, progress)
    return run_folder


def suggest_learning_rate(args: argparse.Namespace, net, loader) -> int:
    """Try rising learning rates on a copy of the net; log what they suggest."""
    from vision.training.learning_rate_finder import find_learning_rate, plot_curve

    make = partial(make_training, args, steps_per_epoch=len(loader))
    curve = find_learning_rate(make, net, loader, net.priors.device)
    path = args.checkpoint_folder / "learning_rates.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    plot_curve(curve, path)
    if curve.suggestion is None:
        raise ValueError(f"the loss falls at no learning rate; look at {path}")
    logger.info("Suggested: --lr=%.2g (%s)", curve.suggestion, path)
    return 0


def report(args: argparse.Namespace, run, finished: bool) -> None:
    """Say how it went, and what to type next."""
    from vision.training.advice import closing_lines

    if not finished:
        logger.info(
            "Saved. To go on: python3 train_ssd.py --model-dir=%s --resume",
            shlex.quote(str(args.checkpoint_folder)),
        )
        return
    folders = [args.validation_dataset] if args.validation_dataset else args.datasets
    index = run.loaders.train.dataset.index
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
