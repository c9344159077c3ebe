"""Learned losses beside the usual ones: restorers trained under each with the same budget, and scored.

    python benchmarks/mdf.py claim --train BSDS500_train --test BSDS500_test
    python benchmarks/mdf.py matrix --train BSDS500_train --test BSDS500_test    # with claim 75 minutes, one core
    python benchmarks/mdf.py stripes --train BSDS500_train --test BSDS500_test              # minutes
    python benchmarks/mdf.py claim --scale full --train BSDS500_train --test BSDS500_test   # a GPU, hours
    python benchmarks/mdf.py claim --scale full --degradations sr jpeg --more "features(vgg19, conv3_4)" ...
    python benchmarks/mdf.py matrix --scale full --rows mine/sr.safetensors mine/jpeg.safetensors ...

claim    the losses of the paper against each other, for super-resolution, denoising and JPEG;
matrix   losses learned for each degradation (rows) used to restore each degradation (columns);
stripes  a degradation without an expression, vertical stripes, given only as a pair of images: its loss is
         learned from the pair, and restorers are trained under it and under L1, in a tournament.

--train and --test are any folders of images. The table is written to --out as mdf-WHAT-SCALE.md. A stopped
benchmark continues with the same command. LPIPS is scored if its weights are installed: see the README.

Claim and matrix are trained by `trials`, and --runs holds one CSV file for each degradation, to which losses can
be added later. With --degradations, several processes can share a GPU, each with its own degradations; the same
command without the option makes one table of their results.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lossmith.commands import compare
from lossmith.commands.learn_loss import learn_loss
from lossmith.core.files import write_text
from lossmith.data import Data, find_images, read_image, sample_images, write_image
from lossmith.degradations import from_8bit
from lossmith.evaluation import DEGRADED, Metric, Row, differences, find_metric, rankings
from lossmith.losses.mdf.loss_file import expression_of
from lossmith.training import Recipe
from trials import Scale, devices_of, trials

LOSSES = ("l1", "l2", "ssim", "ms_ssim_sigmas", "mix")
DEGRADATIONS = {"sr": "bicubic(4)", "denoise": "noise(25)", "denoise50": "noise(50)", "jpeg": "jpeg(10)"}
MATRIX = ("sr", "denoise", "jpeg", "demosaic")
DEGRADATIONS_OF = {"claim": list(DEGRADATIONS), "matrix": list(MATRIX), "stripes": []}
COLUMNS = ("psnr", "ssim", "gmsd", "lpips_squeeze", "efficientnet_lite0")
BASELINE, GAIN_METRICS = "l1", ("psnr", "lpips_squeeze", "efficientnet_lite0")
"""The loss from which differences are shown, and the metrics in which they are."""

SCALES = {
    "tiny": Scale("srresnet_small(features=8, blocks=1)", 4, 2, 64, 1e-3, seeds=1, tests=2),
    "small": Scale("srresnet_small(features=16, blocks=3)", 1000, 4, 64, 2e-3, seeds=3, tests=12),
    "full": Scale("srresnet_small(features=32, blocks=8)", 4000, 16, 64, 1e-3, seeds=3, tests=32),
}
SR_PATCH = 96
"""Side of clean patches for super-resolution; at 64 their degraded versions would be 16 pixels wide."""


@dataclass(frozen=True)
class Bench:
    """The images, the budget and the output folder of a benchmark."""

    scale: Scale
    train: Path
    tests: list[Path]
    runs: Path
    degradations: list[str]
    learned: list[str]
    """Expressions of the losses in the rows of the matrix."""
    losses: list[str] | None
    """The losses that the claim is tested with; None for those of the paper and the one learned for the damage."""
    more: list[str]
    """Expressions of more losses that the claim is tested with."""

    def rows(self, name: str, degradation: str, losses: list[str]) -> list[Row]:
        """The scores under every loss. Runs that claim and matrix share for a degradation are trained once."""
        scale = replace(self.scale, patch=SR_PATCH) if name == "sr" else self.scale
        return trials(degradation, losses, scale, self.train, self.tests, self.runs / f"{name}.csv")

    def pairs(self, name: str, losses: list[str], data: Data) -> list[Row]:
        """The same for pairs of images, by a tournament: their degradation has no expression."""
        scale = self.scale
        recipe = Recipe(
            network=scale.network,
            steps=scale.steps,
            batch=scale.batch,
            patch=scale.patch,
            learning_rate=scale.learning_rate,
        )
        outcome = compare(data, losses=losses, seeds=scale.seeds, recipe=recipe, out=self.runs / name)
        print(f"{name}: {outcome}", flush=True)
        return outcome.rows

    def conditions(self, what: str) -> str:
        """The settings and devices of the runs in the folder, in a sentence."""
        scale, patches, rise = self.scale, f"{self.scale.patch} x {self.scale.patch}", "20 steps"
        if what == "stripes":
            results = json.loads((self.runs / what / "results.json").read_text(encoding="utf-8"))
            rise, devices = "a twentieth of them", [results["environment"]["Device"]]
        else:
            patches += f" ({SR_PATCH} x {SR_PATCH} for sr)"
            devices = [device for file in sorted(self.runs.glob("*.csv")) for device in devices_of(file)]
        return (
            f"{scale.network}, {scale.steps:,} steps of {scale.batch} patches of {patches}, "
            f"Adam {scale.learning_rate:g} with a rise over {rise} and cosine decay, {scale.seeds} seeds, "
            f"{len(self.tests)} test images, on {' and '.join(dict.fromkeys(devices))}.\n"
        )


def table(title: str, rows: list[Row]) -> str:
    """Means over images and seeds, the leaders in bold, then the differences from L1, as Markdown."""
    methods, metrics = methods_of(rows), metrics_of(rows)
    gain_metrics = [metric for metric in metrics if metric.name in GAIN_METRICS]
    standings = rankings(rows, metrics, methods)
    gains = [differences_from_base(rows, metric) for metric in gain_metrics]
    heads = [
        f"{standing.metric.label} {'↑' if standing.metric.higher_is_better else '↓'}" for standing in standings
    ]
    lines = [
        [
            f"`{method}`",
            *(
                number(standing.metric, standing.means.get(method), method in standing.leaders)
                for standing in standings
            ),
            *(gain.get(method, "") for gain in gains),
        ]
        for method in methods
    ]
    return markdown(title, ["", *heads, *(f"{metric.label} - {BASELINE}" for metric in gain_metrics)], lines)


def differences_from_base(rows: list[Row], metric: Metric) -> dict[str, str]:
    """The mean of each loss minus that of L1, with the paired 95 % interval."""
    others = [method for method in methods_of(rows) if method not in (DEGRADED, BASELINE)]
    digits = metric.digits
    return {
        each.first: f"{each.mean:+.{digits}f} [{each.low:.{digits}f}, {each.high:.{digits}f}]"
        for other in others
        for each in differences(rows, metric, [other, BASELINE])  # by twos: each interval is right with 95 %
    }


def number(metric: Metric, mean: float | None, bold: bool = False) -> str:
    """A mean in the digits of its metric; empty for a loss that diverged."""
    if mean is None:
        return ""
    return f"**{mean:.{metric.digits}f}**" if bold else f"{mean:.{metric.digits}f}"


def markdown(title: str, head: list[str], lines: Iterable[list[str]]) -> str:
    table = "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines])
    return f"### {title}\n\n{table}\n"


def methods_of(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys([DEGRADED, *(row.method for row in rows)]))


def metrics_of(rows: list[Row]) -> list[Metric]:
    return [find_metric(name) for name in COLUMNS if name in rows[0].scores]


def claim(bench: Bench) -> Iterator[str]:
    for name, degradation in DEGRADATIONS.items():
        if name in bench.degradations:
            learned = f"mdf({name.removesuffix('50')})"
            losses = [*LOSSES, learned, f"l1 + {learned}"] if bench.losses is None else bench.losses
            rows = bench.rows(name, degradation, [*losses, *bench.more])
            yield table(f"`{degradation}`", rows)


def matrix(bench: Bench) -> Iterator[str]:
    """One table for each metric, with a column for each degradation that is restored."""
    degradations = [name for name in MATRIX if name in bench.degradations]
    rows = {
        degradation: bench.rows(
            degradation, DEGRADATIONS.get(degradation, degradation), [BASELINE, *bench.learned]
        )
        for degradation in degradations
    }
    for metric in metrics_of(rows[degradations[0]]):
        standings = [rankings(rows[degradation], [metric])[0] for degradation in degradations]
        gain_metrics = degradations if metric.name in GAIN_METRICS else []
        gains = [differences_from_base(rows[degradation], metric) for degradation in gain_metrics]
        lines = [
            [
                f"`{method}`",
                *(
                    number(metric, standing.means.get(method), method in standing.leaders)
                    for standing in standings
                ),
                *(gain.get(method, "") for gain in gains),
            ]
            for method in methods_of(rows[degradations[0]])
        ]
        yield markdown(
            metric.label,
            ["", *degradations, *(f"{degradation} - {BASELINE}" for degradation in gain_metrics)],
            lines,
        )


def stripes(bench: Bench) -> Iterator[str]:
    """A tournament on pairs of images: nothing tells lossmith what stripes are."""
    folder = bench.runs / "stripes-images"
    split = {"train": find_images([bench.train]), "test": bench.tests}
    for name, images in split.items():
        for path in images:
            clean, target = from_8bit(read_image(path)), folder / name / "clean" / f"{path.stem}.png"
            if not target.exists():
                write_image(folder / name / "striped" / target.name, striped(clean))
                write_image(target, clean)
    sample = next(path for path in sample_images("train") if path.stem == "motorcycle_left")
    pair = folder / "sample.png"
    write_image(pair, striped(from_8bit(read_image(sample))))
    learned = learn_loss(sample, degraded=pair, out=bench.runs / "stripes.safetensors")
    data = Data(
        clean=folder / "train" / "clean",
        degraded=folder / "train" / "striped",
        test=[folder / "test" / "clean"],
        test_degraded=folder / "test" / "striped",
    )
    expression = f'mdf("{learned.path}")'
    yield table("Vertical stripes", bench.pairs("stripes", ["l1", expression, f"l1 + {expression}"], data))


def striped(clean: Tensor) -> Tensor:
    """The image as a scanner with uneven sensors gives it: each column has its own gain and offset."""
    rng = torch.Generator().manual_seed(clean.shape[2])
    gain, offset = torch.randn(2, 1, 1, clean.shape[2], generator=rng)
    return (clean * (1 + 0.12 * gain) + 0.04 * offset).clamp(0, 1)


SECTIONS: dict[str, Callable[[Bench], Iterator[str]]] = {"claim": claim, "matrix": matrix, "stripes": stripes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=SECTIONS)
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--degradations", nargs="+", help="only these of claim or matrix [default: all]")
    parser.add_argument(
        "--rows", nargs="+", default=MATRIX, help="learned losses of the matrix: names of shipped ones, or files"
    )
    parser.add_argument("--losses", nargs="+", help="test the claim with these losses instead")
    parser.add_argument("--mdf", nargs="*", default=[], help="loss files to test the claim with as well")
    parser.add_argument(
        "--more", nargs="*", default=[], help="expressions of losses to test the claim with as well"
    )
    parser.add_argument("--runs", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    if unknown := {*(options.degradations or [])} - {*DEGRADATIONS_OF[options.what]}:
        parser.error(f"{options.what} has no {', '.join(sorted(unknown))}")
    scale = SCALES[options.scale]
    bench = Bench(
        scale,
        options.train,
        scale.images(options.test),
        options.runs or Path("runs") / f"mdf-{options.scale}",
        degradations=options.degradations or DEGRADATIONS_OF[options.what],
        learned=[*map(expression_of, options.rows)],
        losses=options.losses,
        more=[*map(expression_of, options.mdf), *options.more],
    )
    out = options.out / f"{'-'.join(['mdf', options.what, options.scale, *(options.degradations or [])])}.md"
    sections: list[str] = []
    for section in SECTIONS[options.what](bench):
        print(section, flush=True)
        sections.append(section)  # written at once, since the next may take hours
        write_text(out, "\n".join([bench.conditions(options.what), *sections]))


if __name__ == "__main__":
    main()
