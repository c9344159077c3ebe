"""The scores of shipped models: what receipts call them, and the tables of the page."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from lossmith.models import shipped_receipt


@pytest.fixture
def restorers(scripts: None) -> ModuleType:
    return importlib.import_module("restorers")


def test_a_score_is_called_by_pictures_level_and_metric(restorers: ModuleType) -> None:
    keys = [test.key("psnr") for test in restorers.TESTS["jpeg"]]
    assert keys == restorers.JPEG_LEVELS
    assert restorers.TESTS["x4"][0].key("ssim") == "Set5, SSIM"


def test_published_figures_stand_in_the_columns_that_are_measured(restorers: ModuleType) -> None:
    for task, tests in restorers.TESTS.items():
        keys = {test.key(metric) for test in tests for metric in test.metrics}
        for scores in restorers.PUBLISHED[task].values():
            assert scores.keys() <= keys


def test_a_table_has_a_row_for_each_method_and_leaves_open_what_is_not_known(restorers: ModuleType) -> None:
    measured = {"x2-faithful": {"Set5, PSNR": 37.25, "Set5, SSIM": 0.95}, "x4-sharp": {"Set5, PSNR": 1.0}}
    lines = restorers.table("x2", {"Set5, PSNR": 33.66}, measured).split("\n")
    assert lines[2].startswith("| bicubic | 33.66 |  |")
    assert lines[3].startswith("| **x2-faithful** | 37.25 | 0.9500 |  |")
    assert [line.split("|")[1].strip() for line in lines[4:]] == ["FSRCNN", "VDSR", "IMDN"]


def test_tables_are_put_between_the_marks_of_the_page(restorers: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{restorers.BEGIN}old\n{restorers.END}\n\nThe end.\n")
    for _ in range(2):  # once more gives the same
        restorers.write_tables(page, {"x4": "| table |"})
        assert page.read_text().count("| table |") == 1
        assert "old" not in page.read_text()
        assert page.read_text().endswith("The end.\n")


def test_scores_go_into_the_receipt_of_a_shipped_model(box: Path, restorers: ModuleType) -> None:
    for name in ("Set5", "Set14"):
        Path(name).mkdir()
        values = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
        Image.fromarray(values).save(f"{name}/a.png")
    before = shipped_receipt("x2-sharp")
    scores = restorers.measure("x2", "x2-sharp", Path(), None)
    restorers.reship("x2-sharp", scores)
    assert scores.keys() >= {"Set5, PSNR", "Set5, SSIM", "Set14, PSNR", "Set14, NIQE"}
    assert shipped_receipt("x2-sharp") == {**before, "scores": scores}
