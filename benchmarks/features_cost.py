"""The cost of feature losses beside other packages, on the same weights.

    python benchmarks/features_cost.py                              # prints the tables; minutes
    python benchmarks/features_cost.py --only lpips_alex dists      # some of them
    python benchmarks/features_cost.py --results cost.json          # adds to the file, and prints all its results
    python benchmarks/features_cost.py --device cuda

One process, in turn, medians after a warm-up. Time is forward and backward, the gradient by the prediction only.
`fixed target` is `loss.with_target(target)`, which knows the target's features; `compiled` is torch.compile, which
needs a C++ compiler. Memory is the peak of one pass above what was there before, for each in a process of its own.
"Off" is the relative error of value and gradient (L2 norm) from ours in float64. Weights are the usual ImageNet
ones where this machine has them, and random otherwise, which costs the same. The images are soft blobs with noise.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

import features_rivals as rivals
from features_rivals import Criterion
from lossmith import loss
from lossmith.core.devices import device_name
from lossmith.core.files import write_text
from lossmith.losses.perceptual.backbones import backbone
from lossmith.losses.perceptual.contextual import contextual_similarity
from lossmith.losses.perceptual.weights import find_file, init_random, read_state_dict

NETWORKS = ("alexnet", "squeezenet1_1", "vgg16", "vgg19")
WARMUP_ROUNDS = 2


@dataclass(frozen=True)
class Entry:
    """A loss as an expression, in which {vgg16} stands for a file; if empty, a function of feature maps."""

    expression: str
    shape: tuple[int, ...]
    rivals: Callable[[], dict[str, Criterion]]


STYLE = "relu1_2 + relu2_2 + relu3_3 + relu4_3"
ENTRIES = {
    "vgg19_conv5_4": Entry("features(vgg19, conv5_4, weights={vgg19})", (4, 3, 128, 128), rivals.vgg19_conv5_4),
    "vgg16_relu2_2": Entry(
        "features(vgg16, relu2_2, distance=l2, weights={vgg16})", (16, 3, 128, 128), rivals.vgg16_relu2_2
    ),
    "lpips_alex": Entry("lpips(alex, weights={alexnet})", (16, 3, 128, 128), lambda: rivals.lpips("alex")),
    "lpips_squeeze": Entry(
        "lpips(squeeze, weights={squeezenet1_1})", (16, 3, 128, 128), lambda: rivals.lpips("squeeze")
    ),
    "lpips_vgg": Entry("lpips(vgg, weights={vgg16})", (4, 3, 128, 128), lambda: rivals.lpips("vgg")),
    "dists": Entry("dists(weights={vgg16})", (4, 3, 128, 128), rivals.dists),
    "style": Entry("style(weights={vgg16})", (4, 3, 128, 128), rivals.style),
    # relu3_3 of four images of 128 x 128, and of one of 256 x 256
    "contextual": Entry("", (4, 256, 32, 32), rivals.contextual),
    "contextual_64": Entry("", (1, 256, 64, 64), rivals.contextual),
}
VARIANTS = ("float32", "fixed target", "bfloat16", "bfloat16, fixed target", "compiled", "compiled, bfloat16")


def tiny(entry: Entry) -> Entry:
    """The same loss for one image of 32 x 32, to see that it runs."""
    return replace(entry, shape=(1, entry.shape[1], 32, 32))


def weight_files(folder: Path, networks: Sequence[str] = NETWORKS) -> dict[str, Path]:
    """For each network a file with its usual weights, or with random ones."""
    files = {}
    for name in networks:
        weights = find_file(backbone(name).files)
        with torch.device("meta"):
            network = nn.ModuleDict({"features": models.get_model(name, weights=None).features})
        network.to_empty(device="cpu")
        if weights:
            network.load_state_dict(read_state_dict(weights), strict=False)
        else:
            init_random(network)
        files[name] = folder / f"{name}.safetensors"
        save_file(network.state_dict(), files[name])
    return files


def our_criterion(entry: Entry, how: str, files: dict[str, Path], target: Tensor) -> Criterion:
    if not entry.expression:
        return torch.compile(contextual_of_maps) if "compiled" in how else contextual_of_maps
    expression = entry.expression.format(**files)
    if "bfloat16" in how:
        expression = expression.removesuffix(")") + ", precision=bfloat16)"
    criterion = loss(expression).to(target.device)
    if "fixed" in how:
        fixed = criterion.with_target(target)
        return lambda prediction, _: fixed(prediction)
    return torch.compile(criterion) if "compiled" in how else criterion


def contextual_of_maps(prediction: Tensor, target: Tensor) -> Tensor:
    """The contextual loss of feature maps (N, C, H, W)."""
    prediction, target = (maps.flatten(2).mT for maps in (prediction, target))
    return -contextual_similarity(prediction, target, "cosine", 0.5).log().mean()


def ways(
    name: str, files: dict[str, Path], target: Tensor, compiled: bool = False, only: str | None = None
) -> dict[str, Criterion]:
    """All ways to compute a loss, ours first, or the one that `only` names."""
    entry = ENTRIES[name]
    hows = [how for how in VARIANTS if compiled or "compiled" not in how]
    if not entry.expression:
        hows = [how for how in hows if how in ("float32", "compiled")]
    criteria = {how: our_criterion(entry, how, files, target) for how in hows if only in (None, how)}
    if only in hows:
        return criteria
    try:
        with rivals.torchvision_weights(files):
            others = entry.rivals()
    except ImportError:  # then without those of this loss
        others = {}
    return criteria | {
        how: other.to(target.device) if isinstance(other, nn.Module) else other for how, other in others.items()
    }


def images(shape: tuple[int, ...], device: str) -> tuple[Tensor, Tensor]:
    """Soft targets and noisy predictions of them."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(*shape[:2], max(4, shape[2] // 8), max(4, shape[3] // 8), generator=generator)
    target = nn.functional.interpolate(coarse, shape[2:], mode="bicubic").clamp(0, 1)
    prediction = (target + 0.1 * torch.randn(shape, generator=generator)).clamp(0, 1)
    return prediction.to(device), target.to(device)


def value_and_gradient(criterion: Criterion, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = prediction.detach().requires_grad_()
    value = criterion(leaf, target).mean()
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds(name: str, files: dict[str, Path], device: str, rounds: int, compiled: bool) -> dict[str, float]:
    """The median time of each way, taken in turn so that a busy machine hits all alike."""
    prediction, target = images(ENTRIES[name].shape, device)
    criteria = ways(name, files, target, compiled)
    times: dict[str, list[float]] = {how: [] for how in criteria}
    for _ in range(WARMUP_ROUNDS + rounds):
        for how, criterion in criteria.items():
            start = now(device)
            value_and_gradient(criterion, prediction, target)
            times[how].append(now(device) - start)
    return {how: statistics.median(series[WARMUP_ROUNDS:]) for how, series in times.items()}


def relative_errors(
    name: str, files: dict[str, Path], device: str, compiled: bool
) -> dict[str, tuple[float, float]]:
    """Relative errors of value and gradient of each way, from ours in float64."""
    prediction, target = images(ENTRIES[name].shape, device)
    exact = (
        contextual_of_maps
        if not ENTRIES[name].expression
        else loss(ENTRIES[name].expression.format(**files)).to(device).double()
    )
    value, gradient = value_and_gradient(exact, prediction.double(), target.double())
    errors = {}
    for how, criterion in ways(name, files, target, compiled).items():
        measured, slope = value_and_gradient(criterion, prediction, target)
        errors[how] = (
            abs(measured.item() / value.item() - 1),
            ((slope.double() - gradient).norm() / gradient.norm()).item(),
        )
    return errors


def memory(name: str, how: str, files: dict[str, Path], device: str, threads: int) -> float:
    """The peak of one pass above the memory before, in MiB; run in a fresh process."""
    torch.set_num_threads(threads)
    prediction, target = images(ENTRIES[name].shape, device)
    criterion = ways(name, files, target, only=how)[how]
    if "fixed" not in how:  # loads libraries and weights
        value_and_gradient(criterion, prediction[:1, :, :32, :32], target[:1, :, :32, :32])
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        value_and_gradient(criterion, prediction, target)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status("VmRSS")
    value_and_gradient(criterion, prediction, target)
    return (_status("VmHWM") - before) / 2**10


def _status(key: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{key}:")[2].split()[0])


def memories(name: str, files: dict[str, Path], device: str, threads: int) -> dict[str, float]:
    # freed blocks return to the system at once, or leftovers of one pass would hide what the next one needs
    os.environ.update(MALLOC_MMAP_THRESHOLD_="65536", MALLOC_TRIM_THRESHOLD_="65536")
    _, target = images((1, *ENTRIES[name].shape[1:]), device)
    context = multiprocessing.get_context("spawn")
    peaks = {}
    for how in ways(name, files, target):
        with context.Pool(1) as pool:
            peaks[how] = pool.apply(memory, (name, how, files, device, threads))
    return peaks


def table(name: str, measured: dict[str, Any]) -> str:
    times = measured["seconds"]
    others = [how for how in times if how not in VARIANTS]
    best = min((times[how] for how in others), default=None)
    lines = [
        f"### {name}, {'x'.join(map(str, ENTRIES[name].shape))}",
        "",
        "| | ms | speed over the best other | memory, MiB | value off | gradient off |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for how, time_s in times.items():
        label = how if how in others else f"**lossmith, {how}**"
        peaks = measured.get("memory", {})
        used = [f"{peaks[how]:.0f}"] if how in peaks else []
        off = [f"{error:.0e}" for error in measured.get("off", {}).get(how, [])]
        ahead = f"{best / time_s:.2f}" if best else ""
        cells = [label, f"{1e3 * time_s:.2f}", ahead, *(used or [""]), *(off or ["", ""])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ENTRIES, default=list(ENTRIES))
    parser.add_argument(
        "--what", nargs="+", choices=["seconds", "memory", "off"], default=["seconds", "memory", "off"]
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compiled", action="store_true", help="also with torch.compile; needs a C++ compiler")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, help="a file to which the results are added")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    stored = json.loads(options.results.read_text()) if options.results and options.results.exists() else {}
    packages = ", ".join(
        f"{package} {version(package)}" for package in ("torch", "lpips", "DISTS-pytorch", "piq", "piqa")
    )
    print(f"{device_name()}; {packages}\n")
    with tempfile.TemporaryDirectory() as folder:
        files = weight_files(Path(folder))
        for name in options.only:
            results = stored.setdefault(name, {})
            if "seconds" in options.what:
                results["seconds"] = seconds(name, files, options.device, options.rounds, options.compiled)
            if "off" in options.what:
                results["off"] = relative_errors(name, files, options.device, options.compiled)
            if "memory" in options.what:
                results["memory"] = memories(name, files, options.device, options.threads)
            if options.results:
                write_text(options.results, json.dumps(stored, indent=1))
    for name, measured in stored.items():
        if "seconds" in measured:
            print(table(name, measured), flush=True)


if __name__ == "__main__":
    main()
