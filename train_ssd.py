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
import sys
import time
from pathlib import Path

from vision.training.options import OPTIONS, peak_rates
from vision.utils.cli import parse_options, run_main, set_up_logging

logger = logging.getLogger("train_ssd")

# What a resumed run does not take over from the one before.
NOT_SAVED = ("typed", "resume", "debug", "log_level")
LOWEST = {
    "batch_size": 1, "num_epochs": 1, "validation_epochs": 1,
    "num_workers": 0, "warm_up": 0, "debug_steps": 0,
}  # fmt: skip


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


def main(args: argparse.Namespace) -> None:
    """Open the data, build the net, train it, validate it, keep the best."""
    set_up_logging(args.log_level)
    # Threads that spin while they wait take the cores from the processes that load pictures.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from vision.training.state import Progress

    state = find_state(args)
    if state:
        args = parse_args(args.typed, saved=state.arguments)
    check(args)
    torch.manual_seed(args.seed)
    device = select_device(args.use_cuda)

    train_loader, val_loader, class_names = make_loaders(args, device)
    net, description = make_net(args, class_names, state)
    training = make_training(args, net.to(device), steps_per_epoch=len(train_loader))
    progress = Progress()
    if state:
        state.restore(training)
        progress = state.progress
    run_folder = open_run_folder(args, class_names, progress)

    logger.info("Start training from epoch %d.", progress.epoch)
    for epoch in range(progress.epoch, args.num_epochs):
        train_loader.sampler.set_epoch(epoch)
        losses = train_epoch(args, training, train_loader, device, epoch)
        validation = None
        if (epoch + 1) % args.validation_epochs == 0 or epoch + 1 == args.num_epochs:
            validation = validate_epoch(args, training, val_loader, device, epoch)
        run_folder.finish_epoch(training, description, progress, losses, validation)
    report(args, progress)


def find_state(args: argparse.Namespace):
    """Return the state that --resume names, or None: not asked for, or a file of weights only."""
    from vision.training.checkpoints import LAST
    from vision.training.state import load_state

    if args.resume is None:
        return None
    path = Path(args.resume) if args.resume else args.checkpoint_folder
    path = path / LAST if path.is_dir() else path
    logger.info("Resume from the model %s", path)
    return load_state(path)


def check(args: argparse.Namespace) -> None:
    """Refuse options that cannot work, before anything is read; settle the net's name.

    Raises:
        ValueError: saying which option, and what it must be.
    """
    from vision.ssd import resolve_net

    args.net = resolve_net(args.net)
    for name, lowest in LOWEST.items():
        value = getattr(args, name)
        if value < lowest:
            option = "--" + name.replace("_", "-")
            raise ValueError(f"{option} must be {lowest} or more, got {value}")
    folders = [Path(path) for path in [*args.datasets, args.validation_dataset] if path]
    if args.checkpoint_folder.resolve() in [folder.resolve() for folder in folders]:
        raise ValueError(
            f"--model-dir {args.checkpoint_folder} is the dataset folder, whose labels.txt would "
            "be overwritten; choose another folder"
        )


def select_device(use_cuda: bool):
    """Return the first GPU if there is one and it is wanted, else the CPU."""
    import torch

    if use_cuda and torch.cuda.is_available():
        torch.backends.cudnn.benchmark = True
        logger.info("Using CUDA... (%s)", torch.cuda.get_device_name(0))
        return torch.device("cuda:0")
    logger.info("Using the CPU, %d threads.", torch.get_num_threads())
    return torch.device("cpu")


def make_loaders(args: argparse.Namespace, device):
    """Open the datasets; return the training and the validation loader and the class names."""
    from vision.datasets.opening import open_datasets
    from vision.datasets.sampling import balance
    from vision.ssd import NETS
    from vision.training.loading import make_loader
    from vision.transforms import EvalTransform, TrainTransform

    logger.info("Prepare training datasets.")
    datasets = open_datasets(
        args.datasets, args.dataset_type, args.validation_dataset, args.val_split, args.seed
    )
    if not len(datasets.validation):
        raise ValueError(
            "there is no picture to validate on, so no epoch would be the best; give a "
            "--validation-dataset or a --val-split above 0"
        )
    train = balance(datasets.train, args.seed) if args.balance_data else datasets.train
    logger.info("Train dataset size: %d", len(train))
    logger.info("Validation dataset size: %d", len(datasets.validation))
    fill_colour = NETS[args.net].config(300).fill_colour
    transform = TrainTransform(args.resolution, fill_colour)
    options = args.batch_size, args.num_workers, device, args.seed
    train_loader = make_loader(train, transform, *options, shuffle=True)
    val_loader = make_loader(datasets.validation, EvalTransform(args.resolution), *options)
    return train_loader, val_loader, datasets.class_names


def make_net(args: argparse.Namespace, class_names: list[str], state):
    """Build the net with its initial weights; return it and its description."""
    from vision.ssd import NETS
    from vision.ssd.description import Description
    from vision.training.initial_weights import initialise
    from vision.training.records import tool_versions

    logger.info("Build network.")
    config = NETS[args.net].config(args.resolution)
    description = Description(
        args.net, tuple(class_names), config, args.mb2_width_mult, versions=tool_versions()
    )
    if state:
        state.description.require_same(description)
    net = description.create()
    if not state:
        start = time.monotonic()
        initialise(net)
        load_initial_weights(args, net, class_names)
        logger.info("Took %.2f seconds to load the model.", time.monotonic() - start)
    return net, description


def load_initial_weights(args: argparse.Namespace, net, class_names: list[str]) -> None:
    """Load what --resume (weights only), --base-net or --pretrained-ssd name, in this order."""
    from vision.download.published import fetch_published
    from vision.training.checkpoints import load_strictly
    from vision.training.initial_weights import load_base_net, load_pretrained
    from vision.training.weights_file import read_weights

    if args.resume is not None:
        load_strictly(net, read_weights(args.resume)[0], Path(args.resume))
        logger.warning(
            "weights only: epoch and optimizer are not in %s; starting at epoch 0", args.resume
        )
        return
    if args.base_net:
        logger.info("Init from base net %s", args.base_net)
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
    rates = optimization.LearningRates(
        *peak_rates(args.optim_choose, args.lr, args.base_net_lr, args.extra_layers_lr)
    )
    logger.info(
        "Learning rate: %g, Base net learning rate: %g, Extra Layers learning rate: %g.",
        *(rates.headers, rates.base_net, rates.extras),
    )
    options = {"momentum": args.momentum, "nesterov": args.nesterov, "betas": tuple(args.betas)}
    groups = optimization.parameter_groups(net, rates, args.weight_decay)
    optimizer = optimization.OPTIMIZERS[args.optim_choose](groups, options)
    schedule = optimization.Schedule(
        args.scheduler,
        warmup_steps=args.warm_up,
        t_max=round((args.t_max or args.num_epochs) * steps_per_epoch),
        milestones=[epoch * steps_per_epoch for epoch in args.milestones],
        gamma=args.gamma,
    )
    logger.info("Uses the %s learning rate schedule.", args.scheduler)
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


def train_epoch(args: argparse.Namespace, training, loader, device, epoch: int):
    """Train for one epoch, logging every --debug-steps; return the average losses."""
    from vision.training.log_lines import epoch_line, step_line
    from vision.training.loop import train_one_epoch

    def log(step: int, losses) -> None:
        logger.info(step_line(epoch, step, len(loader), losses))

    losses = train_one_epoch(training, loader, device, args.debug_steps, log)
    logger.info(epoch_line(epoch, "Training", losses))
    return losses


def validate_epoch(args: argparse.Namespace, training, loader, device, epoch: int):
    """Measure the net that would be kept; return the validation."""
    from vision.training.log_lines import epoch_line, precision_lines
    from vision.training.validation import validate

    class_names = loader.dataset.class_names
    validation = validate(
        training.best_net, training.criterion, loader, device, class_names, args.validation_mean_ap
    )
    logger.info(epoch_line(epoch, "Validation", validation.losses))
    if validation.precision is not None:
        for line in precision_lines(epoch, validation.precision):
            logger.info(line)
    return validation


def report(args: argparse.Namespace, progress) -> None:
    """Say which epoch was best, and what to type next."""
    folder = args.checkpoint_folder
    if progress.best_epoch >= 0:
        logger.info("Best epoch: %d, kept as %s", progress.best_epoch, folder / "best.pth")
    logger.info("Next: python3 eval_ssd.py --model-dir=%s --dataset=%s", folder, args.datasets[0])
    logger.info("      python3 onnx_export.py --model-dir=%s", folder)
    logger.info("Task done, exiting program.")


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
