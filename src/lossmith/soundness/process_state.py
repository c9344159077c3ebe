"""The state of the process that a loss must leave alone: random numbers, and settings of torch."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any
from warnings import catch_warnings, simplefilter

import torch

UNUSUAL_SEED = 135_797_531
"""One that no loss sets: what it seeds with another is noticed."""


@dataclass(frozen=True)
class Setting:
    """A part of the state: how it is read, and Python that prints it, after a setup."""

    read: Callable[[], Any]
    code: str
    setup: str = "import torch"


def _numpy_state() -> Any:
    numpy = sys.modules.get("numpy")
    return numpy.random.get_state()[1].tobytes() if numpy else None


PROCESS_STATE = {
    "the random state of torch": Setting(
        lambda: torch.get_rng_state().tolist(),
        "torch.get_rng_state().double().std().item()",
        f"criterion(x, y); import torch; torch.manual_seed({UNUSUAL_SEED})",
    ),
    "the random state of Python": Setting(
        random.getstate,
        "sum(random.getstate()[1])",
        f"criterion(x, y); import random; random.seed({UNUSUAL_SEED})",
    ),
    "the random state of NumPy": Setting(
        _numpy_state,
        "numpy.random.get_state()[1].sum()",
        f"criterion(x, y); import numpy; numpy.random.seed({UNUSUAL_SEED})",
    ),
    "the default dtype": Setting(
        torch.get_default_dtype,
        "torch.get_default_dtype()",
        "import torch; torch.set_default_dtype(torch.float32)",
    ),
    "whether gradients are enabled": Setting(torch.is_grad_enabled, "torch.is_grad_enabled()"),
    "the anomaly mode": Setting(torch.is_anomaly_enabled, "torch.is_anomaly_enabled()"),
    "deterministic algorithms": Setting(
        torch.are_deterministic_algorithms_enabled, "torch.are_deterministic_algorithms_enabled()"
    ),
    "the precision of matrix products": Setting(
        torch.get_float32_matmul_precision, "torch.get_float32_matmul_precision()"
    ),
    "the benchmark mode of cuDNN": Setting(
        lambda: torch.backends.cudnn.benchmark, "torch.backends.cudnn.benchmark"
    ),
    "the number of threads": Setting(torch.get_num_threads, "torch.get_num_threads()"),
}
"""By name."""


def process_state() -> dict[str, Any]:
    """Every part of the state, by name."""
    return {name: setting.read() for name, setting in PROCESS_STATE.items()}


def seed_all(seed: int) -> None:
    """Seed the generators of torch, Python and NumPy."""
    torch.manual_seed(seed)
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy:
        numpy.random.seed(seed)


@contextmanager
def process_state_kept() -> Iterator[None]:
    """Undo within the process what a block does to it."""
    numpy = sys.modules.get("numpy")
    of_python, of_numpy = random.getstate(), numpy.random.get_state() if numpy else None
    dtype, grad, matmul = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_float32_matmul_precision()
    anomaly, deterministic = torch.is_anomaly_enabled(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark, threads = torch.backends.cudnn.benchmark, torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(of_python)
        if numpy:
            numpy.random.set_state(of_numpy)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        torch.set_float32_matmul_precision(matmul)
        torch.autograd.set_detect_anomaly(anomaly)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
        torch.set_num_threads(threads)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep to the block what it does to the process, what it prints, and its warnings."""
    with (
        open(os.devnull, "w", encoding="utf-8") as nothing,
        redirect_stdout(nothing),
        process_state_kept(),
        catch_warnings(),
    ):
        simplefilter("ignore")
        yield


__all__ = [
    "PROCESS_STATE",
    "UNUSUAL_SEED",
    "Setting",
    "process_state",
    "process_state_kept",
    "seed_all",
    "undisturbed",
]
