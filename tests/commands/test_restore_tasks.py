"""`lossmith restore` with the models that come with lossmith: by task, and between faithful and sharp."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import lossmith
from lossmith import restoration
from lossmith.cli import run
from lossmith.core.errors import LossmithError
from lossmith.data import read_image
from lossmith.models.foreign import load_any_model
from lossmith.models.interpolation import interpolate_networks
from lossmith.restoration.io.encoding import read_record


def picture(name: str, mode: str = "RGB", size: tuple[int, int] = (21, 15)) -> Path:
    """A small photograph of odd sides, in the working folder."""
    values = np.random.default_rng(0).integers(60, 200, (size[1], size[0], 4), dtype=np.uint8)
    Image.fromarray(values, "RGBA").convert(mode).save(name)
    return Path(name)


def test_a_jpeg_file_needs_no_further_word(box: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lossmith")
    outcome = lossmith.restore(picture("photo.jpg"))
    assert outcome.results == [Path("restored/photo.png")]
    assert [record.message for record in caplog.records if record.name.startswith("lossmith")] == [
        "`task=jpeg`, as all images are JPEG files",
        "results go into the folder 'restored'",
    ]
    record = read_record(Path("restored/photo.png"))
    assert record is not None
    assert record["settings"]["model"]["model"] == "jpeg-faithful.safetensors"


def test_jpeg_files_are_known_by_their_contents(box: Path) -> None:
    picture("photo.jpg").rename("photo.png")
    assert lossmith.restore("photo.png").results == [Path("restored/photo.png")]


def test_of_other_images_the_task_must_be_said(box: Path) -> None:
    picture("a.jpg"), picture("b.png")
    with pytest.raises(
        LossmithError, match=r"^'b.png' is not JPEG, so say what to undo: `task` jpeg, denoise, x2 or x4;"
    ):
        lossmith.restore(["a.jpg", "b.png"])
    assert not Path("restored").exists()


@pytest.mark.parametrize(("task", "scale"), [("jpeg", 1), ("denoise", 1), ("x2", 2), ("x4", 4)])
@pytest.mark.parametrize(
    ("alpha", "name"), [(None, "faithful"), (0, "faithful"), (1, "sharp")], ids=["default", "0", "1"]
)
def test_a_task_is_the_model_of_its_name(box: Path, task: Any, scale: int, alpha: Any, name: str) -> None:
    image = picture("a.png")
    lossmith.restore(image, task=task, alpha=alpha, out="by-task.png", precision="float32")
    lossmith.restore(image, model=f"{task}-{name}", out="by-name.png", precision="float32")
    with Image.open("by-task.png") as by_task, Image.open("by-name.png") as by_name:
        assert by_task.size == (21 * scale, 15 * scale)
        assert np.array_equal(np.asarray(by_task), np.asarray(by_name))


@pytest.mark.parametrize("how", [{"task": "x2"}, {"model": ["x2-faithful", "x2-sharp"]}], ids=["task", "models"])
def test_alpha_interpolates_the_weights(box: Path, how: dict[str, Any]) -> None:
    image = picture("a.png")
    lossmith.restore(image, **how, alpha=0.25, out="b.png", precision="float32")
    ends = [load_any_model(f"x2-{character}").restorer for character in ("faithful", "sharp")]
    between = interpolate_networks(*ends, 0.25).eval()
    with torch.no_grad():
        expected = between(read_image(image)[None].float() / 255)[0].clamp(0, 1) * 255
    result = read_image("b.png").float()
    assert (result - expected).abs().max() <= 0.5 + 1e-3  # rounding to 8 bits
    record = read_record(Path("b.png"))
    assert record is not None
    assert record["settings"]["model"]["alpha"] == "0.25"


def test_results_of_another_task_are_made_anew(box: Path) -> None:
    picture("a.jpg")
    assert lossmith.restore("a.jpg").results
    assert lossmith.restore("a.jpg").skipped == [Path("restored/a.png")]
    assert lossmith.restore("a.jpg", alpha=0.5).results == [Path("restored/a.png")]
    assert lossmith.restore("a.jpg", task="x2").results == [Path("restored/a.png")]


def test_two_models_without_alpha_are_shown_side_by_side(box: Path) -> None:
    outcome = lossmith.restore(picture("a.png"), model=["x2-faithful", "x2-sharp"], out="both")
    assert outcome.results == [Path("both/x2-faithful/a.png"), Path("both/x2-sharp/a.png")]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "P", "1"])
@pytest.mark.parametrize("task", ["denoise", "x2"])
def test_gray_transparency_and_16_bits_are_kept(box: Path, mode: str, task: Any) -> None:
    """As under any model for 8-bit RGB: gray goes through it three times, and 16 bits come out as 16 bits."""
    if mode == "I;16":
        Image.fromarray(np.random.default_rng(0).integers(9000, 60000, (15, 21), dtype=np.uint16)).save("a.png")
    else:
        picture("a.png", mode)
    (result,) = lossmith.restore("a.png", task=task).results
    expected = {"P": "RGBA", "1": "L"}.get(mode, mode)
    with Image.open(result) as image:
        assert image.size == ((42, 30) if task == "x2" else (21, 15))
        assert image.mode == expected
    header = restoration.read_header(result)
    assert header.dtype == ("uint16" if mode == "I;16" else "uint8")


def test_an_image_of_one_pixel_is_restored(box: Path) -> None:
    picture("a.jpg", size=(1, 1))
    assert lossmith.restore("a.jpg").results
    assert lossmith.restore("a.jpg", task="x4", out="four.png").results


@pytest.mark.parametrize("task", ["jpeg", "x2"])
def test_tiles_give_the_same_values_as_the_whole_image(box: Path, task: Any) -> None:
    image = picture("a.png", size=(301, 203))
    lossmith.restore(image, task=task, out="whole.png", precision="float32")
    # a tile gets 4 MB
    lossmith.restore(image, task=task, out="tiles.png", precision="float32", memory=0.004, halo="exact")
    record = read_record(Path("tiles.png"))
    assert record is not None
    difference = read_image("whole.png").int() - read_image("tiles.png").int()
    # sums in another order round another way where a value lies at half a level
    assert difference.abs().max() <= 1
    assert (difference != 0).float().mean() < 1e-3


def test_the_list_says_how_a_model_was_trained_and_on_whose_photographs(box: Path, capsys: Any) -> None:
    assert run(["models"]) == 0
    paragraphs = capsys.readouterr().out.split("\n\n")
    assert len(paragraphs) == 9
    assert paragraphs[7] == (
        "x4-sharp\n"
        "  enlarges four times, sharp: srresnet_small(features=4, blocks=1), 0.0 MB\n"
        "  trained under l1 for bicubic(4)\n"
        "  Set5, PSNR 31.25; Set5, SSIM 0.8838\n"
        "  Apache-2.0; trained on photographs by Sander Klootwijk (CC-BY-SA-4.0)"
    )
