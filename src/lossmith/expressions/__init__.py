"""The grammar in which losses, degradations and networks are written; parsed, never evaluated.

    timeline := sum ("until" NUMBER "%" "then" sum)*
    sum      := product ("+" product)*
    product  := factor ("*" factor)*            at most one factor is not a number
    factor   := NUMBER | call | "(" timeline ")"
    chain    := call ("|" call)*
    call     := name ["(" argument ("," argument)* ")"]
    name     := identifier | import.path:Attribute
    argument := [identifier "="] value
    value    := NUMBER | NUMBER..NUMBER | true | false | none | bare word | "quoted text"

`0..50` is a range to draw from, for the numbers of a degradation. A bare word runs to the next comma or closing
bracket, so file names and `vgg19:conv5_4` need no quotes.
"""

from lossmith.expressions.brief import brief
from lossmith.expressions.calling import fit, invoke, resolve
from lossmith.expressions.listing import listed, options_of
from lossmith.expressions.nodes import Call, Node, Product, Range, Sum, Timeline, Value
from lossmith.expressions.reading import parse_call, parse_chain, parse_loss
from lossmith.expressions.spelling import Spelled, plain, spell_call, spell_value

__all__ = [
    "Call",
    "Node",
    "Product",
    "Range",
    "Spelled",
    "Sum",
    "Timeline",
    "Value",
    "brief",
    "fit",
    "invoke",
    "listed",
    "options_of",
    "parse_call",
    "parse_chain",
    "parse_loss",
    "plain",
    "resolve",
    "spell_call",
    "spell_value",
]
