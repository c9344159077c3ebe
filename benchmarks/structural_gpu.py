"""What the structural losses cost on a GPU, forward and backward, beside other ways to compute them.

    python benchmarks/structural_gpu.py [--rounds 30] [--replayed] [--compiled]

Contenders take turns in one process, ten calls each; printed are medians, between CUDA events, after a warm-up.
At small sizes what Python does between kernels takes longer than the kernels: `--replayed` leaves it out by
replaying each call from a CUDA graph, and leaves out those that cannot be recorded. `--compiled` adds what
torch.compile makes of our losses, which takes minutes. The share of bandwidth is how much of the speed of a plain
copy, measured here too, it would take to read both images and write the gradient once (12 bytes a value) in that
time. The last column is the error of the gradient, relative to our definition in float64 in the maximum norm.
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

WARM_UP = 5
CALLS = 10
"""In a row, as in a training that a GPU runs behind; from a start, it is Python alone that would be timed."""
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


def contenders(name: str, prediction: Tensor, target: Tensor, compiled: bool) -> dict[str, Call]:
    """A forward and backward pass each; what is not installed is left out."""
    from lossmith.losses.structural.backends import triton_backend

    ours = LOSSES[name]()
    calls: dict[str, Call] = {
        "lossmith, Triton": partial(with_engine, triton_backend, ours, prediction, target),
        "lossmith, plain PyTorch": partial(with_engine, torch_backend, ours, prediction, target),
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


def with_engine(engine: Backend, loss: Distance, prediction: Tensor, target: Tensor) -> Tensor:
    dispatch.backend_for = lambda _: engine  # an assignment, since what happens here is timed
    return forward_and_backward(loss, prediction, target)


def error(call: Call, true: Tensor) -> float:
    return float((call().double() - true).abs().max() / true.abs().max())


def replayed(call: Call) -> Callable[[], object] | None:
    """The same kernels without Python between them; None for what does more than launch kernels."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # capture wants a warm-up on a stream of its own
        for _ in range(WARM_UP):
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
    """Milliseconds of each."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(WARM_UP + rounds):
        for name, call in calls.items():
            times[name].append(milliseconds(call))
    return {name: median(taken[WARM_UP:]) for name, taken in times.items()}


def milliseconds(call: Callable[[], object]) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(CALLS):
        call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / CALLS


def copied_bytes_per_ms(rounds: int) -> float:
    source = torch.zeros(2**28, device="cuda")
    into = torch.empty_like(source)
    return 2 * source.nbytes / medians({"copy": lambda: into.copy_(source)}, rounds)["copy"]


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
            asked = contenders(name, prediction, target, options.compiled)
            exact = prediction.detach().double().requires_grad_(), target.double()
            true = with_engine(torch_backend, LOSSES[name](), *exact)
            errors = {label: error(call, true) for label, call in asked.items()}
            prepared = {label: replayed(call) if options.replayed else call for label, call in asked.items()}
            calls = {label: call for label, call in prepared.items() if call}
            taken = medians(calls, options.rounds)
            for label, time in taken.items():
                ahead, share = max(taken.values()) / time, 12 * target.numel() / time / speed
                size = "x".join(map(str, target.shape))
                cells = f"{time:.3f} | {ahead:.1f} | {share:.0%} | {errors[label]:.0e}"
                print(f"| {name} | {size} | {label} | {cells} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--replayed", action="store_true", help="from CUDA graphs, without what Python costs")
    parser.add_argument("--compiled", action="store_true", help="torch.compile of our losses, too")
    options = parser.parse_args()
    try:
        measure(options)
    except LossmithError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
