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
    fabric, tf32 = logging.getLogger("lightning_fabric"), cudnn.allow_tf32
    level = fabric.level
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning.*")
        fabric.setLevel(logging.ERROR)
        cudnn.allow_tf32 = False
        try:
            yield
        finally:
            fabric.setLevel(level)
            cudnn.allow_tf32 = tf32
