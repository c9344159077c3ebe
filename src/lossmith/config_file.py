"""Options of a command from a YAML file."""

from pathlib import Path

import yaml

from lossmith.core.errors import LossmithError

_NULL = "tag:yaml.org,2002:null"


def read_config_file(path: Path) -> dict[str, str | list[str]]:
    """The options in a YAML file by name: the text of a value, or the texts of a list; null entries are left out.

    Raises LossmithError for a file that cannot be read, holds anything but options, or gives an option twice.
    """
    root = _read(path)
    if not isinstance(root, yaml.MappingNode):
        raise LossmithError(f"{path} must hold options and their values, such as 'steps: 400'")
    options: dict[str, str | list[str]] = {}
    lines: dict[str, int] = {}
    for key, value in root.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise LossmithError(f"{path}, line {line}: the name of an option must be one word")
        name = _check_text(key.value, f"{path}, line {line}: the name of an option").replace("-", "_")
        if name in lines:
            raise LossmithError(f"{path}: '{name}' is in line {lines[name]} and in line {line}; remove one")
        lines[name] = line
        if value.tag != _NULL:
            options[name] = _value(value, f"{path}, line {line}: '{name}'")
    return options


def _read(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise LossmithError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LossmithError(f"cannot read {path}: it is not text in UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise LossmithError(f"cannot read {path}{line}: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:  # the last two: of "\UFFFFFFFF"
        raise LossmithError(f"cannot read {path}: it is not YAML") from error


def _value(node: yaml.Node, location: str) -> str | list[str]:
    """The text of a scalar node, or the texts of a sequence node; `location` names it in error messages."""
    if isinstance(node, yaml.ScalarNode):
        return _text(node, location)
    if not isinstance(node, yaml.SequenceNode):
        raise LossmithError(f"{location} must be a value or a list of values")
    return [_text(item, location) for item in node.value]


def _text(node: yaml.Node, location: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or not node.value:
        raise LossmithError(f"{location} must be a value or a list of values, none of them empty")
    return _check_text(node.value, location)


def _check_text(text: str, location: str) -> str:
    """The text itself; raises LossmithError for characters that YAML allows and file names do not."""
    try:
        encodable = "\0" not in text and bool(text.encode())
    except UnicodeEncodeError:
        encodable = False
    if not encodable:
        raise LossmithError(f"{location} has characters that UTF-8 text cannot hold")
    return text
