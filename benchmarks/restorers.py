"""What the restorers that come with lossmith reach on the field's test sets, for their receipts and their page.

    LOSSMITH_WEIGHTS=... python benchmarks/restorers.py DIR                  # all
    python benchmarks/restorers.py DIR --models x4-faithful --ship           # puts the scores into the receipt
    python benchmarks/restorers.py DIR --page docs/restorers.md              # writes the tables, too

DIR holds the folders Set5, Set14, classic5, McMaster and Set12. Super-resolution is scored on Y (BT.601), with as
many pixels cropped as the scale, after MATLAB's bicubic reduction; classic5 and Set12 as gray pictures, McMaster
in RGB, without cropping; all rounded to 8 bits. Noise is neither clipped nor rounded. How it looks is judged by
NIQE, with our statistics of photographs, and by EfficientNet-Lite0 where its weights are found; of both less is
better. Prints the scores as JSON. A model that is not measured now has the scores of its receipt in the tables.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from torch import Tensor

from lossmith.data import find_images, make_test_pairs
from lossmith.degradations import degradation
from lossmith.evaluation import available_deep_metrics, baseline, protocol_of, restore_images, score
from lossmith.models import PURPOSES, Task, ship, shipped_file, shipped_models, shipped_name, shipped_receipt
from lossmith.restoration import open_restorer

Scores = dict[str, float]
LABELS = {"psnr": "PSNR", "ssim": "SSIM", "niqe": "NIQE", "efficientnet_lite0": "EfficientNet-Lite0"}
DIGITS = {"psnr": 2, "ssim": 4, "niqe": 2, "efficientnet_lite0": 3}
FIDELITY, LOOKS = ("psnr", "ssim"), ("niqe", "efficientnet_lite0")
BEGIN, END = "<!-- scores -->\n", "<!-- end of scores -->"


@dataclass(frozen=True)
class Test:
    """Pictures of one folder, degraded in one way."""

    folder: str
    degradation: str
    level: str = ""
    metrics: Sequence[str] = FIDELITY

    def key(self, metric: str) -> str:
        """What a score is called in receipts, such as "classic5, quality 10, PSNR"."""
        return ", ".join(filter(None, (self.folder, self.level, LABELS[metric])))


TESTS: dict[Task, list[Test]] = {
    "jpeg": [
        Test("classic5", "jpeg(10)", "quality 10", (*FIDELITY, *LOOKS)),
        *(Test("classic5", f"jpeg({quality})", f"quality {quality}") for quality in (20, 30, 40)),
    ],
    "denoise": [
        Test("McMaster", "noise(15)", "sigma 15", ("psnr",)),
        Test("McMaster", "noise(25)", "sigma 25", ("psnr", *LOOKS)),
        Test("McMaster", "noise(50)", "sigma 50", ("psnr",)),
        *(Test("Set12", f"noise({sigma})", f"sigma {sigma}", ("psnr",)) for sigma in (15, 25, 50)),
    ],
    "x2": [Test("Set5", "bicubic(2)"), Test("Set14", "bicubic(2)", metrics=(*FIDELITY, *LOOKS))],
    "x4": [Test("Set5", "bicubic(4)"), Test("Set14", "bicubic(4)", metrics=(*FIDELITY, *LOOKS))],
}
DEGRADED: dict[Task, str] = {"jpeg": "JPEG", "denoise": "noise", "x2": "bicubic", "x4": "bicubic"}

JPEG_LEVELS = [f"classic5, quality {quality}, PSNR" for quality in (10, 20, 30, 40)]
NOISE_LEVELS = [f"{name}, sigma {sigma}, PSNR" for name in ("McMaster", "Set12") for sigma in (15, 25, 50)]
SETS = ["Set5, PSNR", "Set14, PSNR"]
PUBLISHED: dict[Task, dict[str, Scores]] = {
    "jpeg": {
        "AR-CNN, a model a quality": dict(zip(JPEG_LEVELS, (29.03, 31.15, 32.51, 33.34), strict=True)),
        "DnCNN-3, blind": dict(zip(JPEG_LEVELS, (29.40, 31.63, 32.91, 33.77), strict=True)),
    },
    "denoise": {
        "(C)BM3D": dict(zip(NOISE_LEVELS, (34.06, 31.66, 28.51, 32.37, 29.97, 26.72), strict=True)),
        "(C)DnCNN": dict(zip(NOISE_LEVELS, (33.44, 31.51, 28.61, 32.86, 30.44, 27.18), strict=True)),
        "FFDNet, told sigma": dict(zip(NOISE_LEVELS, (34.66, 32.35, 29.18, 32.75, 30.43, 27.32), strict=True)),
    },
    "x2": {
        "FSRCNN": dict(zip(SETS, (37.00, 32.63), strict=True)),
        "VDSR": dict(zip(SETS, (37.53, 33.03), strict=True)),
        "IMDN": dict(zip(SETS, (38.00, 33.63), strict=True)),
    },
    "x4": {
        "FSRCNN": dict(zip(SETS, (30.72, 27.61), strict=True)),
        "VDSR": dict(zip(SETS, (31.35, 28.01), strict=True)),
        "IMDN": dict(zip(SETS, (32.21, 28.58), strict=True)),
    },
}
"""As the papers state them: Dong et al. 2015 (AR-CNN); Zhang et al. 2017 (DnCNN) and 2018 (FFDNet, with those of
BM3D and CDnCNN); Hui et al. 2019 (IMDN, with those of FSRCNN and VDSR)."""


def measure(task: Task, model: str | None, data: Path, pictures: int | None) -> Scores:
    """The mean scores of a shipped model on the tests of its task; of the degraded pictures without a model."""
    restorer = None if model is None else open_restorer(model).restorer
    scores: Scores = {}
    for test in TESTS[task]:
        pairs = make_test_pairs(find_images([data / test.folder])[:pictures], degradation(test.degradation))
        protocol = protocol_of(pairs)
        results: Iterator[Tensor] = map(baseline, pairs) if restorer is None else restore_images(restorer, pairs)
        names = [name for name in test.metrics if name != "efficientnet_lite0" or name in available_deep_metrics()]
        rows = [score(result, pair.clean, protocol, names) for result, pair in zip(results, pairs, strict=True)]
        for name in names:
            scores[test.key(name)] = round(fmean(row[name] for row in rows), DIGITS[name])
    return scores


def table(task: Task, degraded: Scores, measured: Mapping[str, Scores]) -> str:
    """The scores of a task: a row a method, a column a score, published figures below."""
    keys = [test.key(metric) for test in TESTS[task] for metric in test.metrics]
    digits = [DIGITS[metric] for test in TESTS[task] for metric in test.metrics]
    ours = {f"**{name}**": measured[name] for name in names_of(task) if name in measured}
    lines = [row("", *keys), row("---", *("---:" for _ in keys))]
    for method, scores in {DEGRADED[task]: degraded, **ours, **PUBLISHED[task]}.items():
        lines.append(row(method, *(_number(scores.get(key), n) for key, n in zip(keys, digits, strict=True))))
    return "\n".join(lines)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def names_of(task: Task) -> list[str]:
    """The names of the models of a task, faithful first."""
    return [shipped_name(task, character) for character in ("faithful", "sharp")]


def write_tables(page: Path, tables: Mapping[Task, str]) -> None:
    """Put the tables between the marks of a page."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    parts = [f"### {task}: {PURPOSES[task]}\n\n{tables[task]}\n" for task in tables]
    page.write_text("".join([before, BEGIN, "\n", "\n".join(parts), "\n", END, after]), encoding="utf-8")


def reship(name: str, scores: Scores) -> None:
    """Put scores into the receipt of a shipped model."""
    receipt = shipped_receipt(name)
    entries = {key: receipt[key] for key in ("task", "character", "trained_on", "license")}
    ship(shipped_file(name), **entries, scores=scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the test sets")
    parser.add_argument("--models", nargs="*", default=shipped_models(), help="to measure [default: all]")
    parser.add_argument("--first", type=int, metavar="N", help="pictures of each set alone, for a trial")
    parser.add_argument("--ship", action="store_true", help="put the scores into the receipts")
    parser.add_argument("--page", type=Path, help="page whose tables are written")
    options = parser.parse_args()
    measured = {name: shipped_receipt(name)["scores"] for name in shipped_models()}
    for name in options.models:
        measured[name] = measure(shipped_receipt(name)["task"], name, options.folder, options.first)
        print(json.dumps({name: measured[name]}, indent=1), flush=True)
        if options.ship:
            reship(name, measured[name])
    if options.page:
        tasks: list[Task] = [task for task in TESTS if any(name in measured for name in names_of(task))]
        degraded = {task: measure(task, None, options.folder, options.first) for task in tasks}
        write_tables(options.page, {task: table(task, degraded[task], measured) for task in tasks})


if __name__ == "__main__":
    main()
