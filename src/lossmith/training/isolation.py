"""What a run changes in the process, and puts back."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.backends import cudnn


@contextmanager
def isolated_global_state() -> Iterator[None]:
    """Whatever is drawn, silenced and set within the block is for the block alone.

    - The random numbers of the caller go on afterwards as if nothing had been drawn.
    - Lightning does not speak of its own products and of workers; lossmith says what matters itself.
    - float32 is float32: CUDA's convolutions would otherwise round its mantissa to 10 bits (TF32), and with it the
      statistics of the losses and the images that are scored.
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
