"""Old names of options and of entries in files are read as those of today, and no value is lost by it."""

from dataclasses import asdict, fields
from hashlib import sha256

import pytest

from lossmith.core.legacy import ENTRIES, LOSS_RECIPE, OPTIONS, rename_card, rename_entries
from lossmith.core.safetensors_io import load_tensors
from lossmith.loss_learning import LossRecipe
from lossmith.losses.mdf.loss_file import FORMAT as LOSS_FORMAT
from lossmith.losses.mdf.loss_file import find_loss, load_loss, shipped_losses
from lossmith.option_synonyms import option_for
from lossmith.training import AdversarialRecipe, Recipe
from lossmith.training.run_folder import RunSummary

SETTINGS = {field.name for settings in (Recipe, AdversarialRecipe, LossRecipe) for field in fields(settings)}
SHIPPED_DIGESTS = {
    "demosaic": "48aac71f38f47102c6f2a59b0a6c0d836c0fc3b63ce046129495bcdafbc4b59f",
    "denoise": "21994999fc7485fa017d30c6cc0e31417ca7c5878ce7f810e4cf6bfe5cb5e5eb",
    "jpeg": "ed4903b387f8e4e0c65ee52d0cc1bc0e31dc792c29998017c865af4870d2fc13",
    "sr": "b5370fa90a68366f11af908e8c9accbea4ebfe29e6917bdfca6510e0471126bb",
}
"""SHA-256 of the names, types, shapes and values of all tensors."""


def test_no_old_name_is_a_setting_of_today() -> None:
    assert not ENTRIES.keys() & SETTINGS
    assert set(LOSS_RECIPE.values()) <= {field.name for field in fields(LossRecipe)}


def test_no_new_name_is_an_old_one() -> None:
    assert not set(ENTRIES.values()) & ENTRIES.keys()
    assert not set(OPTIONS.values()) & OPTIONS.keys()


def test_no_two_old_names_have_become_one() -> None:
    assert len(set(ENTRIES.values())) == len(ENTRIES)


def test_entries_of_today_are_left_as_they_are() -> None:
    receipt = {**asdict(Recipe()), "discriminator": "unet", "begins_with": "0", "loss": "l1"}
    assert rename_entries(receipt) == receipt
    summary = asdict(RunSummary(1, 2.0, 3.0, "cpu", "float32"))
    assert rename_entries(summary) == summary


def test_an_old_entry_is_renamed_and_keeps_its_place() -> None:
    assert list(rename_entries({"loss": "l1", "critic": "vgg", "seed": 0}).items()) == [
        ("loss", "l1"),
        ("discriminator", "vgg"),
        ("seed", 0),
    ]


def test_names_of_images_are_not_taken_for_entries() -> None:
    receipt = {"training_pictures": {"picture": "0", "critic": "1"}}
    assert rename_card(receipt) == {"training_images": {"picture": "0", "critic": "1"}}


def test_an_old_name_beside_the_new_one_keeps_both_values() -> None:
    entries = {"critic": "vgg", "discriminator": "unet"}
    assert rename_entries(entries) == entries


@pytest.mark.parametrize("name", shipped_losses())
def test_cards_of_shipped_losses_are_read_under_the_names_of_today(name: str) -> None:
    _, card = load_loss(find_loss(name))
    assert "image_sha256" in card["image"]
    assert card["recipe"].keys() == {field.name for field in fields(LossRecipe)}
    assert "license" in card
    assert not ENTRIES.keys() & card.keys()


@pytest.mark.parametrize("name", shipped_losses())
def test_tensors_of_shipped_losses_are_what_they_were(name: str) -> None:
    tensors, _ = load_tensors(find_loss(name), LOSS_FORMAT)
    digest = sha256()
    for key, tensor in sorted(tensors.items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    assert digest.hexdigest() == SHIPPED_DIGESTS[name]


@pytest.mark.parametrize(("old", "new"), OPTIONS.items())
def test_an_option_is_still_taken_under_its_old_name(old: str, new: str) -> None:
    assert option_for(old, [new]) == new
    assert option_for(old.replace("-", "_"), [new]) == new
