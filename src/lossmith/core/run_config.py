"""The YAML file that says what a folder holds."""

from pathlib import Path
from typing import Any

import yaml

from lossmith.core.errors import LossmithError
from lossmith.core.files import write_text
from lossmith.core.legacy import rename_entries

BEGINNING = {"begins_with", "begins_with_part"}
"""What is only there where training began with weights of a file."""


def write_or_check(path: Path, config: dict[str, Any]) -> None:
    """Write a configuration as YAML, or make sure that the file there holds the same one."""
    check(path, config)
    if not path.exists():
        write_text(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def check(path: Path, config: dict[str, Any], advice: str = "choose another `out`") -> None:
    """Raise LossmithError when the file is there and does not hold the same configuration.

    It names the options that differ; of images, which are mappings, it only says that they do. `advice` is what
    to do then.
    """
    if not path.exists():
        return
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError):
        stored = None
    stored = rename_entries(stored) if isinstance(stored, dict) else {}
    if (stored.keys() ^ config.keys()) - BEGINNING:
        raise LossmithError(
            f"{path} is damaged, or was written by another version of lossmith; choose another `out`"
        )
    keys = dict.fromkeys([*config, *stored])
    differences = [_difference(key, stored, config) for key in keys if stored.get(key) != config.get(key)]
    if differences:
        raise LossmithError(f"{path.parent} belongs to another configuration: {', '.join(differences)}; {advice}")


def go_on(model: Path) -> str:
    """What to do where a run is to go on in another way than it was begun; a schedule has one end."""
    if not model.is_file():
        return "choose another `out`"
    return f"choose another `out`, where training can begin with its model, `init='{model}'`"


def _difference(key: str, there: dict[str, Any], here: dict[str, Any]) -> str:
    if key in BEGINNING:
        return "it began with other weights"
    if isinstance(here[key], dict):
        return f"the {key.replace('_', ' ')} differ"
    return f"`{key}` is {there[key]!r} there and {here[key]!r} here"
