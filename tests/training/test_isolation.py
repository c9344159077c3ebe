"""A run restores the global state of the process."""

import logging
import os
import random
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lossmith.core.errors import LossmithError
from lossmith.core.signals import SIGNALS
from lossmith.training import RunSummary
from lossmith.training.isolation import isolated_global_state

Train = Callable[..., RunSummary]


def state_of_the_process() -> dict[str, object]:
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),  # noqa: NPY002 (somebody else's program may use it)
        "random": random.getstate(),
        "warnings": list(warnings.filters),
        "lightning": logging.getLogger("lightning_fabric").level,
        "signals": [signal.getsignal(number) for number in SIGNALS],
        "tf32": torch.backends.cudnn.allow_tf32,
        "gradients": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "environment": dict(os.environ),
    }


def test_a_run_leaves_the_global_state_unchanged(train: Train, tmp_path: Path) -> None:
    before = state_of_the_process()
    train(tmp_path)
    assert state_of_the_process() == before
    train(tmp_path)  # finished
    assert state_of_the_process() == before


def test_a_refused_run_leaves_the_global_state_unchanged(train: Train, tmp_path: Path) -> None:
    before = state_of_the_process()
    with pytest.raises(LossmithError):
        train(tmp_path, "ms_ssim")
    assert state_of_the_process() == before


def test_weights_do_not_depend_on_the_global_rng(train: Train, tmp_path: Path) -> None:
    for seed in (1, 2):
        torch.manual_seed(seed)
        train(tmp_path / str(seed))
    first, second = ((tmp_path / str(seed) / "model.safetensors").read_bytes() for seed in (1, 2))
    assert first == second


def test_inside_a_run_lightning_is_silent_and_tf32_is_off() -> None:
    with isolated_global_state():
        assert logging.getLogger("lightning_fabric").level == logging.ERROR
        assert not torch.backends.cudnn.allow_tf32


IMPORT = """
import logging, warnings
import lightning_fabric, torch
before = list(warnings.filters), logging.getLogger("lightning_fabric").level, torch.get_rng_state().tolist()
import lossmith.training.run
after = list(warnings.filters), logging.getLogger("lightning_fabric").level, torch.get_rng_state().tolist()
assert before[1:] == after[1:]
assert [f for f in after[0] if f not in before[0] and f[3] and "lightning" in str(f[3])] == []
"""


def test_importing_leaves_the_global_state_unchanged() -> None:
    subprocess.run([sys.executable, "-c", IMPORT], check=True)
