"""The YAML file with the configuration of a folder's contents."""

from pathlib import Path
from typing import Any

import yaml

from lossmith.core.errors import LossmithError
from lossmith.core.files import write_text
from lossmith.core.legacy import CHANGEABLE_ENTRIES, rename_entries

INIT_KEYS = {"begins_with", "begins_with_part"}
"""Entries that are only there if training started from the weights of a file."""
PICTURE_KEYS = {"pixels", "nan", "training_masks", "test_masks"}
"""Entries that are only there if images are not 8-bit RGB, or some of their pixels do not count."""
OPTIONAL_KEYS = {*INIT_KEYS, *PICTURE_KEYS, "learning_rates"}
"""Entries that are only there where they say something."""


def write_or_check(path: Path, config: dict[str, Any]) -> None:
    """Write a configuration as YAML, or check that the file holds the same one already."""
    check(path, config)
    if not path.exists():
        write_text(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def check(path: Path, config: dict[str, Any], advice: str = "choose another `out`") -> None:
    """Raise LossmithError if the file exists and holds another configuration.

    The message names the options that differ, but not images, which are mappings; it ends with `advice`.
    """
    if not path.exists():
        return
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError):
        stored = None
    stored = rename_entries(stored) if isinstance(stored, dict) else {}
    stored = {key: value for key, value in stored.items() if key in config or key not in CHANGEABLE_ENTRIES}
    if (stored.keys() ^ config.keys()) - OPTIONAL_KEYS:
        raise LossmithError(
            f"{path} is damaged, or was written by another version of lossmith; choose another `out`"
        )
    keys = dict.fromkeys([*config, *stored])
    differences = [_difference(key, stored, config) for key in keys if stored.get(key) != config.get(key)]
    if differences:
        raise LossmithError(f"{path.parent} belongs to another configuration: {', '.join(differences)}; {advice}")


def resume_advice(model: Path) -> str:
    """The advice for a run that cannot go on under other settings, since its schedule has a fixed end."""
    if not model.is_file():
        return "choose another `out`"
    return f"choose another `out`, where training can begin with its model, `init='{model}'`"


def _difference(key: str, stored: dict[str, Any], config: dict[str, Any]) -> str:
    """A sentence about an entry that differs."""
    if key in INIT_KEYS:
        return "it began with other weights"
    if key == "pixels":
        from lossmith.core.pixel_format import PixelFormat  # it needs torch

        there, here = map(str, map(PixelFormat.from_receipt, (stored, config)))
        return f"the images are {there} there and {here} here"
    if isinstance(config.get(key, stored.get(key)), dict):
        return f"the {key.replace('_', ' ')} differ"
    there, here = ("not given" if entries.get(key) is None else repr(entries[key]) for entries in (stored, config))
    return f"`{key}` is {there} there and {here} here"
