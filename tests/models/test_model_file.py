"""Model files that are not what they should be."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.models.foreign import load_any_model
from lossmith.models.model_file import FORMAT, load_model, save_model
from lossmith.networks import network


@pytest.mark.parametrize(
    ("receipt", "sentence"),
    [
        ("{", "has a card that is not JSON: Expecting property name .*$"),
        ("[1, 2]", "has a card that is a JSON list, not an object$"),
        ("null", "has a card that is a JSON NoneType, not an object$"),
        ('{"scale": 1}', "does not say which network it belongs to$"),
        ('{"network": "fcn", "scale": "two"}', "does not say which network it belongs to$"),
    ],
)
def test_a_receipt_that_names_no_network_is_refused(receipt: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(network("fcn").state_dict(), path, {FORMAT: receipt})
    with pytest.raises(LossmithError, match=sentence):
        load_model(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_weights_of_a_model_file_are_refused(value: float, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    restorer: Any = network("fcn")
    with torch.no_grad():
        next(restorer.parameters()).view(-1)[0] = value
    save_model(path, restorer, {"network": "fcn", "scale": 1})
    with pytest.raises(LossmithError, match=r"holds weights that are not finite; train it again$"):
        load_model(path)


# --- images that are not 8-bit RGB -----------------------------------------------------------------------------

DEEP = PixelFormat(8, "uint16", 0, 4095)


@pytest.mark.parametrize("expression", ["fcn", "fcn(channels=8)"])
def test_a_network_is_built_for_the_channels_of_its_receipt(expression: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    restorer = network(expression, 1, 8)
    save_model(path, restorer, {"network": expression, "scale": 1, **DEEP.receipt_entries})
    for model in (load_model(path), load_model(path, "fcn"), load_any_model(path)):
        assert (model.pixels, model.channels) == (DEEP, 8)
        image = torch.rand(1, 8, 9, 10)
        assert torch.equal(model.restorer(image), restorer(image))


def test_a_receipt_without_pixels_is_of_8_bit_rgb(tmp_path: Path) -> None:
    save_model(tmp_path / "model.safetensors", network("fcn"), {"network": "fcn", "scale": 1})
    model = load_model(tmp_path / "model.safetensors")
    assert (model.pixels, model.channels) == (RGB_8BIT, 3)
    assert RGB_8BIT.receipt_entries == {}


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (
            {"channels": 3, "dtype": "text"},
            "does not say which images it is for: images of text are not ",
        ),
        ({"colors": 3}, "does not say which images it is for: .*'colors'"),
        ("gray", "does not say which images it is for: "),
        ({"channels": 8}, "does not hold the weights of fcn: "),
    ],
)
def test_a_receipt_of_other_pixels_is_refused(pixels: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, network("fcn"), {"network": "fcn", "scale": 1, "pixels": pixels})
    with pytest.raises(LossmithError, match=message):
        load_model(path)
