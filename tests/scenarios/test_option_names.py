"""Option and loss names of other programs, and reasons for missing scores."""

from pathlib import Path

import pytest
from PIL import Image

from lossmith.losses import loss

from .conftest import Lossmith


@pytest.mark.parametrize(
    ("option", "right"), [("--resume", "same command"), ("--epochs", "--steps"), ("--amp", "--precision")]
)
def test_options_of_other_programs_are_answered_with_advice(
    option: str, right: str, lossmith: Lossmith, photos: Path
) -> None:
    assert right in lossmith("train", photos, option, "1e-4").refusal


@pytest.mark.parametrize(
    ("option", "value", "output"),
    [("--lr", "-1", "--learning-rate"), ("--batch-size", "0", "batch"), ("--pretrained", "none.pth", "none.pth")],
)
def test_options_of_other_programs_are_taken_as_synonyms(
    option: str, value: str, output: str, lossmith: Lossmith, photos: Path
) -> None:
    assert output in lossmith("train", photos, option, value).refusal


@pytest.mark.parametrize(
    ("alias", "name"),
    [("mse", "l2"), ("mae", "l1"), ("0.5*mae + 0.5*mse", "0.5*l1 + 0.5*l2")],
)
def test_loss_names_of_other_programs_are_aliases(alias: str, name: str) -> None:
    assert str(loss(alias)) == name


def test_the_reason_for_a_missing_score_is_given(lossmith: Lossmith, photos: Path) -> None:
    for folder in ("sr", "hr"):
        Path(folder).mkdir()
        Image.open(photos / "p0.png").resize((40, 40)).save(f"{folder}/tiny.png")
    output = lossmith("evaluate", "sr", "--test", "hr").output
    assert "MS-SSIM" in output
    assert any("small" in line or "161" in line for line in output.splitlines())


@pytest.mark.parametrize("command", ["networks", "degradations", "metrics", "losses"])
def test_losses_metrics_and_networks_can_be_listed(command: str, lossmith: Lossmith) -> None:
    assert len(lossmith(command).output.splitlines()) > 4


def test_a_refused_command_leaves_no_folder(lossmith: Lossmith, x1: Path) -> None:
    Path("broken").mkdir()
    Path("broken/a.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    assert lossmith("restore", "broken", "--model", x1, "--out", "out").status in (1, 2)
    assert not Path("out").exists() or not any(Path("out").iterdir())
