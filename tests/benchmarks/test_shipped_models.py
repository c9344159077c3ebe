"""The scripts that show what shipped models do, and what they cost."""

import importlib
from pathlib import Path

import numpy as np


def test_every_row_shows_damage_both_characters_and_the_original(box: Path, scripts: None) -> None:
    script = importlib.import_module("before_after")
    for row in script.ROWS:
        details = script.panels(row, 40)
        assert [detail.size for detail in details] == [(40, 40)] * 4
        truth = np.asarray(details[-1])
        left, top = row.corner
        assert np.array_equal(truth, np.asarray(script.original(row.photograph))[top : top + 40, left : left + 40])
        assert not any(np.array_equal(np.asarray(detail), truth) for detail in details[:-1])
    sheet = script.compose([details, details], [["a", "b", "c", "d"]] * 2)
    assert sheet.size == (4 * 40 + 3 * script.GAP, 2 * (40 + script.LABEL) + script.GAP)


def test_what_enlarges_is_measured_on_a_picture_and_on_a_result_of_the_size(scripts: None) -> None:
    script = importlib.import_module("restore_twelve_megapixels")
    assert script.cases(["jpeg", "x4"], 4000, 3000) == [
        ("jpeg", 4000, 3000),
        ("x4", 1000, 750),
        ("x4", 4000, 3000),
    ]
