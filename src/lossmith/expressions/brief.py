"""An expression as it stands in legends and logs: of a file only its stem."""

from dataclasses import replace
from functools import lru_cache
from pathlib import PurePath

from lossmith.errors import LossmithError
from lossmith.expressions.nodes import Call, Node, Product, Sum, Timeline, Value
from lossmith.expressions.reading import parse_loss
from lossmith.expressions.spelling import spell_call, spell_value

FILES = (".safetensors", ".pth", ".pt", ".ckpt")


@lru_cache
def brief(expression: str) -> str:
    """The expression without the folders and the endings of files; what is no expression stays as it is.

    >>> brief("l1 + 0.1*mdf(/a/long/path/my-loss.safetensors, scales=2)")
    'l1 + 0.1*mdf(my-loss, scales=2)'
    """
    try:
        return write(_shortened(parse_loss(expression)))
    except LossmithError:
        return expression


def write(node: Node) -> str:
    """The text that is read as these nodes.

    >>> write(parse_loss("2*(l1 + tv) until 50% then l2"))
    '2*(l1 + tv) until 50% then l2'
    """
    match node:
        case Call():
            return spell_call(node)
        case Product(weight, of):
            return f"{spell_value(weight)}*{_bracketed(of)}"
        case Sum(terms):
            return " + ".join(map(_bracketed, terms))
        case Timeline(stages, ends):
            texts = [_bracketed(stage) if isinstance(stage, Timeline) else write(stage) for stage in stages]
            untils = [f" until {100 * end:.12g}% then " for end in ends]
            return "".join(part for pair in zip(texts, [*untils, ""], strict=True) for part in pair)


def _bracketed(node: Node) -> str:
    return f"({write(node)})" if isinstance(node, Sum | Timeline) else write(node)


def _shortened(node: Node) -> Node:
    match node:
        case Call():
            options = tuple((key, _stem(value)) for key, value in node.options)
            return replace(node, arguments=tuple(map(_stem, node.arguments)), options=options)
        case Product(weight, of):
            return Product(weight, _shortened(of))
        case Sum(terms):
            return Sum(tuple(map(_shortened, terms)))
        case Timeline(stages, ends):
            return Timeline(tuple(map(_shortened, stages)), ends)


def _stem(value: Value) -> Value:
    if isinstance(value, str) and value.lower().endswith(FILES):
        return PurePath(value.replace("\\", "/")).stem
    return value
