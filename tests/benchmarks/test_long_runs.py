"""Runs that are spread over days: the tables alone say what is trained next, and pictures keep their names."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from lossmith.data import write_image
from lossmith.evaluation import DEGRADED, Race, Row

STEPS = 50


@pytest.fixture(scope="module")
def script(scripts: None) -> ModuleType:
    return import_module("long_runs")


@pytest.fixture(scope="module")
def tables(scripts: None) -> ModuleType:
    return import_module("run_tables")


def runs(script: ModuleType, folder: Path) -> object:
    return script.LongRuns("jpeg", STEPS, folder, folder / "runs", folder / "tables")


def put(tables: ModuleType, folder: Path, method: str, seed: int, psnr: float) -> None:
    """A run in the tables, whose pictures differ by chance a little."""
    rng = np.random.default_rng(seed)
    rows = [Row(f"Set5/{n}", method, seed, {"psnr": psnr + n + rng.normal(0, 0.001)}) for n in range(8)]
    tables.add(folder / "tables", "jpeg", tables.SCORES, tables.as_lines(rows, STEPS))
    if method != DEGRADED:
        line = {"loss": method, "seed": str(seed), "steps": str(STEPS)}
        tables.add(folder / "tables", "jpeg", tables.RUNS, [line])


def test_a_race_gives_all_losses_their_least_seeds_first(
    script: ModuleType, tables: ModuleType, tmp_path: Path
) -> None:
    put(tables, tmp_path, "l1", 0, 30.0)
    put(tables, tmp_path, "l1", 2, 30.0)  # seeds count from 0 on, without a gap
    assert runs(script, tmp_path).next_seeds(["l1", "l2"], Race(2, 4)) == {"l2": 0}
    put(tables, tmp_path, "l2", 0, 30.0)
    assert runs(script, tmp_path).next_seeds(["l1", "l2"], Race(2, 4)) == {"l1": 1, "l2": 1}


def test_a_race_is_over_where_everything_is_decided(
    script: ModuleType, tables: ModuleType, tmp_path: Path
) -> None:
    put(tables, tmp_path, DEGRADED, 0, 20.0)
    for seed in (0, 1):
        for method, psnr in {"l1": 30.0, "mix": 27.0}.items():
            put(tables, tmp_path, method, seed, psnr)
    assert runs(script, tmp_path).next_seeds(["l1", "mix"], Race(2, 4)) == {}


def test_only_losses_that_may_still_be_best_get_more_seeds(
    script: ModuleType, tables: ModuleType, tmp_path: Path
) -> None:
    put(tables, tmp_path, DEGRADED, 0, 20.0)
    for seed in (0, 1):
        for method, psnr in {"l1": 30.0 + 0.2 * seed, "l2": 30.2 - 0.2 * seed, "mix": 10.0}.items():
            put(tables, tmp_path, method, seed, psnr)
    assert runs(script, tmp_path).next_seeds(["l1", "l2", "mix"], Race(2, 4)) == {"l1": 2, "l2": 2}
    assert runs(script, tmp_path).next_seeds(["l1", "l2", "mix"], Race(2, 2)) == {}


def test_what_the_tables_have_is_not_trained_again(script: ModuleType, tables: ModuleType, tmp_path: Path) -> None:
    put(tables, tmp_path, "l1", 0, 30.0)  # there are no pictures, so training would raise
    assert list(runs(script, tmp_path).carry_out(["l1"], [0])) == []


def test_pictures_are_named_by_their_folder_and_thinned_evenly(script: ModuleType, tmp_path: Path) -> None:
    for folder, count in (("test/classic5", 5), (script.BSDS, 20)):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(count):
            write_image(tmp_path / folder / f"{number:02}.png", torch.zeros(3, 8, 8))
    task = script.TASKS["jpeg"]
    pictures = script.pictures_of(task, tmp_path)
    assert list(pictures) == [*(f"classic5/0{n}" for n in range(5)), "BSDS500_test/00", "BSDS500_test/10"]
    assert pictures["classic5/03"] == tmp_path / "test/classic5/03.png"
    assert list(script.pictures_of(task, tmp_path, 2)) == [
        "classic5/00",
        "classic5/03",
        "BSDS500_test/00",
        "BSDS500_test/10",
    ]


def test_seeds_are_written_as_ranges(script: ModuleType) -> None:
    assert [*script.seeds_of("2:5")] == [2, 3, 4]
    assert [*script.seeds_of("3")] == [0, 1, 2]
