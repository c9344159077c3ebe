"""Short expressions for legends and logs, with only the stems of files."""

import re
from pathlib import PurePath

from lossmith.expressions.formatting import format_value

VALUE = re.compile(r"""(?<=[(,=])(\s*)(?:"([^"]*)"|'([^']*)'|([^,()"'\s=][^,()"'=]*))(?=\s*[,)])""")
"""A value in parentheses, with or without quotation marks, after optional space."""
FILES = (".safetensors", ".pth", ".pt", ".ckpt")


def brief(expression: str) -> str:
    """The expression without the folders and the suffixes of files.

    >>> brief("l1 + 0.1*mdf(/a/long/path/my-loss.safetensors, scales=2)")
    'l1 + 0.1*mdf(my-loss, scales=2)'
    >>> brief('features(vgg16, relu1_2, weights="D:\\\\nets, old\\\\vgg (1).pth")')
    'features(vgg16, relu1_2, weights="vgg (1)")'
    """
    return VALUE.sub(_stem, expression)


def _stem(match: re.Match[str]) -> str:
    space, *quoted_or_not = match.groups()
    value = next(filter(None, quoted_or_not), "")
    if not value.lower().endswith(FILES):
        return match[0]
    return space + format_value(PurePath(value.replace("\\", "/")).stem)


__all__ = ["brief"]
