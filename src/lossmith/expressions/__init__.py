"""The grammar of expressions for losses, degradations and networks, which are parsed and never evaluated.

    timeline := sum ("until" NUMBER "%" "then" sum)*
    sum      := product ("+" product)* ["always"]
    product  := factor ("*" factor)*            at most one factor is not a number, and one is a percentage
    factor   := NUMBER | NUMBER "%" | "rest" | call | "(" timeline ")"
    chain    := call ("|" call)*
    call     := name ["(" argument ("," argument)* ")"]
    name     := identifier | import.path:Attribute
    argument := [identifier "="] value
    value    := NUMBER | NUMBER..NUMBER | true | false | none | bare word | "quoted text"

In a sum, all terms have a percentage or none has. Percentages add up to 100% and are shares of the gradient, see
`lossmith.losses.ShareLoss`; one term may have the `rest`, what the others leave of 100%. With `always` the shares
are held for the whole run. `0..50` is a range to draw from, for the numbers of a degradation. A bare word ends
before the next comma or parenthesis, so file names and `vgg19:conv5_4` need no quotes.
"""

from lossmith.expressions.brief import brief
from lossmith.expressions.building import bind_arguments, error_in_words, import_path, instantiate, resolve
from lossmith.expressions.formatting import HasExpression, as_expression, format_call, format_value, plain
from lossmith.expressions.listing import listed, options_of
from lossmith.expressions.nodes import Call, Node, Product, Range, Shares, Sum, Timeline, Value
from lossmith.expressions.parser import parse_call, parse_chain, parse_loss

__all__ = [
    "Call",
    "HasExpression",
    "Node",
    "Product",
    "Range",
    "Shares",
    "Sum",
    "Timeline",
    "Value",
    "as_expression",
    "bind_arguments",
    "brief",
    "error_in_words",
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
