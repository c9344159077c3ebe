"""What the deep losses cost beside other packages on the same weights.

    python benchmarks/features_cost.py                              # prints the tables; minutes
    python benchmarks/features_cost.py --only lpips_alex dists      # some of them
    python benchmarks/features_cost.py --results cost.json          # keeps them, and prints all that it has kept
    python benchmarks/features_cost.py --device cuda

One process, in turn, medians after a warm-up. Time is forward and backward, the gradient by the prediction only.
`fixed target` is `loss.fixed(target)`, which has seen the target before; `compiled` is torch.compile, which needs
a C++ compiler. Memory is the peak of one pass above what was there before, for each in a process of its own. "Off"
is how far value and gradient (L2 norm) are from ours in float64. Weights are the usual ImageNet ones where this
machine has them, and random otherwise, which costs the same. The images are soft blobs with noise.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
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
WARM_UP = 2


@dataclass(frozen=True)
class Entry:
    """A loss, ours as an expression in which {vgg16} stands for a file, or of feature maps where that is empty."""

    ours: str
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
OURS = ("float32", "fixed target", "bfloat16", "bfloat16, fixed target", "compiled", "compiled, bfloat16")


def weight_files(folder: Path) -> dict[str, Path]:
    """Of each network the file with its usual weights, or one with random ones."""
    files = {}
    for name in NETWORKS:
        found = find_file(backbone(name).files)
        with torch.device("meta"):
            made = nn.ModuleDict({"features": models.get_model(name, weights=None).features})
        made.to_empty(device="cpu")
        if found:
            made.load_state_dict(read_state_dict(found), strict=False)
        else:
            init_random(made)
        files[name] = folder / f"{name}.safetensors"
        save_file(made.state_dict(), files[name])
    return files


def ours(entry: Entry, how: str, files: dict[str, Path], target: Tensor) -> Criterion:
    if not entry.ours:
        return torch.compile(of_maps) if "compiled" in how else of_maps
    expression = entry.ours.format(**files)
    if "bfloat16" in how:
        expression = expression.removesuffix(")") + ", precision=bfloat16)"
    criterion = loss(expression).to(target.device)
    if "fixed" in how:
        kept = criterion.with_target(target)
        return lambda prediction, _: kept(prediction)
    return torch.compile(criterion) if "compiled" in how else criterion


def of_maps(prediction: Tensor, target: Tensor) -> Tensor:
    ours, theirs = (maps.flatten(2).mT for maps in (prediction, target))
    return -contextual_similarity(ours, theirs, "cosine", 0.5).log().mean()


def ways(
    name: str, files: dict[str, Path], target: Tensor, compiled: bool = False, only: str | None = None
) -> dict[str, Criterion]:
    """All ways to compute a loss, ours first, or `only` one of them."""
    entry = ENTRIES[name]
    hows = [how for how in OURS if compiled or "compiled" not in how]
    if not entry.ours:
        hows = [how for how in hows if how in ("float32", "compiled")]
    made = {how: ours(entry, how, files, target) for how in hows if only in (None, how)}
    if only in hows:
        return made
    with rivals.holding(files):
        others = entry.rivals()
    return made | {
        how: each.to(target.device) if isinstance(each, nn.Module) else each for how, each in others.items()
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
    contenders = ways(name, files, target, compiled)
    times: dict[str, list[float]] = {how: [] for how in contenders}
    for _ in range(WARM_UP + rounds):
        for how, criterion in contenders.items():
            start = now(device)
            value_and_gradient(criterion, prediction, target)
            times[how].append(now(device) - start)
    return {how: statistics.median(each[WARM_UP:]) for how, each in times.items()}


def deviations(name: str, files: dict[str, Path], device: str, compiled: bool) -> dict[str, tuple[float, float]]:
    """Of the value and of the gradient of each way from ours in float64."""
    prediction, target = images(ENTRIES[name].shape, device)
    exact = of_maps if not ENTRIES[name].ours else loss(ENTRIES[name].ours.format(**files)).to(device).double()
    value, gradient = value_and_gradient(exact, prediction.double(), target.double())
    found = {}
    for how, criterion in ways(name, files, target, compiled).items():
        its_value, its_gradient = value_and_gradient(criterion, prediction, target)
        off = abs(its_value.item() / value.item() - 1)
        found[how] = off, ((its_gradient.double() - gradient).norm() / gradient.norm()).item()
    return found


def memory(name: str, how: str, files: dict[str, Path], device: str, threads: int) -> float:
    """MiB above what was there before, of one pass; run in a fresh process."""
    torch.set_num_threads(threads)
    prediction, target = images(ENTRIES[name].shape, device)
    criterion = ways(name, files, target, only=how)[how]
    if "fixed" not in how:  # loads what is to be loaded
        value_and_gradient(criterion, prediction[:1, :, :32, :32], target[:1, :, :32, :32])
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        value_and_gradient(criterion, prediction, target)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = _status("VmRSS")
    value_and_gradient(criterion, prediction, target)
    return (_status("VmHWM") - before) / 2**10


def _status(key: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{key}:")[2].split()[0])


def memories(name: str, files: dict[str, Path], device: str, threads: int) -> dict[str, float]:
    # freed blocks go back at once, so that what one pass leaves is not taken for what the next does not need
    os.environ.update(MALLOC_MMAP_THRESHOLD_="65536", MALLOC_TRIM_THRESHOLD_="65536")
    _, target = images((1, *ENTRIES[name].shape[1:]), device)
    context = multiprocessing.get_context("spawn")
    found = {}
    for how in ways(name, files, target):
        with context.Pool(1) as pool:
            found[how] = pool.apply(memory, (name, how, files, device, threads))
    return found


def table(name: str, measured: dict[str, Any]) -> str:
    times = measured["seconds"]
    others = [how for how in times if how not in OURS]
    best = min(times[how] for how in others)
    lines = [
        f"### {name}, {'x'.join(map(str, ENTRIES[name].shape))}",
        "",
        "| | ms | speed over the best other | memory, MiB | value off | gradient off |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for how, taken in times.items():
        label = how if how in others else f"**lossmith, {how}**"
        used = [f"{each[how]:.0f}" for each in [measured.get("memory", {})] if how in each]
        off = [f"{each:.0e}" for each in measured.get("off", {}).get(how, [])]
        cells = [label, f"{1e3 * taken:.0f}", f"{best / taken:.2f}", *(used or [""]), *(off or ["", ""])]
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
    kept = json.loads(options.results.read_text()) if options.results and options.results.exists() else {}
    packages = ", ".join(f"{each} {version(each)}" for each in ("torch", "lpips", "DISTS-pytorch", "piq", "piqa"))
    print(f"{device_name()}; {packages}\n")
    with tempfile.TemporaryDirectory() as folder:
        files = weight_files(Path(folder))
        for name in options.only:
            found = kept.setdefault(name, {})
            if "seconds" in options.what:
                found["seconds"] = seconds(name, files, options.device, options.rounds, options.compiled)
            if "off" in options.what:
                found["off"] = deviations(name, files, options.device, options.compiled)
            if "memory" in options.what:
                found["memory"] = memories(name, files, options.device, options.threads)
            if options.results:
                write_text(options.results, json.dumps(kept, indent=1))
    for name, measured in kept.items():
        if "seconds" in measured:
            print(table(name, measured), flush=True)


if __name__ == "__main__":
    main()
