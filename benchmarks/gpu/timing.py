"""Times on the device, taken in turn, and what a call does there."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import torch

from gpu.inputs import ON_GPU
from lossmith.core.devices import synchronize

Call = Callable[[], object]
BURST_MS = 5.0
"""Calls are timed in bursts of about so long, as in a training in which the GPU runs behind, of ten at most."""
WARM_UP = 3


def milliseconds(call: Call, count: int = 1) -> float:
    """The time of a call on the device, the mean of `count` in a row."""
    if not ON_GPU:
        start = time.perf_counter()
        for _ in range(count):
            call()
        return 1e3 * (time.perf_counter() - start) / count
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    first.record()
    for _ in range(count):
        call()
    last.record()
    last.synchronize()
    return float(first.elapsed_time(last)) / count


def medians(calls: Mapping[str, Call], seconds: float, tiny: bool = False) -> dict[str, float]:
    """The median time of each call in milliseconds, in rounds of all in turn, which take about `seconds`."""
    if tiny:
        return {name: milliseconds(call) for name, call in calls.items()}
    for call in calls.values():
        milliseconds(call, WARM_UP)
    once = {name: milliseconds(call) for name, call in calls.items()}
    counts = {name: max(1, min(10, round(BURST_MS / ms))) for name, ms in once.items()}
    round_ms = sum(once[name] * count for name, count in counts.items())
    rounds = max(5, min(30, int(1e3 * seconds / round_ms)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(milliseconds(call, counts[name]))
    return {name: median(series) for name, series in times.items()}


def seconds_of(call: Call) -> float:
    """The time of one call on the clock, until the device has finished."""
    synchronize()
    start = time.perf_counter()
    call()
    synchronize()
    return time.perf_counter() - start


def replayed(call: Call) -> Call | None:
    """The call as a CUDA graph, without Python between kernels; None where it cannot be captured."""
    if not ON_GPU:
        return None
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # a capture needs a warm-up on a stream of its own
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


@dataclass(frozen=True)
class Profile:
    """What one call does."""

    launches: int
    """Kernels, copies and fills on the device."""
    device_ms: float
    peak_mib: float
    """The most memory above what was there before."""
    operations: str
    """torch.profiler's table of what took longest in Python."""


def profile(call: Call) -> Profile:
    """Profile a call that is warm."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    before = 0
    if ON_GPU:
        activities.append(torch.profiler.ProfilerActivity.CUDA)
        synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    with torch.profiler.profile(activities=activities) as profiler:
        call()
        synchronize()
    peak = (torch.cuda.max_memory_allocated() - before) / 2**20 if ON_GPU else 0.0
    on_device = [event for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    device_ms = sum(event.time_range.elapsed_us() for event in on_device) / 1e3
    table = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=10, max_name_column_width=50)
    return Profile(len(on_device), device_ms, peak, table)


def copied_bytes_per_ms(tiny: bool) -> float:
    """The bandwidth of a plain copy, bytes read and written."""
    source = torch.zeros(2**16 if tiny else 2**28, device="cuda" if ON_GPU else "cpu")
    destination = torch.empty_like(source)
    return 2 * source.nbytes / medians({"copy": lambda: destination.copy_(source)}, 0.3, tiny)["copy"]
