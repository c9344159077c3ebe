"""The YAML file that says what a folder holds."""

from pathlib import Path
from typing import Any

import yaml

from lossmith.errors import LossmithError
from lossmith.files import write_text


def claim(path: Path, configuration: dict[str, Any]) -> None:
    """Write a configuration as YAML, or make sure that the file there holds the same one."""
    check(path, configuration)
    if not path.exists():
        write_text(path, yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True))


def check(path: Path, configuration: dict[str, Any]) -> None:
    """Raise LossmithError when the file is there and does not hold the same configuration.

    It names the options that differ; of pictures, which are mappings, it only says that they do.
    """
    if not path.exists():
        return
    try:
        there = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError):
        there = None
    if not isinstance(there, dict) or there.keys() != configuration.keys():
        raise LossmithError(
            f"{path} is damaged, or was written by another version of lossmith; choose another --out"
        )
    differences = [_difference(key, there[key], here) for key, here in configuration.items() if there[key] != here]
    if differences:
        raise LossmithError(
            f"{path.parent} belongs to another configuration: {', '.join(differences)}; choose another --out"
        )


def _difference(key: str, there: Any, here: Any) -> str:
    if isinstance(here, dict):
        return f"the {key.replace('_', ' ')} differ"
    return f"{key} is {there!r} there and {here!r} here"
