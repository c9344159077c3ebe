"""Which loss to train with: short runs under the losses that ship, and Zhao's tasks.

Runs that are finished are files in the folder `evidence` beside the table: a later call with the same folder
continues.
"""

from dataclasses import replace
from pathlib import Path

import mdf
import zhao
from gpu.inputs import photographs
from gpu.tables import Page, reason_of
from lossmith.data import find_images
from lossmith.losses.mdf.loss_file import expression_of
from trials import Scale

SCALE = Scale("srresnet_small(features=32, blocks=8)", 1000, 16, 64, 1e-3, seeds=3, tests=6)
TINY = replace(mdf.SCALES["tiny"], steps=2, seeds=1, tests=1)
ZHAO = zhao.Scale(steps=2000, batch=16, patch=64, learning_rate=1e-3, seeds=(2, 2), tests=6)
TINY_ZHAO = zhao.Scale(steps=2, batch=2, patch=32, learning_rate=1e-3, seeds=(1, 1), tests=1)
ORDER = (
    *("claim jpeg", "zhao jpeg", "claim sr", "matrix"),
    *("zhao sr", "claim denoise", "zhao demosaic", "claim denoise50"),
)
"""What is most wanted comes first."""


def run(page: Page, tiny: bool) -> None:
    folder = page.path.with_name("evidence")
    train, test = photographs(folder / "photographs", tiny)
    for entry in ("claim jpeg", "zhao jpeg") if tiny else ORDER:
        what, _, name = entry.partition(" ")
        try:
            if what == "zhao":
                zhao_table(page, name, train, test, folder / "zhao", tiny)
            else:
                learned_losses(page, what, name, train, test, folder, tiny)
        except Exception as error:
            page.line(f"\n{entry}: {reason_of(error)}")
            page.fault(f"{entry}: {reason_of(error)}")


def learned_losses(page: Page, what: str, name: str, train: Path, test: Path, folder: Path, tiny: bool) -> None:
    """The tables of `mdf.py`: a damage under all losses, or learned losses of all damages on all."""
    scale = TINY if tiny else SCALE
    bench = mdf.Bench(
        scale,
        train,
        scale.images(test),
        folder / "runs",
        degradations=[name] if name else list(mdf.MATRIX),
        learned=[*map(expression_of, mdf.MATRIX)],
        losses=["l1"] if tiny else None,
        more=[],
    )
    for number, section in enumerate(mdf.SECTIONS[what](bench)):
        page.line(f"\n{section}")
        if number == 0:
            page.line(bench.conditions(what))


def zhao_table(page: Page, task: str, train: Path, test: Path, runs: Path, tiny: bool) -> None:
    """The table of `zhao.py` for a task."""
    scale = TINY_ZHAO if tiny else ZHAO
    tests = zhao.evenly(find_images(test), scale.tests)
    losses = zhao.LOSSES[:1] if tiny else zhao.LOSSES
    text = zhao.section(task, scale, train, tests, runs / task, losses)
    page.line(f"\n#{text}")
