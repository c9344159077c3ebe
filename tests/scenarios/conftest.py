"""Fixtures: photographs, a model of each scale, and the command line as users type it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

from lossmith.cli import run
from lossmith.models.model_file import save_model
from lossmith.networks import network

TINY = "srresnet_small(features=8, blocks=1)"
QUICK = ("--steps", "1", "--patch", "32", "--batch", "2")


@dataclass(frozen=True)
class Outcome:
    """The output and the status of a command."""

    status: int
    output: str
    """Standard output and standard error."""

    @property
    def refusal(self) -> str:
        """The one sentence of a refused command."""
        lines = [line for line in self.output.splitlines() if line.startswith("lossmith: ")]
        assert self.status == 2, self
        assert len(lines) == 1, self
        assert "Traceback" not in self.output
        return lines[0].removeprefix("lossmith: ")


Lossmith = Callable[..., Outcome]


@pytest.fixture
def lossmith(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lossmith:
    """Runs a command in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def type_in(*words: object) -> Outcome:
        capsys.readouterr()
        status = run([str(word) for word in words])
        output = capsys.readouterr()
        return Outcome(status, output.err + output.out)

    return type_in


def photographs() -> Sequence[Image.Image]:
    """Four crops of 128 x 128 of the photographs that scikit-image ships."""
    samples = (data.astronaut(), data.chelsea(), data.coffee(), data.rocket())
    return [Image.fromarray(sample[50:178, 60:188]) for sample in samples]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, image in enumerate(photographs()):
        image.save(folder / f"p{index}.png")
    return folder


def save_network(path: Path, scale: int) -> Path:
    """A model file of an untrained network."""
    torch.manual_seed(0)
    save_model(path, network(TINY, scale), {"network": TINY, "scale": scale, "degradation": f"bicubic({scale})"})
    return path


@pytest.fixture
def x1(tmp_path: Path) -> Path:
    return save_network(tmp_path / "x1.safetensors", 1)


@pytest.fixture
def x2(tmp_path: Path) -> Path:
    return save_network(tmp_path / "x2.safetensors", 2)
