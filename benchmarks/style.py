"""How many iterations of optimizing an image a learned style is worth, and how fast it paints.

    python benchmarks/style.py MODEL --style PAINTING [--photos FILES] [--iterations 100] [--side 256] [--out runs]

MODEL is a file of `lossmith learn-style`, and PAINTING what it was learned from. The objective is that of its
receipt; the optimization is L-BFGS at one size from the photograph, which is iteration 0. Writes to --out
style_benchmark.md and style-objective.svg. Speeds are of one process, all in turn in every round, each called
twice and timed the second time; medians. "plain PyTorch" is the module under no_grad; the others are the engines
of `lossmith stylize`, with their copies from and to the CPU and their retained buffers.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import matplotlib
import torch
from torch import Tensor, nn

from lossmith.commands import export
from lossmith.core.devices import best_device, device_name, synchronize
from lossmith.core.errors import counted
from lossmith.core.files import atomic_write, write_text
from lossmith.data import image_names, sample_images
from lossmith.data.photos import read_reduced
from lossmith.degradations import from_8bit
from lossmith.losses import Loss
from lossmith.models.model_file import load_model
from lossmith.restoration import TorchEngine, load_engine, retained_buffers
from lossmith.training import open_style
from lossmith.training.image_optimization import OptimizationStep, optimize_image
from lossmith.training.style_recipe import StyleObjective

matplotlib.use("svg")
import matplotlib.pyplot as plt

SIZES = {"256 x 256": (256, 256), "512 x 512": (512, 512), "1920 x 1080": (1080, 1920)}
OPTIMIZED = 512**2
"""Pixels up to which the optimization is timed, too; more take too much memory."""
PAPER_ITERATIONS = 500
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
"""The photographs of scikit-image, by default."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--style", type=Path, required=True, help="the painting that the model has learned")
    parser.add_argument("--photos", type=Path, nargs="+", help="photographs to paint [default: scikit-image's]")
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--side", type=int, default=256, help="shorter side of the photographs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--remark", default="", help="what else the page should say of the measurement")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    samples = [path for path in (*sample_images("color"), *sample_images("train")) if path.stem in PHOTOS]
    model = load_model(options.model)
    loss = objective(model.receipt["style"], options.style).to(best_device())
    paths = options.photos or samples
    curves = {
        name: optimized(loss, model.restorer, path, options.side, options.iterations)
        for name, path in zip(image_names(paths), paths, strict=True)
    }
    options.out.mkdir(parents=True, exist_ok=True)
    draw(curves, options.out / "style-objective.svg")
    rows = [
        row
        for size, sides in SIZES.items()
        for row in speeds(size, loss, model.restorer, options.model, sides, options.rounds)
    ]
    write_text(options.out / "style_benchmark.md", page(curves, rows, model.receipt, options))


def objective(learned: Mapping[str, object], painting: Path) -> Loss:
    """The objective that a receipt tells of, for the same painting."""
    settings = {field.name: learned[field.name] for field in fields(StyleObjective)}
    style = open_style([painting], StyleObjective(**settings))  # type: ignore[arg-type]
    if list(style.record["paintings"].values()) != list(learned["paintings"].values()):  # type: ignore[attr-defined]
        raise SystemExit(f"the model has not learned from {painting}")
    return style.loss


@dataclass(frozen=True)
class Curve:
    """What the optimization of a photograph reaches, and what the network does."""

    size: tuple[int, int]
    values: list[float]
    """The objective before each iteration, and at the end."""
    network: float

    @property
    def iterations(self) -> int | None:
        """The first iteration that is as good as the network; None beyond the last."""
        return next((number for number, value in enumerate(self.values) if value <= self.network), None)

    @property
    def cells(self) -> list[str]:
        """The row of a table."""
        worth = f"more than {len(self.values) - 1}" if self.iterations is None else str(self.iterations)
        numbers = (self.values[0], self.network, self.values[-1])
        return [f"{self.size[1]} x {self.size[0]}", *(f"{number:.3g}" for number in numbers), worth]


def optimized(loss: Loss, network: nn.Module, path: Path, side: int, iterations: int) -> Curve:
    """Optimize a photograph, and paint it."""
    photo = from_8bit(read_reduced(path, side, enlarge=True))[None].to(best_device())
    with torch.no_grad():
        painted = network.eval().to(best_device())(photo).clamp(0, 1)
        reached = float(loss(painted, photo))
    steps: list[OptimizationStep] = []
    optimize_image(loss, photo, iterations=iterations, levels=1, progress=steps.append)
    print(f"{path.stem}: {reached:.4g} by the network, {steps[-1].value:.4g} optimized", flush=True)
    return Curve(steps[0].size, [step.value for step in steps], reached)


def draw(curves: Mapping[str, Curve], path: Path) -> None:
    """Plot the objective over the iterations, relative to what the network reaches."""
    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "style", "font.family": "sans-serif"}
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, curve in curves.items():
        axes.semilogy([value / curve.network for value in curve.values], label=name, linewidth=1.2)
    axes.axhline(1, color="black", linestyle="--", linewidth=1, label="the network")
    longest = max(len(curve.values) for curve in curves.values())
    axes.set(xlabel="iterations of L-BFGS", ylabel="objective / that of the network", xlim=(0, longest - 1))
    axes.grid(alpha=0.25, which="both")
    axes.legend(frameon=False)
    with atomic_write(path) as partial:
        figure.savefig(partial, format="svg", metadata={"Date": None})


def speeds(
    size: str, loss: Loss, network: nn.Module, path: Path, sides: tuple[int, int], rounds: int
) -> list[list[str]]:
    """Rows of the table for one size."""
    image = torch.rand((1, 3, *sides), generator=torch.Generator().manual_seed(0))
    runners = contenders(network, path)
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            with nullcontext() if name.startswith("plain") else retained_buffers():
                run(image)
                synchronize()
                start = time.perf_counter()
                run(image)
                synchronize()
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    iteration = seconds_an_iteration(loss, image) if sides[0] * sides[1] <= OPTIMIZED else None
    print(size, medians, iteration, flush=True)
    return [
        [
            size,
            name,
            f"{1000 * seconds:.0f}",
            f"{1 / seconds:.2f}",
            f"{medians['plain PyTorch'] / seconds:.2f}",
            "" if iteration is None else f"{PAPER_ITERATIONS * iteration / seconds:,.0f}",
        ]
        for name, seconds in medians.items()
    ]


def contenders(network: nn.Module, path: Path) -> dict[str, Callable[[Tensor], Tensor]]:
    """What paints, by name."""
    device = best_device()
    plain, engine = network.eval().to(device), load_engine(path)
    assert isinstance(engine, TorchEngine)
    engine = engine.on(device)

    def run_plain(images: Tensor) -> Tensor:
        with torch.no_grad():
            output: Tensor = plain(images.to(device))
        return output.cpu()

    with tempfile.TemporaryDirectory() as folder:
        graph = load_engine(next(path for path in export(path, out=folder).files if path.suffix == ".onnx"))
    return {
        "plain PyTorch": run_plain,
        "lossmith, float32": engine,
        "lossmith, bfloat16": engine.computing_in("bfloat16"),
        **({"lossmith, float16": engine.computing_in("float16")} if device.type == "cuda" else {}),
        "lossmith, ONNX Runtime": graph,
    }


def seconds_an_iteration(loss: Loss, image: Tensor, iterations: int = 6) -> float:
    """The median time between two iterations of the optimization."""
    times: list[float] = []

    def clock(_: OptimizationStep) -> None:
        synchronize()
        times.append(time.perf_counter())

    with retained_buffers():
        optimize_image(loss, image.to(best_device()), iterations=iterations, levels=1, progress=clock)
    return statistics.median(end - start for start, end in pairwise(times[1:]))


def page(
    curves: Mapping[str, Curve],
    rows: Sequence[Sequence[str]],
    receipt: Mapping[str, object],
    options: argparse.Namespace,
) -> str:
    """The page with both tables."""
    worth = [curve.iterations for curve in curves.values()]
    known = [number for number in worth if number is not None]
    most = max(known) if len(known) == len(worth) else f"more than {options.iterations}"
    least = min(known, default=most)
    first = table(
        ("photograph", "size", "photograph itself", "network", f"{options.iterations} iterations", "equal at"),
        [[name, *curve.cells] for name, curve in curves.items()],
    )
    second = table(("size", "what", "ms", "frames per second", "speed beside plain", "beside optimizing"), rows)
    gpu = (
        ""
        if best_device().type == "cuda"
        else "On a CUDA device the same command measures there; not yet run. [What is](gpu.md)."
    )
    return f"""# A learned style beside optimizing the image

    python benchmarks/style.py {options.model.name} --style {options.style.name} --out docs

writes this page: `{receipt["network"]}`, which has learned from {options.style.name} in
{receipt["steps"]} steps, beside the optimization of images under the same objective,
`{receipt["loss"]}`.

{machine()}, torch {torch.__version__}. {options.remark}
{gpu}

## What the network is worth

As much as {least} to {most} iterations of L-BFGS from the photograph. Johnson et al. report 50 to 100, after
40,000 steps.

![The objective over the iterations, divided by what the network reaches](style-objective.svg)

{first}

## How fast it paints

Medians of {options.rounds} rounds in one process. The last column is how many times faster a painting is than
{PAPER_ITERATIONS} iterations of L-BFGS at that size, from the median time of one; empty where they do not fit into
memory. Johnson et al. report about 1,000, on a GPU and with VGG-16 to relu4_3 as the loss network.

{second}
"""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """The computer in words."""
    if best_device().type != "cpu":
        return device_name()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), "of unknown kind"
    )
    return f"{os.cpu_count()} CPU cores ({model}), {counted(torch.get_num_threads(), 'thread')}"


if __name__ == "__main__":
    main()
