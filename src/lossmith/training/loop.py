"""The training loop."""

from collections.abc import Sequence
from functools import partial

import torch

from lossmith.core.errors import Diverged
from lossmith.core.progress import ProgressBar
from lossmith.data import ImagePair, PatchDataset
from lossmith.data.loader import batches
from lossmith.training.checkpointer import Checkpointer
from lossmith.training.distributed.launcher import launch
from lossmith.training.loggers import WRITE_EVERY_S, CSVLogger, format_status
from lossmith.training.loss_monitor import LossMonitor
from lossmith.training.module import TrainingModule
from lossmith.training.run_folder import RunFolder
from lossmith.training.state import TrainState
from lossmith.training.validation import Observer, Validator, center_crops


def fit(
    module: TrainingModule,
    patches: PatchDataset,
    test_pairs: Sequence[ImagePair],
    folder: RunFolder,
    title: str,
    save_every: float = 60.0,
    observer: Observer | None = None,
    devices: int = 1,
) -> TrainState:
    """Train a module to the end of its budget, from the checkpoint in `folder` if there is one.

    Parameters
    ----------
    module
        What is trained.
    patches
        The training patches, in their order.
    test_pairs
        Test images, of which center crops are validated.
    folder
        Where checkpoints and metrics are written.
    title
        Of the progress bar.
    save_every
        Seconds between two checkpoints.
    observer
        Sees every validation, and may end the run by an exception.
    devices
        How many train together, each on its share of every batch; see `launch`.

    Raises
    ------
    Diverged
        When the loss, a gradient or a weight is not finite any more.
    Interrupted
        A KeyboardInterrupt, after Ctrl-C or SIGTERM; the state is saved.
    """
    recipe = module.recipe
    state = TrainState(recipe)
    loss_monitor = LossMonitor(state)
    # crops as large and as many as a batch's patches, so that a validation costs less than a step
    side = max(recipe.patch, observer.min_side if observer else 1)
    crops = center_crops(test_pairs, side, recipe.batch)
    validator = Validator(*crops, observer, patches.images.pixels)
    logger = CSVLogger(folder.metrics_csv, min(WRITE_EVERY_S, save_every))
    checkpointer = Checkpointer(
        folder.state, save_every, state, module, loss_monitor=loss_monitor, validator=validator, logger=logger
    )
    try:
        with (
            checkpointer.guard(),
            torch.enable_grad(),
            launch(module, patches, devices) as processes,
            ProgressBar(title) as bar,
        ):
            module.setup(processes.fabric)
            checkpointer.load()
            processes.send_state(module, state.step)
            stream = batches(patches, recipe.batch, state.step, processes.shard)
            state.timer.start()
            if not logger.rows:
                logger.log(state, validator.maybe_validate(state, module))
            bar.update(state.progress)
            while not state.done:
                processes.signal_step(state.progress)
                metrics = module.training_step(next(stream), state.progress)
                loss_monitor.update(state.step + 1, metrics)  # may raise Diverged, before the step is counted
                state.advance()
                val_metrics = validator.maybe_validate(state, module)
                if val_metrics or logger.should_log(state):
                    logger.log(
                        state, {**loss_monitor.pop_means(), "learning_rate": module.learning_rate, **val_metrics}
                    )
                bar.update(state.progress, partial(format_status, state, metrics))
                checkpointer.on_step_end()
            state.timer.stop()
    except Diverged as error:
        raise Diverged(
            f"{error}; {checkpointer.saved_message}, and a lower `learning_rate` usually helps"
        ) from None
    finally:
        logger.close()
    return state
