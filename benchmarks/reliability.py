"""Losses on hostile images, ours and other packages': writes docs/reliability.md.

    python benchmarks/reliability.py        # some minutes on one core; --out FILE writes elsewhere

The checks are in tests/hostile/battery.py, the images in tests/hostile/cases.py; our own tests use the same.
Networks have the same random weights in every run. The text of the page is in reliability.md, beside this file.
"""

import argparse
import platform
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from safetensors.torch import save_file
from torchvision import models

import features_rivals
import rivals
from lossmith import loss
from lossmith.core.files import write_text
from lossmith.losses.perceptual.lpips import head_files
from lossmith.losses.perceptual.weights import find_file, init_random, read_state_dict

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from hostile.amounts import FEW, MANY
from hostile.battery import FAULTS, Criterion, Subject, answer_to_a_nan, answers_to_nonsense, examine, nonsense
from hostile.cases import LAYOUTS, TAME, WILD, Case, cases
from hostile.subjects import EXPRESSIONS

SEED = 0
FIRST = Case((1, 3, 192, 192), "noisy", (torch.float32, torch.float32), ("plain", "plain"), SEED)
PACKAGES = (
    *("lossmith", "torch", "hypothesis", "pytorch-msssim", "piq", "piqa", "kornia", "torchmetrics", "lpips"),
    "DISTS-pytorch",
)
CHANNELS = (3,)
"""Numbers of channels; some of the others take only these."""


@dataclass(frozen=True)
class Family:
    """Losses of one kind, and the number of pairs of images that they get."""

    title: str
    ours: str
    others: Callable[[], dict[str, Criterion]]
    count: int
    color_blind: bool = True
    min_side: int = 0
    """The smallest side that all of them take, if it is above ours."""
    slack: float = 1e-6
    """Tolerance for identical images in other packages; for ours it is 0."""


@dataclass
class Record:
    """The results of a loss on all pairs of images."""

    faults: dict[str, list[tuple[Case, str]]] = field(default_factory=lambda: {fault: [] for fault in FAULTS})
    refusals: list[str] = field(default_factory=list)
    nonsense: dict[str, tuple[str, str]] = field(default_factory=dict)
    nan: str = ""


def lpips_of_alex() -> dict[str, Criterion]:
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity as theirs

    return {
        **features_rivals.lpips("alex"),
        "torchmetrics": lambda x, y: theirs(x, y, net_type="alex", normalize=True),
    }


def lpips_of_vgg() -> dict[str, Criterion]:
    import piq

    file = find_file(*head_files("vgg"))
    assert file is not None
    heads = [head.view(1, -1, 1, 1) for head in read_state_dict(file).values()]
    with patch("torch.hub.load_state_dict_from_url", lambda *_, **__: heads):
        return {"piq": piq.LPIPS()}


def dists() -> dict[str, Criterion]:
    from torchmetrics.functional.image import deep_image_structure_and_texture_similarity as theirs

    return {**features_rivals.dists(), "torchmetrics": lambda x, y: theirs(x, y, reduction="mean")}


def content() -> dict[str, Criterion]:
    return features_rivals.vgg16_relu2_2()


MIN_VGG_SIDE = 32
"""The smallest side for packages that run the whole network, whatever the layer."""
FAMILIES = (
    Family("SSIM", "ssim", rivals.ssim, 300),
    Family("MS-SSIM", "ms_ssim", rivals.ms_ssim, 60, min_side=176),
    Family("The mix of MS-SSIM and L1", "mix", rivals.mix, 300),
    Family("LPIPS on AlexNet", "lpips(alex, weights=random)", lpips_of_alex, 60, False),
    Family("LPIPS on VGG", "lpips(vgg, weights=random)", lpips_of_vgg, 40, False, MIN_VGG_SIDE),
    Family("DISTS", "dists(weights=random)", dists, 40, False, MIN_VGG_SIDE),
    Family("Features of VGG", "johnson(weights=random)", content, 100, False, MIN_VGG_SIDE),
    Family("Style of VGG", "style(weights=random)", features_rivals.style, 40, False, MIN_VGG_SIDE),
)


def sample(family: Family, min_side: int) -> list[Case]:
    """The images of a family, the same in every run."""
    drawn: list[Case] = []

    @seed(SEED)
    @settings(
        max_examples=family.count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(CHANNELS, min_side))
    def collect(case: Case) -> None:
        drawn.append(case)

    collect()
    return drawn


def examine_all(subject: Subject, sampled: Iterable[Case]) -> Record:
    criterion, record = subject.make(), Record()
    criterion(*FIRST.pair())  # since some keep the dtype of their first images
    for case in sampled:
        verdict = examine(subject, criterion, case)
        for fault in verdict.faults:
            record.faults[fault].append((case, verdict.refusal))
        if verdict.refusal and not verdict.faults:
            record.refusals.append(verdict.refusal)
    record.nonsense = answers_to_nonsense(subject, criterion)
    record.nan = answer_to_a_nan(subject, criterion)
    return record


def section(family: Family, examples: list[str]) -> list[str]:
    """The table of a family; the smallest images with each fault are added to `examples`."""
    criterion = loss(family.ours)
    criteria = {"lossmith": criterion, **family.others()}
    shapes = {
        "channels": (1, 3) if family.color_blind else CHANNELS,
        "min_side": criterion.min_side,
        "default_side": family.min_side,
        "color_blind": family.color_blind,
    }
    sampled = sample(family, max(criterion.min_side, family.min_side))
    subjects = {
        who: Subject(
            who, partial(lambda loss: loss, each), slack=0 if each is criterion else family.slack, **shapes
        )
        for who, each in criteria.items()
    }
    records = {who: examine_all(subject, sampled) for who, subject in subjects.items()}
    counts = {fault: [len(record.faults[fault]) for record in records.values()] for fault in FAULTS}
    rows = [[fault, *(str(count or "–") for count in row)] for fault, row in counts.items() if any(row)]
    rows.append(["refused, and why", *(str(len(record.refusals) or "–") for record in records.values())])
    rows.append(["a NaN pixel", *(NANS.get(record.nan, f"**{record.nan}**") for record in records.values())])
    rows += [
        [input.says, *(cell(*record.nonsense[input.says]) for record in records.values())]
        for input in nonsense(subjects["lossmith"])
    ]
    examples += [
        line for who, record in records.items() for line in smallest_examples(f"{who}, {family.title}", record)
    ]
    head = [f"of {len(sampled)} pairs of images", *(records)]
    absent = [fault for fault, row in counts.items() if not any(row)]
    return [
        f"### {family.title}",
        "",
        *table(head, rows),
        "",
        f"No package has these faults: {'; '.join(absent)}.",
        "",
    ]


NANS = {"NaN": "NaN", "refused": "refused", "unclear": "*refused unclearly*"}
"""Acceptable answers to a NaN pixel."""


def cell(outcome: str, words: str) -> str:
    return {"refused": "refused", "unclear": "*refused unclearly*"}.get(outcome, f"**{words}**")


def smallest_examples(who: str, record: Record) -> list[str]:
    """A line for each fault, with the smallest images that show it."""
    lines = []
    for fault, examples in record.faults.items():
        if examples:
            case, message = min(examples, key=lambda pair: pair[0].numbers)
            lines.append(f"- {who}: {fault}: {case}" + (f": `{message[:150]}`" if message else ""))
    return lines


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def random_weights(folder: Path) -> dict[str, Path]:
    """Files of networks with random weights, by name."""
    files = {}
    for name in ("alexnet", "vgg16"):
        features = models.get_model(name, weights=None).features
        init_random(features)
        files[name] = folder / f"{name}.safetensors"
        save_file({f"features.{key}": tensor for key, tensor in features.state_dict().items()}, files[name])
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "reliability.md")
    out: Path = parser.parse_args().out
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    examples: list[str] = []
    with TemporaryDirectory() as folder, features_rivals.torchvision_weights(random_weights(Path(folder))):
        tables = [line for family in FAMILIES for line in section(family, examples)]
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    page = Template(Path(__file__).with_suffix(".md").read_text(encoding="utf-8")).substitute(
        versions=f"a CPU ({platform.machine()}) with {versions}",
        few=FEW // 2,
        many=MANY,
        heavy=MANY // 8,
        losses=len(EXPRESSIONS),
        kinds=", ".join(f"*{values}*" for values in (*TAME, *WILD)),
        layouts=", ".join(f"*{layout}*" for layout in LAYOUTS),
        tables="\n".join(tables).rstrip(),
        examples="\n".join(examples),
    )
    write_text(out, page)


if __name__ == "__main__":
    main()
