"""Each of the fourteen networks of the publication goes through a study, with random weights."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lossmith
from lossmith.studies.pihlgren import PIHLGREN


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four noisy copies of a picture with people's scores, and arrays of two classes."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    (folder / "similarity").mkdir()
    picture = rng.integers(64, 192, (96, 96, 3))
    lines = ["reference,distorted,score"]
    for level in range(5):
        noisy = (picture + rng.normal(0, 8 * level, picture.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / "similarity" / f"{level}.png")
        lines += [f"0.png,{level}.png,{5 - level}"] if level else []
    (folder / "similarity" / "scores.csv").write_text("\n".join(lines))
    (folder / "reduction").mkdir()
    for name, count in (("train", 40), ("test", 20)):
        images = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
        np.savez(folder / "reduction" / f"{name}.npz", images=images, labels=np.arange(count) % 2)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("network", PIHLGREN)
def test_a_published_network_goes_through_a_study(network: str, data: Path, tmp_path: Path) -> None:
    options = {"layers": [PIHLGREN[network][1].layer], "weights": "random", "scale": "tiny"}
    result = lossmith.study(data=data, networks=[network], out=tmp_path / "out", **options)
    assert result.status == 0
    assert len(result.runs) == 4
    for run in result.runs:
        assert all(
            math.isfinite(score) for row in run.rows for name, score in row.scores.items() if "_" not in name
        )
    assert f"{network}:{options['layers'][0]} (random)" in result.table.parent.joinpath("report.html").read_text()
