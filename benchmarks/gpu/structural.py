"""The structural losses on a GPU, forward and backward, beside other implementations.

All take turns in one process. "From Python" is between CUDA events, of several calls in a row; "from a graph" is
the same replayed from a CUDA graph, without Python between the kernels. "Python" is how long a call keeps the
processor. The share of bandwidth is that of reading both images and writing the gradient once (12 bytes a value)
in the time from a graph, relative to a plain copy. The error is that of the gradient, relative to our definition
in float64 in the maximum norm.
"""

import importlib
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

import fused_ssim_design
from gpu.inputs import DEVICE, ON_GPU, pair
from gpu.tables import Page, reason_of, size_of
from gpu.timing import copied_bytes_per_ms, medians, profile, replayed
from lossmith.core.devices import synchronize
from lossmith.losses import MixLoss, MSSSIMLoss, SSIMLoss
from lossmith.losses.structural.backends import dispatch, torch_backend
from lossmith.losses.structural.backends.dispatch import Backend

SHAPES, TINY_SHAPES = ((16, 3, 256, 256), (1, 3, 2160, 3840)), ((1, 1, 176, 176),)
LOSSES: dict[str, type[nn.Module]] = {"ssim": SSIMLoss, "ms_ssim": MSSSIMLoss, "mix": MixLoss}
PEERS = {  # by loss: name, module, function, options
    "ssim": [
        ("pytorch-msssim", "pytorch_msssim", "ssim", {"data_range": 1.0}),
        ("fused-ssim", "fused_ssim", "fused_ssim", {"padding": "valid"}),
    ],
    "ms_ssim": [("pytorch-msssim", "pytorch_msssim", "ms_ssim", {"data_range": 1.0})],
    "mix": [],
}
OURS, PLAIN = "**lossmith**", "lossmith, plain PyTorch"
SECONDS = 1.5
"""For the timing of all implementations of a loss at a size."""
CHOICE = dispatch.backend_for
"""The usual choice of a backend, which timing replaces."""
Call = Callable[[], Tensor]
Distance = Callable[[Tensor, Tensor], Tensor]


def run(page: Page, tiny: bool) -> None:
    speed = copied_bytes_per_ms(tiny)
    page.section("Structural losses, forward and backward", f"A plain copy moves {speed / 1e6:,.0f} GB/s.")
    for label, reason in absent_peers().items():
        page.line(f"{label} is missing: {reason}.\n")
    page.columns(
        *("loss", "images", "by", "ms from Python", "ms from a graph", "share of bandwidth"),
        *("Python, ms", "launches", "peak, MiB", "error of gradient"),
    )
    slower: list[tuple[str, str, dict[str, Call]]] = []
    cases = [(name, shape) for shape in (TINY_SHAPES if tiny else SHAPES) for name in LOSSES]
    for name, shape in cases:
        calls = implementations(name, *images(shape))
        times = rows(page, name, shape, calls, speed, tiny)
        first = min(times, key=lambda label: times[label])
        if first != OURS:
            slower.append((name, size_of(shape), {label: calls[label] for label in (OURS, first)}))
    for name, size, calls in slower:
        page.section(f"Where the time goes: `{name}`, {size}", "What is first, and ours, by torch.profiler.")
        for label, call in calls.items():
            page.line(f"{label}:\n\n```\n{profile(call).operations}\n```\n")
    if ON_GPU:  # elsewhere it would take minutes and a C++ compiler
        beside_compiled(page, cases[: 1 if tiny else 4], tiny)


def images(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    prediction, target = (image.to(DEVICE) for image in pair(shape))
    return prediction.requires_grad_(), target


def implementations(name: str, prediction: Tensor, target: Tensor) -> dict[str, Call]:
    """A forward and backward pass by each implementation that is at hand, ours first."""
    criterion = LOSSES[name]()
    calls = {OURS: partial(with_backend, CHOICE(target), criterion, prediction, target)}
    if ON_GPU:
        calls[PLAIN] = partial(with_backend, torch_backend, criterion, prediction, target)
    if name == "ssim" and ON_GPU and fused_ssim_design.available():
        calls["fused-ssim's design, our CUDA"] = partial(gradient, fused_ssim_design.ssim, prediction, target)
    for label, module, function, options in PEERS[name]:
        if not missing(module):
            peer = partial(getattr(importlib.import_module(module), function), **options)
            calls[label] = partial(gradient, lambda x, y, peer=peer: 1 - peer(x, y), prediction, target)
    return calls


def missing(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return True
    return False


def absent_peers() -> dict[str, str]:
    """What is not compared, and why."""
    peers = {label: module for peers in PEERS.values() for label, module, *_ in peers}
    absent = {label: "it is not installed" for label, module in peers.items() if missing(module)}
    if not (ON_GPU and fused_ssim_design.available()):
        absent["fused-ssim's design"] = "it needs a GPU and nvcc"
    return absent


def gradient(distance: Distance, prediction: Tensor, target: Tensor) -> Tensor:
    return torch.autograd.grad(distance(prediction, target), prediction)[0]


def with_backend(backend: Backend, loss: Distance, prediction: Tensor, target: Tensor) -> Tensor:
    dispatch.backend_for = lambda _: backend  # an assignment, since this is timed
    return gradient(loss, prediction, target)


def rows(
    page: Page, name: str, shape: tuple[int, ...], calls: dict[str, Call], speed: float, tiny: bool
) -> dict[str, float]:
    """Add a row for each implementation; returns their times from Python, without those that fail."""
    prediction, target = images(shape)
    exact = prediction.detach().double().requires_grad_(), target.double()
    true = with_backend(torch_backend, LOSSES[name](), *exact)
    errors = {}
    for label, call in list(calls.items()):
        try:
            errors[label] = float((call().double() - true).abs().max() / true.abs().max())
        except Exception as error:  # of other packages, and of nvcc
            page.row(name, size_of(shape), label, reason_of(error), *[""] * 6)
            del calls[label]
            if label == OURS:
                page.fault(f"{name}: {reason_of(error)}")
    del exact, true
    times = medians(calls, SECONDS, tiny)
    graphs = {label: graph for label, call in calls.items() if (graph := replayed(call))}
    graph_times = medians(graphs, SECONDS / 2, tiny) if graphs else {}
    for label, ms in times.items():
        graph_ms, facts = graph_times.get(label), profile(calls[label])
        share = 12 * target.numel() / (graph_ms or ms) / speed
        page.row(
            *(name, size_of(shape), label, f"{ms:.3f}", "" if graph_ms is None else f"{graph_ms:.3f}"),
            *(f"{share:.0%}", f"{processor_ms(calls[label]):.3f}", facts.launches, f"{facts.peak_mib:.0f}"),
            f"{errors[label]:.0e}",
        )
    return times


def processor_ms(call: Call, rounds: int = 15) -> float:
    """How long a call keeps the processor, with an idle device to launch kernels on."""
    times = []
    for _ in range(rounds if ON_GPU else 1):
        synchronize()
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * median(times)


def beside_compiled(page: Page, cases: list[tuple[str, tuple[int, ...]]], tiny: bool) -> None:
    """A table of our losses beside torch.compile of the plain path, for which compiling takes long."""
    page.section("Beside torch.compile of the plain path")
    page.columns("loss", "images", "ours, ms", "compiled, ms", "seconds to compile")
    dispatch.backend_for = CHOICE
    for name, shape in cases:
        prediction, target = images(shape)
        ours = partial(gradient, LOSSES[name](), prediction, target)
        theirs = partial(gradient, torch.compile(LOSSES[name](), dynamic=False), prediction, target)
        start = time.perf_counter()
        try:
            theirs()
        except Exception as error:
            page.row(name, size_of(shape), "", reason_of(error), "")
            continue
        synchronize()
        seconds = time.perf_counter() - start
        times = medians({"ours": ours, "compiled": theirs}, SECONDS / 2, tiny)
        page.row(name, size_of(shape), f"{times['ours']:.3f}", f"{times['compiled']:.3f}", f"{seconds:.0f}")
