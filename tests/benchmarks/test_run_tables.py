"""Tables of runs that are spread over days and machines: joined in any order, nothing is lost or doubled."""

import math
import random
from importlib import import_module
from itertools import permutations
from pathlib import Path
from types import ModuleType

import pytest

from lossmith.evaluation import Row


@pytest.fixture(scope="module")
def tables(scripts: None) -> ModuleType:
    return import_module("run_tables")


def run(loss: str, seed: int, psnr: float = 30.0, pictures: str = "ab", steps: int = 100) -> list[Row]:
    return [Row(picture, loss, seed, {"psnr": psnr}) for picture in pictures]


def lines_of(tables: ModuleType, *runs: list[Row], steps: int = 100) -> list[dict[str, str]]:
    return tables.as_lines([row for rows in runs for row in rows], steps)


def test_different_runs_are_all_kept_in_one_order(tables: ModuleType, tmp_path: Path) -> None:
    parts = [lines_of(tables, run(loss, seed)) for loss, seed in (("l1", 0), ("l1", 10), ("l1", 2), ("mix", 0))]
    files = set()
    for number, order in enumerate(permutations(parts)):
        for part in order:
            tables.add(tmp_path / str(number), "sr", tables.SCORES, part)
        files.add((tmp_path / str(number) / "sr.csv").read_text())
    [text] = files
    keys = [tuple(line.split(",")[:2]) for line in text.splitlines()[1:]]
    assert list(dict.fromkeys(keys)) == [("l1", "0"), ("l1", "2"), ("l1", "10"), ("mix", "0")]  # 2 before 10
    assert len(keys) == 8


def test_a_run_that_is_repeated_replaces_all_of_itself_and_nothing_else(tables: ModuleType) -> None:
    old = lines_of(tables, run("l1", 0, pictures="abc"), run("l1", 1), run("mix", 0))
    new = lines_of(tables, run("l1", 0, psnr=31.0))
    rows = tables.as_rows(tables.merged(old, new, tables.SCORES), 100)
    assert [row for row in rows if (row.method, row.seed) == ("l1", 0)] == run("l1", 0, psnr=31.0)
    assert [row for row in rows if (row.method, row.seed) != ("l1", 0)] == [*run("l1", 1), *run("mix", 0)]


def test_merging_is_idempotent(tables: ModuleType) -> None:
    draw = random.Random(0)
    for _ in range(20):
        first, second = (
            lines_of(tables, *(run(draw.choice(["l1", "l2"]), seed, draw.random()) for seed in seeds))
            for seeds in ((0, 1), (1, 2))
        )
        once = tables.merged(first, second, tables.SCORES)
        assert tables.merged(once, second, tables.SCORES) == once == tables.merged([], once, tables.SCORES)


def test_runs_of_another_budget_are_others(tables: ModuleType) -> None:
    lines = tables.merged(
        lines_of(tables, run("l1", 0, 30.0), steps=100),
        lines_of(tables, run("l1", 0, 31.0), steps=900),
        tables.SCORES,
    )
    assert [row.scores["psnr"] for row in tables.as_rows(lines, 900)] == [31.0, 31.0]
    assert tables.most_steps(lines) == 900
    assert tables.most_steps([]) == 0


def test_scores_survive_to_six_digits_and_missing_ones_stay_missing(tables: ModuleType, tmp_path: Path) -> None:
    rows = [
        Row("a", "l1", 0, {"psnr": 31.41592653, "niqe": math.nan}),
        Row("a", "80%*l1 + 20%*mdf(sr)", 0, {"x": 1e-7}),
    ]
    tables.add(tmp_path, "sr", tables.SCORES, tables.as_lines(rows, 100))
    back = {row.method: row.scores for row in tables.as_rows(tables.read(tmp_path / "sr.csv"), 100)}
    assert back == {"l1": {"psnr": 31.4159}, "80%*l1 + 20%*mdf(sr)": {"x": 1e-7}}


def test_folders_are_joined_table_by_table(tables: ModuleType, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    curve = {"loss": "l1", "seed": "0", "steps": "100", "at_step": "10", "psnr": "29"}
    rate = {
        "loss": "l1",
        "steps": "100",
        "learning_rate": "0.001",
        "objective": "0.1",
        "psnr": "29",
        "chosen": "yes",
    }
    tables.add(here, "sr", tables.SCORES, lines_of(tables, run("l1", 0)))
    tables.add(there, "sr", tables.SCORES, lines_of(tables, run("l2", 0)))
    tables.add(there, "sr", tables.CURVES, [curve])
    tables.add(there, "jpeg", tables.RATES, [rate])
    tables.join(there, here)
    assert {row.method for row in tables.as_rows(tables.read(here / "sr.csv"), 100)} == {"l1", "l2"}
    assert tables.read(here / "sr-curves.csv") == [curve]
    assert tables.read(here / "jpeg-rates.csv") == [rate]
    assert sorted(path.name for path in here.iterdir()) == ["jpeg-rates.csv", "sr-curves.csv", "sr.csv"]
