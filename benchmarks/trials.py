"""Many small restorers, one after the other on one device, as fast as it goes: what the benchmarks of losses run.

`lossmith.compare` is made for runs of hours: it saves, resumes, draws and reports. Here a run takes seconds, and
what surrounds it must cost nothing. The batches of a seed are cut once, and lie on the device for every loss; on a
CUDA device the whole step is one graph, replayed; a run that is stopped begins anew, and those that are finished
stand in a table.
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
from lossmith.networks import network
from lossmith.training.supervised import all_weights_finite

METRICS = ("psnr", "ssim", "gmsd", "lpips_squeeze")
RISE = 20
"""Steps over which the learning rate rises."""
REHEARSALS = 3
"""Steps before a graph is captured, in which kernels are chosen and compiled and Adam makes its state."""


@dataclass(frozen=True)
class Scale:
    """How much is spent on one run, on how many images."""

    network: str
    steps: int
    batch: int
    patch: int
    learning_rate: float
    seeds: int
    tests: int

    def images(self, folder: Path) -> list[Path]:
        """Those of a folder to test with, from all over it."""
        found = find_images([folder])
        return found[:: max(1, len(found) // self.tests)][: self.tests]


@dataclass(frozen=True)
class Batches:
    """Every batch of a run, on the device that trains."""

    degraded: Tensor
    """float32 (steps, batch, 3, h, w)."""
    clean: Tensor
    """uint8 (steps, batch, 3, h * scale, w * scale), which loses nothing: clean patches are cut from 8 bits."""

    def at(self, step: Tensor) -> tuple[Tensor, Tensor]:
        """(degraded, clean) of a step, (1,), which stays on the device, so that nobody waits for its number."""
        degraded, clean = (batches.index_select(0, step)[0] for batches in (self.degraded, self.clean))
        return degraded.contiguous(memory_format=torch.channels_last), from_8bit(clean)


def trials(
    damage: str, losses: Sequence[str], scale: Scale, train: Path, tests: list[Path], table: Path
) -> list[Row]:
    """The scores of degraded test images, and of what restorers trained under each loss and seed make of them.

    All losses of a seed begin with the same weights and meet the same batches. What is finished stands in the CSV
    file `table` and is not done again, so more losses can be added later. One process at a time may write to it. A
    run that diverged has rows without scores.
    """
    names = list(dict.fromkeys(str(loss(expression)) for expression in losses))
    rows = read_csv(table) if table.exists() else []
    if rows and {row.image for row in rows} != set(image_names(tests)):
        raise LossmithError(f"{table} was made with other test images; name another folder for the runs")
    done = {(row.method, row.seed) for row in rows}
    left = {seed: [name for name in names if (name, seed) not in done] for seed in range(scale.seeds)}
    left = {seed: missing for seed, missing in left.items() if missing}
    if left:
        data = prepare_data(Data([train], test=tests), damage)
        # what the table has, or else what there is; missing weights are said before anything is trained
        metrics = [find_metric(name).name for name in rows[0].scores] if rows else usable_metrics()
        here = f"{device_name()} in {resolve_precision('auto')}"
        heading = [str(protocol_for(data.source.scale)), *dict.fromkeys([*(made_on(table) if rows else []), here])]
        rows = rows or judged(DEGRADED, 0, map(baseline, data.test_pairs), data.test_pairs, metrics)
        for seed, missing in left.items():
            batches = cut(PatchDataset(data.source, scale.patch, seed), scale.batch, scale.steps)
            start = fresh(scale.network, data.source.scale, seed)
            for name in missing:
                restorer, begun = deepcopy(start), perf_counter()
                fit(restorer, loss(name), batches, scale.learning_rate)
                times = f"trained in {perf_counter() - begun:.1f} s"
                if all_weights_finite(restorer):
                    begun, restored = perf_counter(), restore_images(restorer.eval(), data.test_pairs)
                    made = judged(name, seed, restored, data.test_pairs, metrics)
                    psnr = fmean(row.scores["psnr"] for row in made)
                    outcome = f"{times}, scored in {perf_counter() - begun:.1f} s, PSNR {psnr:.2f} dB"
                else:
                    made, outcome = [Row(pair.name, name, seed) for pair in data.test_pairs], f"{times}, diverged"
                print(f"{damage}, {name}, seed {seed}: {outcome}", flush=True)
                rows += made
                write_csv(table, rows, "; ".join(heading))
    return [row for name in (DEGRADED, *names) for row in rows if row.method == name and row.seed < scale.seeds]


def made_on(table: Path) -> list[str]:
    """What the runs in a table were trained on, which its column "protocol" names after the protocol."""
    with table.open(encoding="utf-8", newline="") as lines:
        return next(DictReader(lines))["protocol"].split("; ")[1:]


def usable_metrics() -> list[str]:
    """METRICS, without LPIPS where its weights are missing."""
    return [name for name in METRICS if not name.startswith("lpips") or name in available_deep_metrics()]


def judged(
    method: str, seed: int, restored: Iterable[Tensor], pairs: Sequence[ImagePair], metrics: Sequence[str]
) -> list[Row]:
    """A row for every image, scored in threads while the next one is restored."""
    protocol = protocol_for(pairs[0].scale)

    def row(made: Tensor, pair: ImagePair) -> Row:
        return Row(pair.name, method, seed, score(made, pair.clean, protocol, metrics))

    with ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(row, restored, pairs))


def fresh(expression: str, scale: int, seed: int) -> nn.Module:
    """A restorer as it begins, on the device."""
    torch.manual_seed(seed)
    return network(expression, scale).to(best_device(), memory_format=torch.channels_last)


def cut(patches: PatchDataset, batch: int, steps: int) -> Batches:
    """The first batches of the stream of patches, all of them on the device. Raises what keeps one from it."""
    device, side = best_device(), patches.patch
    small = side // patches.images.scale
    degraded = torch.empty(steps, batch, 3, small, small, device=device)
    clean = torch.empty(steps, batch, 3, side, side, device=device, dtype=torch.uint8)
    # as many as there are cores for this process, which may be fewer than the machine has
    workers = len(os.sched_getaffinity(0)) if device.type == "cuda" else 0
    # the steps first, or one more batch would be waited for at the end
    for step, made in zip(range(steps), make_loader(patches, batch, 0, workers=workers), strict=False):
        if isinstance(made, LossmithError):
            raise made
        degraded[step], clean[step] = made[0].to(device), to_8bit(made[1].to(device))
    return Batches(degraded, clean)


def fit(restorer: nn.Module, criterion: Loss, batches: Batches, peak: float) -> None:
    """Train for as many steps as there are batches. Schedules in a loss are ignored."""
    steps, device = len(batches.clean), batches.clean.device
    step = Step(restorer.train(), criterion.to(device), batches, peak)
    advance = replayed(step) if device.type == "cuda" else step
    for _ in range(steps):
        advance()
    synchronize()
    step.optimizer.zero_grad()  # the gradients are in the memory of the graph


def learning_rate(peak: float, step: int, steps: int) -> float:
    """It rises over the first steps, and falls to a hundredth along a cosine."""
    return peak * min(1, (step + 1) / RISE) * (0.01 + 0.99 * (1 + cos(pi * step / steps)) / 2)


class Step:
    """One step of training after the other. All that changes is on the device, at a place of its own."""

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
        # without a cache, which might hand a weight that was cast in one graph to another
        with torch.autocast(degraded.device.type, torch.bfloat16, enabled=self.half, cache_enabled=False):
            restored = self.restorer(degraded)
        self.optimizer.zero_grad()  # to None, so that backward, in a graph too, writes gradients and adds nothing
        self.criterion(restored.float(), clean).backward()
        self.optimizer.step()
        self.number.add_(1)

    def rehearse(self, times: int) -> None:
        """Do the first step so many times, and undo it all in place, since a graph knows tensors by address."""
        weights = deepcopy(self.restorer.state_dict())
        for _ in range(times):
            self()
            self.number.zero_()
        self.optimizer.zero_grad()
        self.restorer.load_state_dict(weights)
        for state in self.optimizer.state.values():
            for tensor in state.values():  # the moments and the number of steps, which begin at 0
                tensor.zero_()


def replayed(step: Step) -> Callable[[], None]:
    """The same step as a CUDA graph, without Python; the step itself where a loss does not allow that."""
    torch.backends.cudnn.benchmark = True
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # a capture wants to be rehearsed on a stream of its own
        step.rehearse(REHEARSALS)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        # the outer one leads back to the former stream where the capture fails, which the inner one then does not
        with torch.cuda.stream(stream), torch.cuda.graph(graph, stream=stream):
            step()
    except RuntimeError as error:
        synchronize()
        why = str(error).partition("\n")[0]
        print(f"{step.criterion} is trained step by step, since no CUDA graph can be made: {why}", flush=True)
        return step
    return graph.replay
