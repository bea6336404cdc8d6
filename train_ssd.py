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
from pathlib import Path
from typing import Any, Mapping, Sequence

from vision.training.options import AUTO, NO_FILE, TrainOptions
from vision.utils.cli import parse_options, run_main, set_up_logging
from vision.utils.options import add_options
from vision.utils.threads import share_cores

logger = logging.getLogger("train_ssd")

INTERRUPTED = 130  # exit status, as of a program that Ctrl+C ended


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read what was typed; the defaults stand in TrainOptions."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add_options(parser, TrainOptions)
    return parse_options(parser, argv, TrainOptions)


def main(args: argparse.Namespace) -> int:
    """Train in this process, or in one for each GPU; return the exit status."""
    typed = vars(args)
    set_up_logging(TrainOptions.of(typed).log_level)
    share_cores()
    from vision.training.compute import launching
    from vision.training.compute.processes import is_main, joined_processes
    from vision.training.setup import earlier_devices

    if launching.is_final():
        return 0
    options = TrainOptions.of(earlier_devices(typed), typed)
    processes = launching.number_of_processes(options.gpus, options.use_cuda)
    if processes > 1:
        return launching.start_processes(processes, sys.argv[1:])
    with launching.final_failures(), joined_processes(options.use_cuda):
        if not is_main():  # it would say everything once more
            logging.getLogger().setLevel("ERROR")
        finished = train(typed)
    return 0 if finished else launching.finish(INTERRUPTED)


def train(typed: Mapping[str, Any]) -> bool:
    """Train a net epoch by epoch; return False if the run was asked to stop before the last."""
    import torch

    from vision.training.bad_batches import BadBatches
    from vision.training.compute.compiling import require_compiler
    from vision.training.compute.processes import any_process, local_rank
    from vision.training.data import open_training_data
    from vision.training.machine.preflight import preflight
    from vision.training.model_folder.model_folder import ModelFolder
    from vision.training.model_folder.neighbours import require_own_names
    from vision.training.optimization import train_mode
    from vision.training.prior_choice import with_object_balance
    from vision.training.reports.log_lines import log_epoch, log_precision, log_step
    from vision.training.reports.progress_bar import ProgressBar
    from vision.training.reports.reports import Reports
    from vision.training.setup import (
        begin_or_go_on,
        make_loaders,
        make_net,
        make_training,
        mark_old_run,
        options_and_state,
        with_sizes,
    )
    from vision.training.steps import LossMeter, train_step
    from vision.training.stopping import StopSignals
    from vision.training.validation import example_ids, validate
    from vision.utils.device import select_device

    # What there is to train, and on what.
    options, saved = options_and_state(typed)  # saved: of a run that goes on
    torch.manual_seed(options.seed)
    device = select_device(options.use_cuda, local_rank())
    preflight(device, options.checkpoint_folder, options.net, options.keep)
    if options.compile_net:
        require_compiler(device)
    mark_old_run(options.checkpoint_folder, saved)
    earlier_folder = saved.path.parent if saved else None
    data, files = open_training_data(options, device, earlier_folder)
    require_own_names(
        options.checkpoint_folder, data.class_names, options.overwrite, earlier_folder
    )
    options = with_sizes(options, len(data.train), device)
    loaders = make_loaders(options, data, device)
    steps = len(loaders.train)
    pretrained = None if saved else pretrained_file(options)
    net, description = make_net(options, data, saved, pretrained)
    options = with_object_balance(options, data.train, net.priors)
    net.to(device).to(memory_format=torch.channels_last)
    training = make_training(net, options, steps)
    progress = begin_or_go_on(training, options, saved, steps, data.validation)

    folder = ModelFolder(options, description)
    folder.prepare(progress, files, earlier_folder)
    folder.save_for_restart(training, progress)
    reports = Reports(folder.path, description, progress.epoch)
    reports.begin(loaders.train, options.viz_inputs)
    bad_batches = BadBatches(folder.path, data.class_names, options.max_bad_batches, progress)
    shown_ids = example_ids(data.validation)

    logger.info("Start training from epoch %d.", progress.epoch)
    with StopSignals() as stop, ProgressBar(options.num_epochs, steps) as bar:
        for epoch in range(progress.epoch, options.num_epochs):
            if progress.is_out_of_patience(options.patience, options.validation_epochs):
                logger.info("No better epoch in %d validations; stopping here.", options.patience)
                break

            # Every batch once, or those that are left of an epoch that was interrupted.
            train_mode(net)
            meter, recent = progress.meter(device), LossMeter(device)
            batches = loaders.train.epoch(epoch, progress.position)
            for batch in bar.train(batches, epoch, progress.position):
                batch = batch.to(device, non_blocking=True)
                result = train_step(training, batch)
                meter.add(result)
                recent.add(result)
                bad_batches.watch(training, batch, result, epoch, meter.count)
                if options.debug_steps and meter.count % options.debug_steps == 0:
                    log_step(epoch, meter.count, steps, recent.pop())
                stopping = any_process(stop.requested, device)
                if stopping:
                    bad_batches.read(training)
                    log_how_to_go_on(options, folder.save_state(training, progress.reach(meter)))
                    return False
                if folder.is_time_to_save():
                    folder.save_state(training, progress.reach(meter))
            bad_batches.read(training)
            progress.reach(meter)
            # A run that went on behind an epoch's last step has not set its rates yet.
            training.schedule.apply(training.optimizer, training.step - 1)
            log_epoch(epoch, "Training", meter.average(), bar.throughput)

            # How good the net is now.
            validation, is_best = None, False
            if options.validates_after(epoch):
                folder.save_for_restart(training, progress)
                validated = bar.validate(loaders.validation, len(loaders.validation))
                pictures = len(data.validation)
                measured = options.validation_mean_ap
                validation = validate(
                    training, validated, data.class_names, pictures, measured, shown_ids
                )
                score = validation.score_after(meter.average(), len(data.validation.boxes))
                is_best = progress.judge(score)
                if score == float("-inf"):
                    training.is_lost = torch.tensor(True)
                log_epoch(epoch, "Validation", validation.losses)
                log_precision(epoch, validation.precision)

            # What is kept of it.
            folder.write_epoch(training, progress, meter.average(), validation)
            folder.save_state(training, progress.begin(epoch + 1))
            rates = training.learning_rates()
            reports.add_epoch(epoch, folder.table.rows, meter.average(), validation, rates, is_best)
    reports.close()
    log_results(options, folder.table.rows, progress.best_epoch, data.train.boxes_per_class())
    return True


def pretrained_file(options: TrainOptions) -> Path | None:
    """Return the detector to start from, fetched if it is the published one; None for none."""
    from vision.download.published import fetch_published

    named = options.pretrained_ssd
    if options.resume_from is not None or options.base_net or named in (None, "", NO_FILE):
        return None
    if named == AUTO:
        return fetch_published(options.net, Path(__file__).parent / "models")
    return Path(str(named))


def log_how_to_go_on(options: TrainOptions, is_saved: bool) -> None:
    """Say what to type to go on with a run that was stopped."""
    from vision.checkpoints.detector import LAST

    folder = options.checkpoint_folder
    command = f"python3 train_ssd.py --model-dir={shlex.quote(str(folder))} --resume"
    if is_saved:
        logger.info("Saved. To go on: %s", command)
    elif (folder / LAST).is_file():
        logger.info("Not saved, as the loss is not finite. To go on from before: %s", command)
    else:
        logger.info("Not saved, as the loss is not finite. Begin again with a lower --lr")


def log_results(
    options: TrainOptions,
    rows: Sequence[Mapping[str, Any]],
    best_epoch: int,
    boxes_per_class: Mapping[str, int],
) -> None:
    """Say how good the net has become, and what to type next."""
    from vision.training.reports.closing_lines import closing_lines

    folders = [options.validation_dataset] if options.validation_dataset else options.datasets
    for line in closing_lines(
        rows, best_epoch, options.checkpoint_folder, folders, boxes_per_class
    ):
        logger.info(line)
    logger.info("Task done, exiting program.")


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
