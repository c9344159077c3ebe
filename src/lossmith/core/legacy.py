"""What options, and entries of files, were called before version 0.2: old name to new name.

Options are still taken under their old names; receipts and cards are read through the tables, so files that were
written before stay readable.
"""

from collections.abc import Mapping
from typing import Any

RECEIPT = {
    "training_pictures": "training_images",
    "test_pictures": "test_images",
    "critic": "discriminator",
    "critic_learning_rate": "discriminator_learning_rate",
}

LOSS_FORMS = {"centre": "center"}
"""Values of the option `form` in the expressions of losses."""

LOSS_CARD = {"picture": "image", "licence": "license", "used": "default_scales"}
LOSS_CARD_IMAGE = {"picture_sha256": "image_sha256"}
LOSS_RECIPE = {
    "least_side": "min_side",
    "most_side": "max_side",
    "widest": "max_width",
    "sees": "input_scale",
    "against": "fake_samples",
    "penalty": "gradient_penalty",
    "reconstruction": "reconstruction_weight",
}

RESTORATION_RECORD = {"picture": "image", "asked": "settings", "done": "applied"}
RESTORATION_SETTINGS = {"picture": "image_sha256"}

OPTIONS = {
    "critic": "discriminator",
    "critic-learning-rate": "discriminator-learning-rate",
    "pictures": "images",
    "picture": "image",
    "recipe": "preset",
    "begins-with": "init-from",
    **{old.replace("_", "-"): new.replace("_", "-") for old, new in LOSS_RECIPE.items()},
}


def renamed(entries: Mapping[str, Any], table: Mapping[str, str]) -> dict[str, Any]:
    """The entries under their names of today.

    >>> renamed({"licence": "MIT", "seed": 0}, LOSS_CARD)
    {'license': 'MIT', 'seed': 0}
    """
    return {table.get(name, name): value for name, value in entries.items()}


def receipt_of_today(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """The receipt of a model, of any version."""
    return renamed(receipt, RECEIPT)


def card_of_today(card: Mapping[str, Any]) -> dict[str, Any]:
    """The card of a loss file, of any version."""
    today = renamed(card, LOSS_CARD)
    for part, table in (("image", LOSS_CARD_IMAGE), ("recipe", LOSS_RECIPE)):
        if isinstance(today.get(part), dict):
            today[part] = renamed(today[part], table)
    return today


def record_of_today(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record inside a restored image, of any version."""
    today = renamed(record, RESTORATION_RECORD)
    if isinstance(today.get("settings"), dict):
        today["settings"] = renamed(today["settings"], RESTORATION_SETTINGS)
    return today
