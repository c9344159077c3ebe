"""The cost of the structural losses on a GPU, forward and backward, beside other implementations.

    python benchmarks/structural_gpu.py [--rounds 30] [--replayed] [--compiled]

All take turns in one process, ten calls each. Prints medians between CUDA events, after a warm-up. At small sizes
Python between the kernels takes longer than the kernels: `--replayed` excludes it by replaying each call from a
CUDA graph, and skips those that cannot be captured. `--compiled` adds our losses under torch.compile, which takes
minutes. The share of bandwidth is that of reading both images and writing the gradient once (12 bytes a value) in
that time, relative to a plain copy, which is measured too. The last column is the error of the gradient, relative
to our definition in float64 in the maximum norm.
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

import fused_ssim_design
from lossmith.core.devices import device_name
from lossmith.core.errors import LossmithError
from lossmith.losses import MixLoss, MSSSIMLoss, SSIMLoss
from lossmith.losses.structural.backends import dispatch, torch_backend
from lossmith.losses.structural.backends.dispatch import Backend

WARMUP_ROUNDS = 5
CALLS_PER_ROUND = 10
"""In a row, as in a training in which the GPU runs behind; a single call would time Python alone."""
SHAPES = {"16x256": (16, 3, 256, 256), "4k": (1, 3, 2160, 3840)}
LOSSES: dict[str, type[nn.Module]] = {"ssim": SSIMLoss, "ms_ssim": MSSSIMLoss, "mix": MixLoss}
PEERS = {  # by loss: name, module, function, options
    "ssim": [
        ("pytorch-msssim", "pytorch_msssim", "ssim", {"data_range": 1.0}),
        ("fused-ssim", "fused_ssim", "fused_ssim", {"padding": "valid"}),
    ],
    "ms_ssim": [("pytorch-msssim", "pytorch_msssim", "ms_ssim", {"data_range": 1.0})],
    "mix": [],
}
Call = Callable[[], Tensor]
Distance = Callable[[Tensor, Tensor], Tensor]


def implementations_of(name: str, prediction: Tensor, target: Tensor, compiled: bool) -> dict[str, Call]:
    """A forward and backward pass by each implementation that is installed."""
    from lossmith.losses.structural.backends import triton_backend

    criterion = LOSSES[name]()
    calls: dict[str, Call] = {
        "lossmith, Triton": partial(with_backend, triton_backend, criterion, prediction, target),
        "lossmith, plain PyTorch": partial(with_backend, torch_backend, criterion, prediction, target),
    }
    if compiled:
        fused = torch.compile(LOSSES[name](), dynamic=False)
        calls["lossmith, torch.compile"] = partial(forward_and_backward, fused, prediction, target)
    if name == "ssim" and fused_ssim_design.available():
        calls["fused-ssim's design, our CUDA"] = partial(
            forward_and_backward, fused_ssim_design.ssim, prediction, target
        )
    for label, module, function, options in PEERS[name]:
        try:
            peer = partial(getattr(importlib.import_module(module), function), **options)
        except ImportError:
            continue
        calls[label] = partial(forward_and_backward, lambda x, y, peer=peer: 1 - peer(x, y), prediction, target)
    return calls


def forward_and_backward(distance: Distance, prediction: Tensor, target: Tensor) -> Tensor:
    return torch.autograd.grad(distance(prediction, target), prediction)[0]


def with_backend(backend: Backend, loss: Distance, prediction: Tensor, target: Tensor) -> Tensor:
    dispatch.backend_for = lambda _: backend  # an assignment, since this is timed
    return forward_and_backward(loss, prediction, target)


def error(call: Call, true: Tensor) -> float:
    return float((call().double() - true).abs().max() / true.abs().max())


def replayed(call: Call) -> Callable[[], object] | None:
    """The call as a CUDA graph, without Python between kernels; None if it cannot be captured."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # a capture needs a warm-up on a stream of its own
        for _ in range(WARMUP_ROUNDS):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            call()
    except RuntimeError:
        torch.cuda.synchronize()
        return None
    return graph.replay


def medians(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median time of each call, in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(WARMUP_ROUNDS + rounds):
        for name, call in calls.items():
            times[name].append(milliseconds(call))
    return {name: median(series[WARMUP_ROUNDS:]) for name, series in times.items()}


def milliseconds(call: Callable[[], object]) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(CALLS_PER_ROUND):
        call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / CALLS_PER_ROUND


def copied_bytes_per_ms(rounds: int) -> float:
    source = torch.zeros(2**28, device="cuda")
    destination = torch.empty_like(source)
    return 2 * source.nbytes / medians({"copy": lambda: destination.copy_(source)}, rounds)["copy"]


def images(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    target = torch.rand(shape, device="cuda")
    return (target + 0.1 * torch.randn_like(target)).requires_grad_(), target


def measure(options: argparse.Namespace) -> None:
    if not torch.cuda.is_available():
        raise LossmithError("structural_gpu: PyTorch finds no CUDA device here; this measures on one")
    if importlib.util.find_spec("triton") is None:
        raise LossmithError("structural_gpu: Triton is not installed; `pip install triton` brings it")
    speed = copied_bytes_per_ms(options.rounds)
    print(f"{device_name()}, torch {torch.__version__}, copies {speed / 1e6:.0f} GB/s\n")
    print("| loss | shape | by | ms | times as fast | share of bandwidth | error of gradient |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for shape in options.shapes:
        prediction, target = images(SHAPES[shape])
        for name in options.losses:
            implementations = implementations_of(name, prediction, target, options.compiled)
            exact = prediction.detach().double().requires_grad_(), target.double()
            true = with_backend(torch_backend, LOSSES[name](), *exact)
            errors = {label: error(call, true) for label, call in implementations.items()}
            prepared = {
                label: replayed(call) if options.replayed else call for label, call in implementations.items()
            }
            calls = {label: call for label, call in prepared.items() if call}
            times = medians(calls, options.rounds)
            for label, time in times.items():
                ahead, share = max(times.values()) / time, 12 * target.numel() / time / speed
                size = "x".join(map(str, target.shape))
                cells = f"{time:.3f} | {ahead:.1f} | {share:.0%} | {errors[label]:.0e}"
                print(f"| {name} | {size} | {label} | {cells} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--replayed", action="store_true", help="from CUDA graphs, without Python between kernels")
    parser.add_argument("--compiled", action="store_true", help="our losses under torch.compile, too")
    options = parser.parse_args()
    try:
        measure(options)
    except LossmithError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
