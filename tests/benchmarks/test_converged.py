"""docs/converged.md is made of the tables beside it, and of nothing that a loss was trained to please."""

import math
import shutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lossmith.evaluation import DEGRADED, Row
from lossmith.losses import loss

DOCS = Path(__file__).parents[2] / "docs"
SQUEEZENET = "80%*l1 + 20%*features(squeezenet1_1, fire5)"


@pytest.fixture(scope="module")
def page(scripts: None) -> ModuleType:
    return import_module("converged_page")


@pytest.fixture(scope="module")
def runs(scripts: None) -> ModuleType:
    return import_module("long_runs")


@pytest.fixture(scope="module")
def tables(scripts: None) -> ModuleType:
    return import_module("run_tables")


@pytest.fixture
def folder(tables: ModuleType, tmp_path: Path) -> Path:
    """Tables of two losses under two seeds, of whose scores LPIPS on SqueezeNet is not fair to one."""
    rng = np.random.default_rng(0)
    gains = {"l1": 3.0, SQUEEZENET: 2.0, DEGRADED: 0.0}
    rows = [
        Row(
            f"{folder}/{number}",
            method,
            seed,
            {"psnr": 25 + gain + rng.normal(0, 0.05), "ssim": 0.8, "lpips_squeeze": 0.12345, "niqe": 5 - gain},
        )
        for method, gain in gains.items()
        for seed in ([0] if method == DEGRADED else [0, 1])
        for folder in ("Set5", "Set14")
        for number in range(5)
    ]
    tables.add(tmp_path, "sr", tables.SCORES, tables.as_lines(rows, 100))
    of_runs = [{"loss": "l1", "seed": str(seed), "steps": "100"} for seed in (0, 1)]
    facts = {"learning_rate": "0.001", "seconds": "60", "network": "fcn"}
    tables.add(tmp_path, "sr", tables.RUNS, [{**run, **facts} for run in of_runs])
    points = [{"at_step": str(step), "psnr": str(20 + step / 100)} for step in range(0, 101, 10)]
    tables.add(tmp_path, "sr", tables.CURVES, [{**run, **point} for run in of_runs for point in points])
    return tmp_path


def test_the_page_in_docs_is_made_of_the_tables_beside_it(page: ModuleType, tmp_path: Path) -> None:
    shutil.copy(DOCS / "converged.md", tmp_path)
    shutil.copytree(DOCS / "converged", tmp_path / "converged", ignore=shutil.ignore_patterns("*.svg"))
    page.write_page(tmp_path / "converged.md", tmp_path / "converged")
    again = "; run `python benchmarks/converged.py page`"
    assert (tmp_path / "converged.md").read_text("utf-8") == (DOCS / "converged.md").read_text("utf-8"), again
    for path in {*(tmp_path / "converged").glob("*"), *(tmp_path / p.name for p in DOCS.glob("converged/*.svg"))}:
        made = tmp_path / "converged" / path.name
        assert made.read_bytes() == (DOCS / "converged" / path.name).read_bytes(), path.name + again


def test_a_network_that_a_loss_was_made_of_does_not_judge_it(
    page: ModuleType, runs: ModuleType, folder: Path
) -> None:
    row = Row("a", SQUEEZENET, 0, {"psnr": 30.0, "lpips_squeeze": 0.1, "efficientnet_lite0": 2.0})
    assert runs.fair_scores(row) == {"psnr": 30.0, "efficientnet_lite0": 2.0}
    table = page.mean_table(page.Results(folder, "sr")).splitlines()
    column = [cell.strip() for cell in table[0].split("|")].index("LPIPS (SqueezeNet) ↓")
    shown = {line.split("|")[1].strip(" `"): line.split("|")[column].strip(" *") for line in table[2:]}
    assert shown == {DEGRADED: "0.1235", "l1": "0.1235", SQUEEZENET: "–"}  # though the table has it
    assert page.front_chart(page.Results(folder, "sr"), "lpips_squeeze") is None


def test_differences_are_paired_by_image_and_seed(page: ModuleType, folder: Path) -> None:
    results = page.Results(folder, "sr")
    by_place = {(row.method, row.seed, row.image): row.scores["psnr"] for row in results.rows}
    paired = [
        value - by_place["l1", seed, image]
        for (method, seed, image), value in by_place.items()
        if method == SQUEEZENET
    ]
    pair = results.beside[SQUEEZENET, "psnr"]
    assert pair.mean == pytest.approx(np.mean(paired))
    assert pair.low < pair.mean < pair.high < 0
    assert results.beside[SQUEEZENET, "niqe"].mean == pytest.approx(1.0)  # 5 - 2 beside 5 - 3


def test_one_seed_decides_nothing_though_another_loss_has_two(
    page: ModuleType, tables: ModuleType, folder: Path
) -> None:
    assert "one seed" not in page.advice_of(page.Results(folder, "sr"))
    lines = tables.read(folder / "sr.csv")
    tables.write(folder / "sr.csv", [line for line in lines if (line["loss"], line["seed"]) != ("l1", "1")])
    assert "one seed decides nothing" in page.advice_of(page.Results(folder, "sr"))


def test_every_part_of_the_page_stands_between_its_marks(page: ModuleType, folder: Path) -> None:
    path = folder / "page.md"
    path.write_text("head <!-- sr -->old<!-- end sr --> tail")
    page.write_page(path, folder, ["sr"])
    text = path.read_text("utf-8")
    assert text.startswith("head <!-- sr -->")
    assert text.endswith("<!-- end sr --> tail")
    assert "| Set14 | Set5 |" in text
    assert "+0.200 dB" in text  # of 20 to 21 dB in 100 steps, the last fifth
    assert {file.name for file in folder.glob("*.svg")} == {"sr-curve.svg", "sr-niqe.svg"}
    assert "Not run yet" in page.task_part(page.Results(folder, "jpeg"), folder)


@pytest.mark.parametrize("part", [0.1, 0.2, 0.5])
def test_the_late_gain_of_an_exponential_approach_is_as_calculus_says(page: ModuleType, part: float) -> None:
    curve = [(step, 30 - 8 * math.exp(-step / 1000)) for step in range(0, 6001, 10)]
    exact = 8 * (math.exp(-6 * (1 - part)) - math.exp(-6))
    assert page.late_gain(curve, part) == pytest.approx(exact, rel=1e-3)  # between points the curve is straight
    assert page.late_gain(curve[::-1], part) == page.late_gain(curve, part)


def test_the_catalog_names_losses_as_their_tables_do(runs: ModuleType) -> None:
    for task in runs.TASKS:
        names = runs.catalogue(task)
        assert len({*names}) == len(names)
        without_weights = [name for name in names if "features" not in name]
        assert [str(loss(name)) for name in without_weights] == without_weights
