"""Trainings and tournaments on pictures of any format, from the files to the scores."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

import lossmith
from lossmith import Data, Recipe, evaluation
from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.models import load_model

from ..formats import float_folder, gray16_folder

NOISE = "noise(0.05, of=range)"
RECIPE = Recipe(degradation=NOISE, network="srresnet_small(features=8, blocks=1)", steps=6, batch=2, patch=24)


def test_a_run_on_8_channels_keeps_its_format_and_range(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    folder = float_folder(tmp_path / "images")
    data = Data([folder], range="p1:p99")
    result = lossmith.train(data, loss="mix", recipe=RECIPE, out=tmp_path / "run", progress=False)
    model = load_model(result.model_path)
    assert model.channels == model.pixels.channels == 8
    assert model.pixels.dtype == "float32"
    assert -1 < model.pixels.low < 0.2 < 0.8 < model.pixels.high < 2
    assert yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())["pixels"] == model.receipt["pixels"]
    assert f"3 images ({model.pixels})" in caplog.text
    image = tifffile.imread(tmp_path / "run" / "images" / "3.tif")
    clean = tifffile.imread(folder / "3.tif")
    assert image.shape == clean.shape == (48, 56, 8)
    assert float(np.abs(image - clean).mean()) < 0.1 * model.pixels.span, "in the unit of the files"
    finished = result.model_path.stat().st_mtime_ns
    lossmith.train(data, loss="mix", recipe=RECIPE, out=tmp_path / "run", progress=False)
    assert result.model_path.stat().st_mtime_ns == finished, "the same command has nothing to do"
    with pytest.raises(
        LossmithError, match=r"the images are 8 channels, 32-bit floats, .* there and .*-1 to 2 here"
    ):
        lossmith.train(
            Data([folder], range="-1:2"), loss="mix", recipe=RECIPE, out=tmp_path / "run", progress=False
        )


def test_training_begins_with_a_model_for_as_many_channels(tmp_path: Path) -> None:
    first = lossmith.train(
        Data([gray16_folder(tmp_path / "gray")]), recipe=RECIPE, out=tmp_path / "first", progress=False
    )
    init = Recipe(degradation=NOISE, init=first.model_path, steps=2, batch=2, patch=24)
    again = lossmith.train(Data([tmp_path / "gray"]), recipe=init, out=tmp_path / "again", progress=False)
    assert load_model(again.model_path).pixels == PixelFormat(1, "uint16", 0, 65535)
    with pytest.raises(
        LossmithError, match=r"restores images of gray, and these are 8 channels; leave `init` out"
    ):
        lossmith.train(
            Data([float_folder(tmp_path / "many")], range="-1:2"), recipe=init, out=tmp_path / "no", progress=False
        )
    assert not (tmp_path / "no").exists()


def test_a_tournament_on_16_bits_scores_what_it_has_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Data([gray16_folder(tmp_path / "images")])
    monkeypatch.setattr(evaluation, "tournament_metrics", lambda losses, scale, pixels: ["psnr"])

    def compare() -> lossmith.Comparison:
        return lossmith.compare(
            data,
            losses=["l1", "mix"],
            seeds=1,
            learning_rates=[1e-3, 2e-3],
            recipe=RECIPE,
            out=tmp_path / "out",
            progress=False,
        )

    first = compare()
    assert "gray, 16 bits, 0 to 65535, no crop" in (tmp_path / "out" / "results.json").read_text()
    monkeypatch.setattr(evaluation, "tournament_metrics", lambda losses, scale, pixels: ["psnr", "l2"])
    second = compare()
    for before, after in zip(first.rows, second.rows, strict=True):
        assert after.scores["psnr"] == before.scores["psnr"], "it was stored"
        # of the file, which is rounded to 16 bits and clipped to what they hold
        assert after.scores["l2"] == pytest.approx(1000 * 10 ** (-before.scores["psnr"] / 10), rel=0.02)


def test_a_range_and_channels_that_are_none_are_one_sentence(tmp_path: Path) -> None:
    folder = gray16_folder(tmp_path / "images")
    for options, sentence in (
        ({"range": "5"}, "`range=5` is not a range"),
        ({"channels": 4}, "is gray, and 4 channels"),
    ):
        with pytest.raises(LossmithError, match=sentence):
            lossmith.train(Data([folder], **options), recipe=RECIPE, out=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
