"""An expression as it stands in legends and logs: of a file only its stem."""

import re
from pathlib import PurePath

from lossmith.expressions.formatting import format_value

VALUE = re.compile(r"""(?<=[(,=])(\s*)(?:"([^"]*)"|'([^']*)'|([^,()"'\s=][^,()"'=]*))(?=\s*[,)])""")
"""One in brackets, with or without quotation marks; it stands after its space."""
FILES = (".safetensors", ".pth", ".pt", ".ckpt")


def brief(expression: str) -> str:
    """The expression without the folders and the endings of files; all else stays as it is.

    >>> brief("l1 + 0.1*mdf(/a/long/path/my-loss.safetensors, scales=2)")
    'l1 + 0.1*mdf(my-loss, scales=2)'
    >>> brief('features(vgg16, relu1_2, weights="D:\\\\nets, old\\\\vgg (1).pth")')
    'features(vgg16, relu1_2, weights="vgg (1)")'
    """
    return VALUE.sub(_stem, expression)


def _stem(found: re.Match[str]) -> str:
    space, *quoted_or_not = found.groups()
    value = next(filter(None, quoted_or_not), "")
    if not value.lower().endswith(FILES):
        return found[0]
    return space + format_value(PurePath(value.replace("\\", "/")).stem)


__all__ = ["brief"]
