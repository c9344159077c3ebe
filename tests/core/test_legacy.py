"""Files and habits from before names were changed: read through the tables, or refused in a sentence."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
import torch

from lossmith.commands.reproduce import reproduce
from lossmith.core.errors import LossmithError
from lossmith.core.legacy import LOSS_RECIPE, OPTIONS, RECEIPT, card_of_today, receipt_of_today
from lossmith.core.safetensors_io import load_tensors, save_tensors
from lossmith.loss_learning import LossRecipe
from lossmith.losses.mdf.loss_file import FORMAT as LOSS_FORMAT
from lossmith.losses.mdf.loss_file import find_loss, load_loss, shipped_losses
from lossmith.models import FORMAT, load_model, save_model
from lossmith.networks import network
from lossmith.option_synonyms import option_for
from lossmith.training import AdversarialRecipe, Recipe

SETTINGS = {field.name for settings in (Recipe, AdversarialRecipe, LossRecipe) for field in fields(settings)}


def test_no_old_name_is_a_setting_of_today() -> None:
    assert not {*RECEIPT, *LOSS_RECIPE} & SETTINGS
    assert set(LOSS_RECIPE.values()) <= {field.name for field in fields(LossRecipe)}


def test_an_old_receipt_is_read_under_the_names_of_today(tmp_path: Path) -> None:
    old = {
        "network": "fcn",
        "scale": 1,
        "critic": "vgg",
        "training_pictures": {"a": "0"},
        "test_pictures": {"b": "1"},
    }
    save_model(tmp_path / "model.safetensors", network("fcn"), old)
    receipt = load_model(tmp_path / "model.safetensors").receipt
    assert receipt["discriminator"] == "vgg"
    assert receipt["training_images"] == {"a": "0"}
    assert not RECEIPT.keys() & receipt.keys()


def test_names_of_today_are_left_as_they_are() -> None:
    receipt = {**asdict(Recipe()), "discriminator": "unet", "begins_with": "0", "loss": "l1"}
    assert receipt_of_today(receipt) == receipt


@pytest.mark.parametrize("name", shipped_losses())
def test_shipped_losses_are_read_through_the_table(name: str) -> None:
    tensors, card = load_loss(find_loss(name))
    stored, _ = load_tensors(find_loss(name), LOSS_FORMAT)
    assert all(torch.equal(tensors[key], stored[key]) for key in stored)
    assert "image_sha256" in card["image"]
    assert set(card["recipe"]) <= {field.name for field in fields(LossRecipe)}
    assert card_of_today(card) == card


@pytest.mark.parametrize(("old", "new"), OPTIONS.items())
def test_an_option_is_still_taken_under_its_old_name(old: str, new: str) -> None:
    assert option_for(old, [new]) == new
    assert option_for(old.replace("-", "_"), [new]) == new


def receipt(**entries: Any) -> dict[str, Any]:
    images = {"training_images": {"a": "0"}, "test_images": {"b": "1"}}
    made = {"loss": "l1", "network": "fcn", "scale": 1, "degradation": "noise(5)", "seed": 0, "steps": 1}
    return {**made, **images, "protocol": {"color": "rgb", "border": 0}, **entries}


def test_an_entry_that_nobody_knows_is_not_dropped_when_a_model_is_reproduced(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_tensors(path, network("fcn").state_dict(), FORMAT, receipt(warmth=3))
    with pytest.raises(LossmithError, match="has the entry 'warmth', which this lossmith does not know"):
        reproduce(path, out=tmp_path / "anew")


def test_an_entry_that_nobody_knows_is_not_dropped_when_a_loss_is_reproduced(tmp_path: Path) -> None:
    source = find_loss("jpeg")
    tensors, card = load_tensors(source, LOSS_FORMAT)
    card["recipe"]["warmth"] = 3
    save_tensors(tmp_path / "mine.safetensors", tensors, LOSS_FORMAT, card)
    with pytest.raises(LossmithError, match="has the entry 'warmth', which this lossmith does not know"):
        reproduce(tmp_path / "mine.safetensors", out=tmp_path / "anew")
