"""Restores the global state of the process that a run changes."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.backends import cudnn


@contextmanager
def isolated_global_state() -> Iterator[None]:
    """Restores RNG states, log levels, warning filters and TF32 on exit.

    - The caller's random number generators continue afterwards as if nothing had been drawn.
    - Lightning's advertisements and hints about workers are silenced.
    - TF32 is off: it would round the inputs of CUDA's convolutions to 10 bits of mantissa, and with them the
      statistics of the losses and the restored images.
    """
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("fabric", "pytorch")]
    levels, tf32 = [logger.level for logger in loggers], cudnn.allow_tf32
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning.*")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        cudnn.allow_tf32 = False
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            cudnn.allow_tf32 = tf32
