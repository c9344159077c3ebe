"""The grammar of expressions for losses, degradations and networks, which are parsed and never evaluated.

    timeline := sum ("until" NUMBER "%" "then" sum)*
    sum      := product ("+" product)*
    product  := factor ("*" factor)*            at most one factor is not a number
    factor   := NUMBER | call | "(" timeline ")"
    chain    := call ("|" call)*
    call     := name ["(" argument ("," argument)* ")"]
    name     := identifier | import.path:Attribute
    argument := [identifier "="] value
    value    := NUMBER | NUMBER..NUMBER | true | false | none | bare word | "quoted text"

`0..50` is a range to draw from, for the numbers of a degradation. A bare word ends before the next comma or
parenthesis, so file names and `vgg19:conv5_4` need no quotes.
"""

from lossmith.expressions.brief import brief
from lossmith.expressions.building import bind_arguments, import_path, instantiate, resolve
from lossmith.expressions.formatting import HasExpression, as_expression, format_call, format_value, plain
from lossmith.expressions.listing import listed, options_of
from lossmith.expressions.nodes import Call, Node, Product, Range, Sum, Timeline, Value
from lossmith.expressions.parser import parse_call, parse_chain, parse_loss

__all__ = [
    "Call",
    "HasExpression",
    "Node",
    "Product",
    "Range",
    "Sum",
    "Timeline",
    "Value",
    "as_expression",
    "bind_arguments",
    "brief",
    "format_call",
    "format_value",
    "import_path",
    "instantiate",
    "listed",
    "options_of",
    "parse_call",
    "parse_chain",
    "parse_loss",
    "plain",
    "resolve",
]
