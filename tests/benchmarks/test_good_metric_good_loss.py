"""Agreement with people against the quality of restorers: the statistics, and the page made of the tables."""

import shutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from lossmith.data import write_image
from lossmith.evaluation import Row

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def script(scripts: None) -> ModuleType:
    return import_module("good_metric_good_loss")


@pytest.fixture(scope="module")
def tables(scripts: None) -> ModuleType:
    return import_module("run_tables")


@pytest.mark.parametrize("seed", range(2))
def test_the_correlation_is_scipys_with_an_interval_around_it(script: ModuleType, seed: int) -> None:
    x, y = np.random.default_rng(seed).normal(size=(2, 15)).round(1)  # with ties
    value, low, high = script.correlation(x, y)
    assert value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert -1 <= low < value < high <= 1
    assert script.correlation(x, -y)[0] == pytest.approx(-value)
    assert script.correlation(np.exp(x), y) == (value, low, high)  # only ranks count
    assert script.correlation(y, x)[0] == pytest.approx(value)


def test_more_losses_give_a_shorter_interval(script: ModuleType) -> None:
    rng = np.random.default_rng(0)
    widths = []
    for count in (6, 60):
        x = rng.normal(size=count)
        _, low, high = script.correlation(x, x + rng.normal(size=count))
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_places_are_by_rank_alone_and_only_where_a_judge_may_judge(script: ModuleType) -> None:
    niqe = {"l1": 4.0, "l2": 5.0, "mix": 9.0}
    lpips = {"l1": 0.3, "mix": 0.1}  # may not judge l2
    assert script.mean_places({"niqe": niqe}) == {"l1": 0.0, "l2": 0.5, "mix": 1.0}
    assert script.mean_places({"niqe": niqe, "lpips": lpips}) == {"l1": 0.5, "l2": 0.5, "mix": 0.5}
    assert script.mean_places({"niqe": {name: v**3 for name, v in niqe.items()}}) == script.mean_places(
        {"niqe": niqe}
    )


def test_a_loss_that_orders_pictures_as_people_do_agrees_with_them(script: ModuleType, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    table = import_module("lossmith.studies.benchmarks.similarity.table")
    pictures = []
    for reference in range(3):
        clean = torch.full((3, 32, 32), 0.2 + 0.2 * reference)
        write_image(tmp_path / f"{reference}.png", clean)
        for level in range(1, 4):
            path = tmp_path / f"{reference}-{level}.png"
            write_image(path, clean + 0.05 * level + 0.01 * reference)
            quality = -(level + 0.1 * reference)  # what is further off in L1 is worse
            pictures.append(table.RatedPicture(tmp_path / f"{reference}.png", path, quality))
    assert script.agreement(pictures, "l1") == pytest.approx((1.0, 1.0, 1.0))
    turned = [table.RatedPicture(p.reference, p.distorted, -p.quality) for p in pictures]
    assert script.agreement(turned, "l1") == pytest.approx((-1.0, -1.0, -1.0))


def test_the_page_sets_one_against_the_other(script: ModuleType, tables: ModuleType, tmp_path: Path) -> None:
    names = script.LOSSES[:5]
    people = [
        {"loss": name, "spearman": str(0.5 + place / 10), "low": "0.1", "high": "0.9"}
        for place, name in enumerate(names)
    ]
    rows = [
        Row(f"Set5/{number}", name, 0, {"psnr": 30.0 - place + number, "niqe": 9.0 - place})
        for place, name in enumerate(names)
        for number in range(3)
    ]
    tables.add(tmp_path, "live", tables.PEOPLE, people)
    assert "Not trained yet" in script.page_parts(tmp_path)["correlations"]
    tables.add(tmp_path, "sr", tables.SCORES, tables.as_lines(rows, 50))
    parts = script.page_parts(tmp_path)
    assert "| niqe | 5 | +1.00" in parts["correlations"]  # who agrees better has the lower NIQE
    assert "| psnr | 5 | −1.00" in parts["correlations"].replace("-1", "−1")
    order = [line.split("`")[1] for line in parts["table"].splitlines() if line.startswith("| `")]
    assert order == list(names[::-1])
    assert (tmp_path / "scatter.svg").read_text().count("<circle") == 5


def test_the_page_in_docs_is_made_of_the_tables_beside_it(script: ModuleType, tmp_path: Path) -> None:
    source = DOCS / "good_metric_good_loss"
    shutil.copytree(source, tmp_path / "tables", ignore=shutil.ignore_patterns("*.svg"))
    page = (DOCS / "good_metric_good_loss.md").read_text("utf-8")
    again = "run `python benchmarks/good_metric_good_loss.py page`"
    assert script.filled(page, script.page_parts(tmp_path / "tables")) == page, again
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(
        p.name for p in source.iterdir()
    )
    for path in (tmp_path / "tables").glob("*.svg"):
        assert path.read_bytes() == (source / path.name).read_bytes(), again
