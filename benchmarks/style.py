"""How many iterations of optimizing a picture a learned style is worth, and how fast it paints.

    python benchmarks/style.py MODEL --style PAINTING [--photo PHOTO] [--iterations 100] [--side 256] [--out runs]

MODEL is a file of `lossmith learn-style`. The objective is that of its receipt, with the same painting; the
optimization is L-BFGS at one size from the photograph, which is what no iteration gives. Writes style.svg and
style.md to --out. Speeds are of one process, all in turn in every round, each called twice and timed the second
time; medians. "plain" is the module itself under no_grad.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib
import torch
from torch import Tensor

from lossmith.commands.learn_style import style_objective, with_loss_network
from lossmith.core.devices import device_name
from lossmith.core.files import atomic_write, write_text
from lossmith.data import sample_images
from lossmith.data.photos import read_reduced
from lossmith.degradations import from_8bit
from lossmith.models.model_file import load_model
from lossmith.restoration import TorchEngine, load_engine
from lossmith.training.image_optimization import OptimizationStep, optimize_image
from lossmith.training.style_recipe import StyleRecipe

matplotlib.use("svg")
import matplotlib.pyplot as plt

SIZES = {"256 x 256": (256, 256), "512 x 512": (512, 512), "1080p": (1080, 1920)}
OBJECTIVE = ("loss_network", "content_layers", "style_layers", "content_weight", "style_weight", "tv_weight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--style", type=Path, required=True, help="the painting that the model has learned")
    parser.add_argument("--photo", type=Path, help="the photograph to paint [default: one of scikit-image]")
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--side", type=int, default=256, help="shorter side of the photograph")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load_model(options.model)
    learned = model.receipt["style"]
    recipe, weights = with_loss_network(
        StyleRecipe(style_size=learned["style_size"], **{name: learned[name] for name in OBJECTIVE})
    )
    painting = from_8bit(read_reduced(options.style, recipe.style_size))[None]
    loss = style_objective([painting], recipe, None, weights)
    photo = from_8bit(read_reduced(options.photo or sample_images("test")[0], options.side))[None]
    with torch.no_grad():
        painted = model.restorer.eval()(photo).clamp(0, 1)
        reached = float(loss(painted, photo))
    steps: list[OptimizationStep] = []
    start = time.perf_counter()
    optimize_image(loss, photo, iterations=options.iterations, levels=1, progress=steps.append)
    seconds = (time.perf_counter() - start) / options.iterations
    worth = next((step.iteration for step in steps if step.value <= reached), None)
    sentence = (
        f"The network reaches {reached:.4g}: "
        + (
            f"{worth} iterations of L-BFGS"
            if worth is not None
            else f"more than {options.iterations} iterations of L-BFGS"
        )
        + f" on a photograph of {photo.shape[2]} x {photo.shape[3]} pixels, {seconds:.2f} s each."
    )
    draw(steps, reached, options.out / "style.svg")
    lines = [f"{device_name()}, torch {torch.__version__}.", "", sentence, ""]
    lines += ["| size | what | ms | frames per second | of plain |", "| --- | --- | --- | --- | --- |"]
    for size, (height, width) in SIZES.items():
        lines += speeds(size, model.restorer, options.model, (height, width), options.rounds)
    write_text(options.out / "style.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def speeds(size: str, plain: torch.nn.Module, path: Path, sides: tuple[int, int], rounds: int) -> list[str]:
    """Rows of the table for one size."""
    image = torch.rand((1, 3, *sides), generator=torch.Generator().manual_seed(0))
    engine = load_engine(path)
    assert isinstance(engine, TorchEngine)
    engine = engine.on(torch.device("cpu"))

    def run_plain(images: Tensor) -> Tensor:
        with torch.no_grad():
            output: Tensor = plain(images)
        return output

    contenders: dict[str, Callable[[Tensor], Tensor]] = {
        "plain": run_plain,
        "lossmith float32": engine,
        "lossmith bfloat16": engine.computing_in("bfloat16"),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            run(image)
            start = time.perf_counter()
            run(image)
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return [
        f"| {size} | {name} | {1000 * value:.0f} | {1 / value:.2f} | {medians['plain'] / value:.2f}x |"
        for name, value in medians.items()
    ]


def draw(steps: list[OptimizationStep], reached: float, path: Path) -> None:
    """Plot the objective over the iterations, and the value that the network reaches as a line."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.semilogy([step.iteration for step in steps], [step.value for step in steps], label="optimization")
    axes.axhline(reached, color="#d55e00", label="network")
    axes.set(xlabel="iterations of L-BFGS", ylabel="objective", xlim=(0, None))
    axes.grid(alpha=0.25, which="both")
    axes.legend(frameon=False)
    with atomic_write(path) as partial:
        figure.savefig(partial, format="svg")


if __name__ == "__main__":
    main()
