"""Many small training runs on one device, as fast as possible, for the benchmarks of losses.

`lossmith.compare` is made for runs of hours: it saves, resumes, plots and reports. Here a run takes seconds, and
its overhead must be negligible. The batches of a seed are cut once and stay on the device for every loss; on a
CUDA device the whole step is one replayed graph; a run that was stopped starts again, and finished ones are rows
of a table.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from csv import DictReader
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from statistics import fmean
from time import perf_counter

import torch
from torch import Tensor, nn

from lossmith.core.devices import best_device, device_name, resolve_precision, synchronize
from lossmith.core.errors import LossmithError
from lossmith.data import Data, ImagePair, PatchDataset, find_images, image_names, prepare_data
from lossmith.data.loader import make_loader
from lossmith.degradations import from_8bit, to_8bit
from lossmith.evaluation import (
    DEGRADED,
    Row,
    available_deep_metrics,
    baseline,
    find_metric,
    protocol_for,
    read_csv,
    restore_images,
    score,
    write_csv,
)
from lossmith.losses import Loss, loss
from lossmith.metrics.registry import METRICS as REFERENCE_METRICS
from lossmith.networks import network
from lossmith.training.supervised import all_weights_finite

METRICS = ("psnr", "ssim", "gmsd", "lpips_squeeze", "efficientnet_lite0")
WARMUP_STEPS = 20
"""Steps over which the learning rate rises linearly."""
GRAPH_WARMUP_STEPS = 3
"""Steps before a graph is captured: they choose and compile kernels, and create the state of Adam."""


@dataclass(frozen=True)
class Scale:
    """The budget of one run, and the numbers of seeds and test images."""

    network: str
    steps: int
    batch: int
    patch: int
    learning_rate: float
    seeds: int
    tests: int

    def images(self, folder: Path) -> list[Path]:
        """The test images of a folder: `tests` of them, evenly spread over it."""
        paths = find_images([folder])
        return paths[:: max(1, len(paths) // self.tests)][: self.tests]


@dataclass(frozen=True)
class Batches:
    """Every batch of a run, on the device that trains."""

    degraded: Tensor
    """float32 (steps, batch, 3, h, w)."""
    clean: Tensor
    """uint8 (steps, batch, 3, h * scale, w * scale), without loss: clean patches are cut from 8-bit images."""

    def at(self, step: Tensor) -> tuple[Tensor, Tensor]:
        """(degraded, clean) of a step, an index tensor (1,) on the device, which avoids a synchronization."""
        degraded, clean = (batches.index_select(0, step)[0] for batches in (self.degraded, self.clean))
        return degraded.contiguous(memory_format=torch.channels_last), from_8bit(clean)


def trials(
    degradation: str, losses: Sequence[str], scale: Scale, train: Path, tests: list[Path], table: Path
) -> list[Row]:
    """The scores of the degraded test images, and of restorers trained under each loss and seed.

    All losses of a seed start from the same weights and get the same batches. Finished runs are in the CSV file
    `table` and are not repeated, so more losses can be added later. One process at a time may write to it. A run
    that diverged has rows without scores.
    """
    names = list(dict.fromkeys(str(loss(expression)) for expression in losses))
    rows = read_csv(table) if table.exists() else []
    if rows and {row.image for row in rows} != set(image_names(tests)):
        raise LossmithError(f"{table} was made with other test images; name another folder for the runs")
    finished_runs = {(row.method, row.seed) for row in rows}
    missing_names = {
        seed: [name for name in names if (name, seed) not in finished_runs] for seed in range(scale.seeds)
    }
    missing_names = {seed: missing for seed, missing in missing_names.items() if missing}
    if missing_names:
        data = prepare_data(Data([train], test=tests), degradation)
        # the metrics of the table, or all available ones; missing weights raise before anything is trained
        metrics = [find_metric(name).name for name in rows[0].scores] if rows else usable_metrics()
        device = f"{device_name()} in {resolve_precision('auto')}"
        heading = [
            str(protocol_for(data.source.scale)),
            *dict.fromkeys([*(devices_of(table) if rows else []), device]),
        ]
        rows = rows or score_rows(DEGRADED, 0, map(baseline, data.test_pairs), data.test_pairs, metrics)
        for seed, missing in missing_names.items():
            batches = cut_batches(PatchDataset(data.source, scale.patch, seed), scale.batch, scale.steps)
            start = new_restorer(scale.network, data.source.scale, seed)
            for name in missing:
                restorer, start_time = deepcopy(start), perf_counter()
                fit(restorer, loss(name), batches, scale.learning_rate)
                times = f"trained in {perf_counter() - start_time:.1f} s"
                if all_weights_finite(restorer):
                    start_time, restored = perf_counter(), restore_images(restorer.eval(), data.test_pairs)
                    new_rows = score_rows(name, seed, restored, data.test_pairs, metrics)
                    psnr = fmean(row.scores["psnr"] for row in new_rows)
                    outcome = f"{times}, scored in {perf_counter() - start_time:.1f} s, PSNR {psnr:.2f} dB"
                else:
                    new_rows, outcome = (
                        [Row(pair.name, name, seed) for pair in data.test_pairs],
                        f"{times}, diverged",
                    )
                print(f"{degradation}, {name}, seed {seed}: {outcome}", flush=True)
                rows += new_rows
                write_csv(table, rows, "; ".join(heading))
    return [row for name in (DEGRADED, *names) for row in rows if row.method == name and row.seed < scale.seeds]


def devices_of(table: Path) -> list[str]:
    """The devices of the runs in a table, which its column "protocol" names after the protocol."""
    with table.open(encoding="utf-8", newline="") as lines:
        return next(DictReader(lines))["protocol"].split("; ")[1:]


def usable_metrics() -> list[str]:
    """METRICS, without those whose weights are missing."""
    return [name for name in METRICS if name in REFERENCE_METRICS or name in available_deep_metrics()]


def score_rows(
    method: str, seed: int, restored: Iterable[Tensor], pairs: Sequence[ImagePair], metrics: Sequence[str]
) -> list[Row]:
    """One row per image, scored in threads while the next image is restored."""
    protocol = protocol_for(pairs[0].scale)

    def row(image: Tensor, pair: ImagePair) -> Row:
        return Row(pair.name, method, seed, score(image, pair.clean, protocol, metrics))

    with ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(row, restored, pairs))


def new_restorer(expression: str, scale: int, seed: int) -> nn.Module:
    """A restorer with its initial weights, on the device."""
    torch.manual_seed(seed)
    return network(expression, scale).to(best_device(), memory_format=torch.channels_last)


def cut_batches(patches: PatchDataset, batch: int, steps: int) -> Batches:
    """The first batches of the stream of patches, all on the device. Raises the loader's errors."""
    device, side = best_device(), patches.patch
    small = side // patches.images.scale
    degraded = torch.empty(steps, batch, 3, small, small, device=device)
    clean = torch.empty(steps, batch, 3, side, side, device=device, dtype=torch.uint8)
    # the cores of this process, which may be fewer than the machine has
    workers = len(os.sched_getaffinity(0)) if device.type == "cuda" else 0
    # the steps come first, since zip would otherwise wait for one more batch at the end
    for step, pair in zip(range(steps), make_loader(patches, batch, 0, workers=workers), strict=False):
        if isinstance(pair, LossmithError):
            raise pair
        degraded[step], clean[step] = pair[0].to(device), to_8bit(pair[1].to(device))
    return Batches(degraded, clean)


def fit(restorer: nn.Module, criterion: Loss, batches: Batches, peak: float) -> None:
    """Train for one step per batch. Schedules in a loss are ignored."""
    steps, device = len(batches.clean), batches.clean.device
    step = Step(restorer.train(), criterion.to(device), batches, peak)
    advance = replayed(step) if device.type == "cuda" else step
    for _ in range(steps):
        advance()
    synchronize()
    step.optimizer.zero_grad()  # the gradients are in the memory of the graph


def learning_rate(peak: float, step: int, steps: int) -> float:
    """Linear warm-up, then cosine decay to a hundredth of the peak."""
    return peak * min(1, (step + 1) / WARMUP_STEPS) * (0.01 + 0.99 * (1 + cos(pi * step / steps)) / 2)


class Step:
    """A callable training step. All its state is in tensors on the device, so a graph can replay it."""

    def __init__(self, restorer: nn.Module, criterion: Loss, batches: Batches, peak: float) -> None:
        self.restorer, self.criterion, self.batches = restorer, criterion, batches
        steps, device = len(batches.clean), batches.clean.device
        self.number = torch.zeros(1, dtype=torch.int64, device=device)
        self.rates = torch.tensor([learning_rate(peak, step, steps) for step in range(steps)], device=device)
        self.rate = torch.zeros((), device=device)
        self.half = resolve_precision("auto") == "bfloat16"
        self.optimizer = torch.optim.Adam(
            restorer.parameters(), self.rate, betas=(0.9, 0.99), fused=True, capturable=device.type == "cuda"
        )

    def __call__(self) -> None:
        degraded, clean = self.batches.at(self.number)
        self.rate.copy_(self.rates.index_select(0, self.number)[0])
        # without a cache, which might reuse in one graph a weight that was cast in another
        with torch.autocast(degraded.device.type, torch.bfloat16, enabled=self.half, cache_enabled=False):
            restored = self.restorer(degraded)
        self.optimizer.zero_grad()  # to None: backward then writes gradients instead of adding to them
        self.criterion(restored.float(), clean).backward()
        self.optimizer.step()
        self.number.add_(1)

    def warm_up(self, times: int) -> None:
        """Do the first step `times` times and undo it in place, since a graph refers to tensors by address."""
        weights = deepcopy(self.restorer.state_dict())
        for _ in range(times):
            self()
            self.number.zero_()
        self.optimizer.zero_grad()
        self.restorer.load_state_dict(weights)
        for state in self.optimizer.state.values():
            for tensor in state.values():  # the moments and the number of steps, which start at 0
                tensor.zero_()


def replayed(step: Step) -> Callable[[], None]:
    """The step as a CUDA graph, without Python between kernels; the step itself if it cannot be captured."""
    torch.backends.cudnn.benchmark = True
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # a capture needs a warm-up on a stream of its own
        step.warm_up(GRAPH_WARMUP_STEPS)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        # the outer context restores the stream if the capture fails, which the inner one does not
        with torch.cuda.stream(stream), torch.cuda.graph(graph, stream=stream):
            step()
    except RuntimeError as error:
        synchronize()
        why = str(error).partition("\n")[0]
        print(f"{step.criterion} is trained step by step, since no CUDA graph can be made: {why}", flush=True)
        return step
    return graph.replay
