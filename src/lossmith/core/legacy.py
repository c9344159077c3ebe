"""What entries of files, and options, were called before version 0.2: old name to new name.

Options are still taken under their old names, and files that were written before are read through the tables.
"""

from collections.abc import Mapping
from typing import Any

LOSS_FORMS = {"centre": "center"}
"""Values of the option `form` in the expressions of losses."""

LOSS_RECIPE = {
    "least_side": "min_side",
    "most_side": "max_side",
    "widest": "max_width",
    "sees": "input_scale",
    "against": "fake_samples",
    "penalty": "gradient_penalty",
    "reconstruction": "reconstruction_weight",
}

ENTRIES = {
    "training_pictures": "training_images",
    "test_pictures": "test_images",
    "critic": "discriminator",
    "critic_learning_rate": "discriminator_learning_rate",
    "kept_mb": "activation_mb",
    "picture": "image",
    "picture_sha256": "image_sha256",
    "licence": "license",
    "used": "default_scales",
    **LOSS_RECIPE,
}
"""Of receipts, loss cards, run.yaml, summary.json and tables of scores."""

CHANGEABLE_ENTRIES = {"losses", "seeds", "metrics"}
"""Of compare.yaml, which no longer has them: what they say may change in a tournament."""

RESTORATION_RECORD = {"picture": "image", "asked": "settings", "done": "applied"}
RESTORATION_SETTINGS = {"picture": "image_sha256", "alpha": "transparency"}
ALPHA_WORDS = ("resize", "restore")
"""Values of the option `alpha` of `restore`, which is called `transparency` today."""

IMAGES_FOLDER = "pictures"
"""The folder of a run's restored test images, which is called `images` today."""

OPTIONS = {
    "critic": "discriminator",
    "critic-learning-rate": "discriminator-learning-rate",
    "pictures": "images",
    "picture": "image",
    "recipe": "preset",
    "begins-with": "init-from",
    **{old.replace("_", "-"): new.replace("_", "-") for old, new in LOSS_RECIPE.items()},
}


def rename_entries(
    entries: Mapping[str, Any], table: Mapping[str, str] = ENTRIES, **parts: Mapping[str, str]
) -> dict[str, Any]:
    """The entries under their new names; `parts` are tables for entries that are mappings themselves, by new name.

    An old name beside the new one is left, so that neither value is lost.

    >>> rename_entries({"licence": "MIT", "picture": {"picture_sha256": "0"}}, image=ENTRIES)
    {'license': 'MIT', 'image': {'image_sha256': '0'}}
    """
    renamed = {}
    for name, value in entries.items():
        new = table.get(name, name)
        renamed[name if new in entries else new] = value
    for part, inner in parts.items():
        if isinstance(renamed.get(part), dict):
            renamed[part] = rename_entries(renamed[part], inner)
    return renamed


def rename_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """The card of a loss file, of any version."""
    return rename_entries(card, image=ENTRIES, recipe=ENTRIES)


def rename_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record inside a restored image, of any version."""
    return rename_entries(record, RESTORATION_RECORD, settings=RESTORATION_SETTINGS)
