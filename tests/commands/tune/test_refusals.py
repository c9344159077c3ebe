"""What a search refuses, each in a sentence."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import lossmith
from lossmith.cli import run as command
from lossmith.commands.tune.tune import Tuning
from lossmith.core.errors import LossmithError

from .conftest import RECIPE, Tune, folder


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"search": ["V=0..1"]}, "'V', which is nowhere in the loss"),
        ({"search": []}, "at least one `search`"),
        ({"loss": "l1 + W*Z*tv", "search": ["W=0..1"]}, "'Z' in the loss has no `search`, such as"),
        ({"loss": "l1 + W*tvv", "search": ["W=0..1"]}, "with W=0: loss 'tvv' is not known; did you mean 'tv'"),
        ({"loss": "rest*l1 + W%*tvv", "search": ["W=1..90"]}, "with W=1: loss 'tvv' is not known"),
        ({"loss": "rest*l1 + W%*tv", "search": ["W=1..100"]}, "with W=100: .*percentages of 100% leave no `rest`"),
        ({"loss": "l1 + learning_rate*tv"}, "'learning_rate' stands for the setting"),
        ({"loss": "l1 + charbonnier(W)", "search": ["W=-1..1"]}, "with W=-1: .*epsilon"),
        ({"loss": "l1 + L*tv", "search": ["L=0.1|x"]}, "with L=x: "),
        ({"goals": ["psrn"]}, "metric 'psrn' is not known; did you mean 'psnr'"),
        ({"goals": []}, "at least one of `goals`"),
        ({"goals": ["psnr", "psnr"]}, "`goals` has 'psnr' twice"),
        ({"goals": ["ms_ssim"]}, "no training image is large enough"),
        ({"trials": 0}, "`trials` must be a whole number, 1 or more, not 0"),
        ({"trials": 2.5}, "`trials` must be a whole number"),
        ({"at_once": 0}, "`at_once` must be a whole number, 1 or more, not 0"),
        ({"seed": -1}, "`seed` must be a whole number, 0 or more, not -1"),
        ({"seeds": "3:2"}, "`seeds` as a range"),
        ({"recipe": lossmith.Recipe(learning_rate=0.1)}, "give either `learning_rate` or a `search` for it"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    options: dict[str, Any], sentence: str, tune: Tune, tmp_path: Path
) -> None:
    with pytest.raises(LossmithError, match=sentence):
        tune(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"loss": "l2 + W*tv"}, r"`loss` is 'l1 \+ W\*tv' there and 'l2 \+ W\*tv' here; choose another `out`"),
        ({"search": ["W=0.001..2 log", "learning_rate=0.003|0.3"]}, "`search` is "),
        ({"goals": ["psnr"]}, r"`goals` is \['psnr', 'gmsd'\] there and \['psnr'\] here"),
        ({"seed": 1}, "`seed` is 0 there and 1 here"),
        ({"recipe": lossmith.Recipe(**{**vars(RECIPE), "steps": 11})}, "`steps` is 10 there and 11 here"),
    ],
)
def test_a_folder_belongs_to_one_search(
    options: dict[str, Any], sentence: str, outcome: Tuning, tune: Tune
) -> None:
    with pytest.raises(LossmithError, match=sentence):
        tune(folder(outcome), **options)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("trial.json", r"trial\.json is damaged; delete it"),
        ("values.json", r"values\.json is damaged; delete the"),
    ],
)
def test_a_damaged_file_is_named(file: str, sentence: str, outcome: Tuning, tune: Tune, tmp_path: Path) -> None:
    shutil.copytree(folder(outcome), tmp_path, dirs_exist_ok=True)
    (tmp_path / "trials" / "1" / file).write_text('{"state": "complete", "scores": {}}')
    with pytest.raises(LossmithError, match=sentence):
        tune(tmp_path)


def test_without_optuna_it_is_said_how_to_install_it(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    for name in ("preparation", "search", "optuna_study"):
        monkeypatch.delitem(sys.modules, f"lossmith.commands.tune.{name}", raising=False)
    assert command(["tune", str(photos), "--loss", "l1 + W*tv", "--search", "W=0..1", "--goals", "psnr"]) == 2
    assert 'a search needs Optuna, which comes with: pip install "lossmith[tune]"' in capsys.readouterr().err
