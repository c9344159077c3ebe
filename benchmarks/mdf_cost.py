"""The cost of MDF, forward and backward, beside the published arrangement with the same weights.

    python benchmarks/mdf_cost.py mdf.safetensors [--learned my-loss.safetensors ...] [--compiled]

`mdf.safetensors` is a published file, converted by `lossmith convert-mdf`. The reference is each discriminator as
frozen modules (convolution, BatchNorm in evaluation, leaky ReLU), called on both images, and autograd. All take
turns in one process. Prints medians after a warm-up, errors of value and gradient from the reference, and the
growth of the peak memory over one forward and backward pass, in a process of its own for each (on a CPU as Linux
counts it).
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from lossmith.core.devices import best_device, device_name
from lossmith.losses import MDFLoss, load_loss
from lossmith.losses.mdf.loss_file import load_discriminators

WARMUP_ROUNDS = 2
Distance = Callable[[Tensor, Tensor], Tensor]


class Reference(nn.Module):
    """The published formula in plain PyTorch."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        state, card = load_loss(file)
        self.discriminators = nn.ModuleList(load_discriminators(state, card)[: card.get("default_scales")])

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        value = prediction.new_zeros(())
        for discriminator in self.discriminators:
            pairs = zip(discriminator.features(prediction), discriminator.features(target), strict=True)
            for prediction_features, target_features in pairs:
                value = value + (prediction_features - target_features).square().mean()
        return value


def fixed(loss: MDFLoss, target: Tensor) -> Distance:
    distance = loss.to(target.device).with_target(target)
    return lambda prediction, _: distance(prediction)


ROWS: dict[str, Callable[[Path, Tensor], Distance]] = {
    "reference": lambda file, _: Reference(file),
    "mdf": lambda file, _: MDFLoss.load(file),
    "mdf, target fixed": lambda file, target: fixed(MDFLoss.load(file), target),
    "mdf, bfloat16": lambda file, _: MDFLoss.load(file, precision="bfloat16"),
    "mdf, bfloat16, target fixed": lambda file, target: fixed(MDFLoss.load(file, precision="bfloat16"), target),
    "reference, compiled": lambda file, _: torch.compile(Reference(file)),
    "mdf, compiled": lambda file, _: torch.compile(MDFLoss.load(file)),
}


def images(shape: list[int]) -> tuple[Tensor, Tensor]:
    """A soft image and a noisy version of it."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(shape[0], shape[1], 8, 8, generator=generator)
    target = nn.functional.interpolate(coarse, shape[2:], mode="bicubic").clamp(0, 1)
    prediction = target + 0.1 * torch.randn(shape, generator=generator)
    return prediction.to(best_device()), target.to(best_device())


def make(name: str, file: Path, target: Tensor) -> Distance:
    distance = ROWS[name](file, target)
    return distance.to(target.device) if isinstance(distance, nn.Module) else distance


def measure(distance: Distance, prediction: Tensor, target: Tensor) -> tuple[float, Tensor, Tensor]:
    """Seconds, value and gradient."""
    leaf = prediction.clone().requires_grad_()
    start = now()
    value = distance(leaf, target)
    (gradient,) = torch.autograd.grad(value, leaf)
    return now() - start, value.detach(), gradient


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def memory(name: str, file: Path, shape: list[int], threads: int) -> float:
    """The memory of the first pass at this size, in MiB; run in a fresh process."""
    torch.set_num_threads(threads)
    prediction, target = images(shape)
    small = prediction[:1, :, :64, :64], target[:1, :, :64, :64]
    measure(make("mdf", file, small[1]), *small)  # excludes what torch itself allocates at first
    before = peak()
    distance = make(name, file, target)
    measure(distance, prediction, target)
    return peak() - before


def peak() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    # getrusage would return the parent's peak in a child
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--learned", type=Path, nargs="*", default=[])
    parser.add_argument("--shape", type=int, nargs=4, default=[4, 3, 128, 128])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--compiled", action="store_true", help="needs a C++ compiler")
    options = parser.parse_args()
    names = [name for name in ROWS if options.compiled or "compiled" not in name]
    entries = [(name, name, options.file) for name in names]
    entries += [(f"mdf({path.name})", "mdf", path) for path in options.learned]
    prediction, target = images(options.shape)
    distances = [make(name, file, target) for _, name, file in entries]
    times: list[list[float]] = [[] for _ in distances]
    for _ in range(WARMUP_ROUNDS + options.rounds):
        for distance, series in zip(distances, times, strict=True):
            series.append(measure(distance, prediction, target)[0])
    medians = [median(series[WARMUP_ROUNDS:]) for series in times]
    _, value, gradient = measure(distances[0], prediction, target)
    print(f"{'x'.join(map(str, options.shape))}, {device_name()}\n")
    print("| | ms | times as fast | value off by | gradient off by | memory, MiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    context = multiprocessing.get_context("spawn")
    for (label, name, file), distance, time_s in zip(entries, distances, medians, strict=True):
        _, own_value, own_gradient = measure(distance, prediction, target)
        comparable = file == options.file
        value_error = f"{float((own_value - value).abs() / value):.1e}" if comparable else ""
        gradient_error = f"{float((own_gradient - gradient).norm() / gradient.norm()):.1e}" if comparable else ""
        with context.Pool(1) as pool:
            memory_mib = pool.apply(memory, (name, file, options.shape, torch.get_num_threads()))
        print(
            f"| {label} | {1000 * time_s:.0f} | {medians[0] / time_s:.2f} "
            f"| {value_error} | {gradient_error} | {memory_mib:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
