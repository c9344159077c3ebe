"""The training loop."""

from collections.abc import Sequence

import torch

from lossmith.core.errors import Diverged
from lossmith.data import ImagePair, PatchDataset
from lossmith.data.loader import batches
from lossmith.training.checkpointer import Checkpointer
from lossmith.training.distributed.launcher import launch
from lossmith.training.loggers import WRITE_EVERY, CSVLogger, TrainingProgressBar
from lossmith.training.loss_monitor import LossMonitor
from lossmith.training.module import TrainingModule
from lossmith.training.run_folder import RunFolder
from lossmith.training.state import TrainState
from lossmith.training.validation import SampleWriter, Validator, center_crops


def fit(
    module: TrainingModule,
    patches: PatchDataset,
    test_pairs: Sequence[ImagePair],
    folder: RunFolder,
    title: str,
    save_every: float = 60.0,
    sample_writer: SampleWriter | None = None,
    devices: int = 1,
) -> TrainState:
    """Teach `module` to the end of its budget, from the checkpoint in `folder` if there is one.

    `sample_writer` gets sample images. Each of the `devices` learns from its share of every batch; see `launch`.

    Raises Diverged when something is no longer a number, and KeyboardInterrupt after Ctrl-C or SIGTERM.
    """
    recipe = module.recipe
    state = TrainState(recipe)
    loss_monitor = LossMonitor(state)
    # as large and as many as a batch: a look costs less than a step, in time and in memory
    validator = Validator(*center_crops(test_pairs, recipe.patch, recipe.batch), sample_writer)
    logger = CSVLogger(folder.metrics_csv, min(WRITE_EVERY, save_every))
    checkpointer = Checkpointer(
        folder.state, save_every, state, module, loss_monitor=loss_monitor, validator=validator, logger=logger
    )
    try:
        with (
            checkpointer.guard(),
            torch.enable_grad(),
            launch(module, patches, devices) as processes,
            TrainingProgressBar(title) as progress,
        ):
            module.setup(processes.fabric)
            checkpointer.load()
            processes.send_state(module, state.step)
            stream = batches(patches, recipe.batch, state.step, processes.shard)
            state.timer.start()
            if not logger.rows:
                logger.log(state, validator.maybe_validate(state, module))
            while not state.done:
                processes.signal_step(state.progress)
                metrics = module.training_step(next(stream), state.progress)
                loss_monitor.update(state.step + 1, metrics)  # a step that breaks here has not been taken
                state.advance()
                val_metrics = validator.maybe_validate(state, module)
                if val_metrics or logger.should_log(state):
                    logger.log(
                        state, {**loss_monitor.pop_means(), "learning_rate": module.learning_rate, **val_metrics}
                    )
                progress.show(state, metrics)
                checkpointer.on_step_end()
            state.timer.stop()
    except Diverged as error:
        raise Diverged(f"{error}; {checkpointer.saved_message}, and a lower learning_rate usually helps") from None
    finally:
        logger.close()
    return state
