"""Model files that are not what they should be."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lossmith.core.errors import LossmithError
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
