"""What a learned loss is good for: restorers trained under it and under the usual losses, with the same budget.

    python benchmarks/mdf.py claim --train BSDS500_train --test BSDS500_test                # 2 cores, half an hour
    python benchmarks/mdf.py matrix --train BSDS500_train --test BSDS500_test               # less
    python benchmarks/mdf.py stripes --train BSDS500_train --test BSDS500_test              # minutes
    python benchmarks/mdf.py claim --scale full --train BSDS500_train --test BSDS500_test   # a GPU

claim    the losses of the paper against each other, for super-resolution, denoising and JPEG;
matrix   losses learned for each damage (rows) used to restore each damage (columns);
stripes  a damage without a name, vertical stripes, known only by a pair of pictures: its loss is learned from the
         pair, and restorers are trained under it and under L1.

--train and --test are any folders of pictures. The table is written to --out as mdf-WHAT-SCALE.md, the reports to
--runs. A stopped benchmark goes on with the same command. LPIPS is there when its weights are: see the README.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lossmith.degradations import from_8bit
from lossmith.evaluation import DEGRADED, Row, find_metric, standing
from lossmith.files import write_text
from lossmith.images import Data, find_pictures, read_picture, sample_pictures, write_picture
from lossmith.losses.loss_file import expression_of
from lossmith.studies import compare
from lossmith.studies.learning import learn_loss
from lossmith.training import Recipe

LOSSES = ("l1", "l2", "ssim", "ms_ssim_sigmas", "mix")
FEATURES = "l1 + features(squeezenet1_1, fire5)"
DAMAGES = {"sr": "bicubic(4)", "denoise": "noise(25)", "denoise50": "noise(50)", "jpeg": "jpeg(10)"}
MATRIX = ("sr", "denoise", "jpeg", "demosaic")
COLUMNS = ("psnr", "ssim", "gmsd", "lpips_squeeze")


@dataclass(frozen=True)
class Scale:
    """How much is spent on one run, on how many pictures."""

    network: str
    steps: int
    batch: int
    patch: int
    learning_rate: float
    seeds: int
    tests: int


SCALES = {
    "tiny": Scale("srresnet_small(features=8, blocks=1)", 4, 2, 64, 1e-3, seeds=1, tests=2),
    "small": Scale("srresnet_small(features=16, blocks=3)", 250, 4, 64, 2e-3, seeds=2, tests=6),
    "full": Scale("srresnet", 200_000, 16, 128, 2e-4, seeds=3, tests=100),
}


@dataclass(frozen=True)
class Bench:
    """The pictures and the budget, and where everything is written."""

    scale: Scale
    train: Path
    tests: list[Path]
    runs: Path
    rivals: list[str]
    """Expressions of more losses that the claim is tested with."""

    def rows(self, name: str, damage: str | None, losses: list[str], data: Data | None = None) -> list[Row]:
        """One tournament."""
        scale = self.scale
        recipe = Recipe(
            degradation=damage,
            network=scale.network,
            steps=scale.steps,
            batch=scale.batch,
            patch=scale.patch,
            learning_rate=scale.learning_rate,
        )
        data = data or Data([self.train], test=self.tests)
        outcome = compare(data, losses=losses, seeds=scale.seeds, recipe=recipe, out=self.runs / name)
        print(f"{name}: {outcome}", flush=True)
        return outcome.rows


def table(title: str, rows: list[Row]) -> str:
    """Means over pictures and seeds as a Markdown table; the best loss and its equals are bold."""
    methods = [DEGRADED, *dict.fromkeys(row.method for row in rows if row.method != DEGRADED)]
    columns = [find_metric(name) for name in COLUMNS if name in rows[0].scores]
    standings = [standing(rows, metric, methods) for metric in columns]
    lines = [
        f"### {title}\n",
        "| | " + " | ".join(f"{m.label} {'↑' if m.higher_is_better else '↓'}" for m in columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for method in methods:
        cells = []
        for metric, each in zip(columns, standings, strict=True):
            number = f"{each.means[method]:.{metric.digits}f}"
            cells.append(f"**{number}**" if method in each.leaders else number)
        lines.append(f"| `{method}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def claim(bench: Bench) -> Iterator[str]:
    for name, damage in DAMAGES.items():
        learned = f"mdf({name.removesuffix('50')})"
        rows = bench.rows(f"claim-{name}", damage, [*LOSSES, learned, f"l1 + {learned}", *bench.rivals])
        yield table(f"`{damage}`", rows)


def matrix(bench: Bench) -> Iterator[str]:
    rows = {
        damage: bench.rows(f"matrix-{damage}", damage, ["l1", *(f"mdf({k})" for k in MATRIX)]) for damage in MATRIX
    }
    for metric in (find_metric(name) for name in COLUMNS if name in rows["jpeg"][0].scores):
        lines = [f"### {metric.label}\n", "| | " + " | ".join(MATRIX) + " |", "| --- |" + " --- |" * len(MATRIX)]
        means = {damage: standing(rows[damage], metric, methods_of(rows[damage])).means for damage in MATRIX}
        for method in methods_of(rows["jpeg"]):
            cells = (f"{means[damage][method]:.{metric.digits}f}" for damage in MATRIX)
            lines.append(f"| `{method}` | " + " | ".join(cells) + " |")
        yield "\n".join(lines) + "\n"


def methods_of(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row.method for row in rows))


def stripes(bench: Bench) -> Iterator[str]:
    """Every picture is handed over as a pair: nothing here tells lossmith what stripes are."""
    folder = bench.runs / "stripes-pictures"
    split = {"train": find_pictures([bench.train]), "test": bench.tests}
    for name, pictures in split.items():
        for path in pictures:
            clean, target = from_8bit(read_picture(path)), folder / name / "clean" / f"{path.stem}.png"
            if not target.exists():
                write_picture(folder / name / "striped" / target.name, striped(clean))
                write_picture(target, clean)
    lesson = next(path for path in sample_pictures("train") if path.stem == "motorcycle_left")
    pair = folder / "lesson.png"
    write_picture(pair, striped(from_8bit(read_picture(lesson))))
    learned = learn_loss(lesson, degraded=pair, out=bench.runs / "stripes.safetensors")
    data = Data(
        clean=folder / "train" / "clean",
        degraded=folder / "train" / "striped",
        test=[folder / "test" / "clean"],
        test_degraded=folder / "test" / "striped",
    )
    expression = f'mdf("{learned.path}")'
    yield table("Vertical stripes", bench.rows("stripes", None, ["l1", expression, f"l1 + {expression}"], data))


def striped(clean: Tensor) -> Tensor:
    """What a scanner with uneven sensors makes of a picture: every column has a gain and an offset of its own."""
    rng = torch.Generator().manual_seed(clean.shape[2])
    gain, offset = torch.randn(2, 1, 1, clean.shape[2], generator=rng)
    return (clean * (1 + 0.12 * gain) + 0.04 * offset).clamp(0, 1)


PARTS: dict[str, Callable[[Bench], Iterator[str]]] = {"claim": claim, "matrix": matrix, "stripes": stripes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=PARTS)
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument(
        "--mdf", type=Path, nargs="*", default=[], help="loss files to test the claim with as well"
    )
    parser.add_argument("--features", action="store_true", help=f"and {FEATURES}, whose weights must be there")
    parser.add_argument("--runs", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    scale, tests = SCALES[options.scale], find_pictures([options.test])
    runs = options.runs or Path("runs") / f"mdf-{options.scale}"
    tests = tests[:: max(1, len(tests) // scale.tests)][: scale.tests]
    rivals = [*map(expression_of, options.mdf), *([FEATURES] if options.features else [])]
    bench = Bench(scale, options.train, tests, runs, rivals)
    sections = [
        f"{scale.network}, {scale.steps:,} steps of {scale.batch} patches of {scale.patch} x {scale.patch}, "
        f"Adam {scale.learning_rate:g} with cosine decay, {scale.seeds} seeds, {len(tests)} test pictures.\n"
    ]
    for section in PARTS[options.what](bench):
        sections.append(section)  # written at once, since the next may take hours
        write_text(options.out / f"mdf-{options.what}-{options.scale}.md", "\n".join(sections))


if __name__ == "__main__":
    main()
