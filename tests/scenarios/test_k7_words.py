"""The words that people type, and why a number is missing."""

from pathlib import Path

import pytest
from PIL import Image

from .conftest import QUICK, Lossmith


@pytest.mark.parametrize(
    ("option", "right"),
    [
        ("--lr", "--learning-rate"),
        ("--pretrained", "--init"),
        ("--resume", "same command"),
        ("--epochs", "--steps"),
    ],
)
def test_other_programs_options_are_answered(option: str, right: str, lossmith: Lossmith, photos: Path) -> None:
    assert right in lossmith("train", photos, option, "1e-4").refusal


@pytest.mark.parametrize(("name", "right"), [("mse", "l2"), ("mae", "l1"), ("perceptual", "features")])
def test_other_programs_losses_are_known_or_answered(
    name: str, right: str, lossmith: Lossmith, photos: Path
) -> None:
    outcome = lossmith("train", photos, "--loss", name, "--degradation", "jpeg(10)", "--network", "fcn", *QUICK)
    assert outcome.status == 0 or f"'{right}'" in outcome.refusal


def test_why_a_number_is_missing(lossmith: Lossmith, photos: Path) -> None:
    for folder in ("sr", "hr"):
        Path(folder).mkdir()
        Image.open(photos / "p0.png").resize((40, 40)).save(f"{folder}/tiny.png")
    said = lossmith("evaluate", "sr", "--test", "hr").said
    assert "MS-SSIM" in said
    assert any("small" in line or "161" in line for line in said.splitlines())


@pytest.mark.parametrize("command", ["networks", "degradations", "metrics", "losses"])
def test_what_there_is_can_be_listed(command: str, lossmith: Lossmith) -> None:
    assert len(lossmith(command).said.splitlines()) > 4


def test_a_failure_leaves_no_folder(lossmith: Lossmith, x1: Path) -> None:
    Path("broken").mkdir()
    Path("broken/a.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    assert lossmith("restore", "broken", "--model", x1, "--out", "out").status in (1, 2)
    assert not Path("out").exists() or not any(Path("out").iterdir())
