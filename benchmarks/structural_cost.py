"""The cost and the accuracy of the structural losses beside other packages.

    python benchmarks/structural_cost.py                  # prints the tables; --out FILE writes them
    python benchmarks/structural_cost.py --losses ssim --shapes 4x256

One process, interleaved, each called twice and timed the second time, medians. Time is forward and backward,
the gradient by the prediction only. A row is a way to compute: `plain` is PyTorch alone, `numba` what `pip
install lossmith[fast]` brings, `compiled` what torch.compile makes of the losses (it needs a C++ compiler).
Memory is the peak above that of the two images, in images, each way in a process of its own. Errors are
relative to our own definition in float64, of the value, and of the gradient in the maximum norm; a package that
pads or reduces otherwise (torchmetrics, kornia's mix) differs by that.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

import rivals
from lossmith import loss
from lossmith.core.devices import device_name
from lossmith.core.files import write_text
from lossmith.losses.structural.backends import dispatch, torch_backend
from rivals import Criterion

SHAPES = {
    "16x128": (16, 3, 128, 128),
    "16x192": (16, 3, 192, 192),
    "4x256": (4, 3, 256, 256),
    "1x1024": (1, 3, 1024, 1024),
}
LOSSES = {"ssim": rivals.ssim, "ms_ssim": rivals.ms_ssim, "mix": rivals.mix}
OUR_VARIANTS = ("plain", "numba", "compiled")
MAIN_SHAPE = "4x256"
"""The shape with all measurements; others omit what takes minutes: compiling, others' memory, torchmetrics."""


@contextmanager
def only_plain() -> Iterator[None]:
    before = dispatch.backend_for
    dispatch.backend_for = lambda _: torch_backend
    try:
        yield
    finally:
        dispatch.backend_for = before


def way(name: str, how: str) -> Criterion:
    """A loss of ours, computed in one of OUR_VARIANTS, or of another package."""
    if how not in OUR_VARIANTS:
        return LOSSES[name]()[how]
    criterion = loss(name)
    if how == "numba":
        return criterion
    if how == "compiled":
        return torch.compile(criterion)

    def without_numba(prediction: Tensor, target: Tensor) -> Tensor:
        with only_plain():
            return criterion(prediction, target)

    return without_numba


def images(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Smooth targets and noisy predictions of them."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(*shape[:2], shape[2] // 8, shape[3] // 8, generator=generator)
    target = torch.nn.functional.interpolate(coarse, shape[2:], mode="bicubic").clamp(0, 1)
    return (target + 0.1 * torch.randn(shape, generator=generator)).clamp(0, 1), target


def value_and_gradient(criterion: Criterion, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = prediction.detach().requires_grad_()
    value = criterion(leaf, target)
    value.backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def seconds(ways: dict[str, Criterion], prediction: Tensor, target: Tensor, rounds: int) -> dict[str, float]:
    """The median time of each way, taken in turn so that a busy machine hits all alike.

    A turn is two calls, of which the second is timed: its memory is as a call of the same kind left it.
    """
    for criterion in ways.values():
        value_and_gradient(criterion, prediction, target)
    times: dict[str, list[float]] = {how: [] for how in ways}
    for _ in range(rounds):
        for how, criterion in ways.items():
            value_and_gradient(criterion, prediction, target)
            start = time.perf_counter()
            value_and_gradient(criterion, prediction, target)
            times[how].append(time.perf_counter() - start)
    return {how: statistics.median(series) for how, series in times.items()}


def errors(criterion: Criterion, name: str, prediction: Tensor, target: Tensor) -> tuple[float, float]:
    value, gradient = value_and_gradient(criterion, prediction, target)
    true_value, true_gradient = value_and_gradient(loss(name), prediction.double(), target.double())
    off = (gradient.double() - true_gradient).abs().max() / true_gradient.abs().max()
    return abs(value.item() / true_value.item() - 1), off.item()


def peak(name: str, how: str, shape: tuple[int, ...]) -> float:
    """The peak memory above that of the images, in images; Linux only. To be called in a fresh process."""
    criterion, (prediction, target) = way(name, how), images(shape)
    value_and_gradient(criterion, *(torch.rand(1, 3, 176, 176) for _ in range(2)))  # loads libraries and compiles
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status("VmRSS")
    value_and_gradient(criterion, prediction, target)
    return (_status("VmHWM") - before) * 1024 / (prediction.numel() * 4)


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))


def peak_in_a_process(name: str, how: str, shape: str) -> float:
    # freed blocks return to the system at once, or leftovers of one step would hide what the next one needs
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, __file__, "--peak", name, how, shape]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(json.loads(finished.stdout.splitlines()[-1]))


def table(name: str, shape: str, hows: list[str]) -> str:
    ways = {how: way(name, how) for how in hows}
    prediction, target = images(SHAPES[shape])
    times = seconds(ways, prediction, target, rounds=3 if name == "mix" or shape == "1x1024" else 21)
    best = min((time for how, time in times.items() if how not in OUR_VARIANTS), default=math.nan)
    lines = [
        f"### {name}, {'x'.join(map(str, SHAPES[shape]))}",
        "",
        "| | ms | speed over the best other | memory, images | error of value | of gradient |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for how, criterion in ways.items():
        value, gradient = errors(criterion, name, prediction, target)
        measured = sys.platform == "linux" and how != "compiled" and (how in OUR_VARIANTS or shape == MAIN_SHAPE)
        used = f"{peak_in_a_process(name, how, shape):.1f}" if measured else ""
        label = f"**lossmith, {how}**" if how in OUR_VARIANTS else how
        ratio = "" if math.isnan(best) else f"{best / times[how]:.2f}"
        lines.append(f"| {label} | {1e3 * times[how]:.1f} | {ratio} | {used} | {value:.0e} | {gradient:.0e} |")
    return "\n".join([*lines, ""])


def tables(names: list[str], shapes: list[str]) -> Iterator[str]:
    packages = ("torch", "numba", "pytorch-msssim", "piq", "piqa", "kornia", "torchmetrics")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    yield "## On a CPU\n\n" + textwrap.dedent(__doc__.split("\n\n", 2)[2])
    yield f"Measured by `python benchmarks/structural_cost.py` on: {device_name()}; {versions}.\n"
    for name in names:
        for shape in shapes:
            slow = () if shape == MAIN_SHAPE else ("compiled", "torchmetrics")
            hows = [how for how in (*OUR_VARIANTS, *LOSSES[name]()) if how not in slow]
            if name == "ms_ssim" and shape == "16x128":
                shape = "16x192"  # five halvings need 161 pixels
            if name == "mix" and shape == "1x1024":
                hows.remove("kornia")  # it takes more than ten minutes
            yield table(name, shape, hows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["16x128", "4x256", "1x1024"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a Markdown file to write the tables to")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    if options.peak:
        name, how, shape = options.peak
        print(json.dumps(peak(name, how, SHAPES[shape])))
        return
    parts = []
    for part in tables(options.losses, options.shapes):
        print(part, flush=True)
        parts.append(part)
    if options.out:
        write_text(options.out, "\n".join(parts))


if __name__ == "__main__":
    main()
