"""Names in the expression of a loss, and what is tried in their places."""

from typing import Any

import pytest

from lossmith import losses
from lossmith.commands.tune.search_space import (
    MAX_CORNERS,
    Choice,
    Interval,
    parse_dimension,
    space,
    substitute,
)
from lossmith.core.errors import LossmithError


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("W=0.001..1 log", Interval("W", 0.001, 1, log=True)),
        ("W = 0 .. 0.1", Interval("W", 0, 0.1)),
        ("W=-1..1e3", Interval("W", -1, 1000)),
        ("W=.5..2.", Interval("W", 0.5, 2)),
        ("N=1..8 int", Interval("N", 1, 8, whole=True)),
        ("N=1..64 log int", Interval("N", 1, 64, log=True, whole=True)),
        ("learning_rate=1e-4..1e-2 log", Interval("learning_rate", 1e-4, 1e-2, log=True)),
        ("learning_rate=1e-4|1e-3", Choice("learning_rate", ("1e-4", "1e-3"))),
        ("LAYER=fire3|fire5", Choice("LAYER", ("fire3", "fire5"))),
        ("LOSS = l1 + tv | l2", Choice("LOSS", ("l1 + tv", "l2"))),
    ],
)
def test_a_search_is_a_range_or_a_choice(text: str, dimension: Interval | Choice) -> None:
    assert parse_dimension(text) == dimension
    assert parse_dimension(f"{dimension.name}={dimension}") == dimension, "str() is what can be typed"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("W", "is NAME=LOW..HIGH, .* not 'W'"),
        ("W=", "is NAME=LOW..HIGH"),
        ("W=3", "is NAME=LOW..HIGH"),
        ("W=a|", "is NAME=LOW..HIGH"),
        ("2W=0..1", "is NAME=LOW..HIGH"),
        ("W=0..1 linear", "is NAME=LOW..HIGH"),
        ("my.W=0..1", "is NAME=LOW..HIGH"),
        (3, "is NAME=LOW..HIGH, .* not 3"),
        ("W=1..0", "from a lower number to a higher one"),
        ("W=1..1", "from a lower number to a higher one"),
        ("W=1..1e999", "from a lower number to a higher one"),
        ("W=0..1 log", "is logarithmic, so it must begin above 0"),
        ("W=0.5..2 int", "is of whole numbers, and so must be its ends"),
        ("W=a|b|a", "has an option twice"),
        ("learning_rate=0..1", "learning rates are numbers above 0"),
        ("learning_rate=fast|slow", "learning rates are numbers above 0"),
    ],
)
def test_what_is_neither_is_refused(text: Any, sentence: str) -> None:
    with pytest.raises(LossmithError, match=sentence):
        parse_dimension(text)


@pytest.mark.parametrize(
    ("loss", "searches", "sentence"),
    [
        ("l1 + W*tv", [], "at least one `search`"),
        ("l1 + W*tv", ["W=0..1", "W=0..2"], "has 'W' twice"),
        ("l1 + W*tv", ["W=0..1", "V=0..2"], "'V', which is nowhere in the loss"),
        ("l1 + tv", ["W=0..1"], "'W', which is nowhere in the loss"),
        ("l1 + 2*my_module:W", ["W=0..1"], "'W', which is nowhere in the loss"),
        (3, ["W=0..1"], "text with names in it"),
    ],
)
def test_names_and_places_belong_together(loss: Any, searches: list[str], sentence: str) -> None:
    with pytest.raises(LossmithError, match=sentence):
        space(loss, *searches)


@pytest.mark.parametrize(
    ("expression", "substituted"),
    [
        ("l1 + W*tv", "l1 + 0.5*tv"),
        ("W*l1+W*tv", "0.5*l1+0.5*tv"),
        ("80%*l1 + W%*tv", "80%*l1 + 0.5%*tv"),
        ("WW*tv + W_2*tv + aW", "WW*tv + W_2*tv + aW"),
        ("features(vgg19, LAYER)", "features(vgg19, fire5)"),
        ("features(vgg19, layer=LAYER)", "features(vgg19, layer=fire5)"),
        ("ssim(W=W)", "ssim(W=0.5)"),
        ("ssim(W = W)", "ssim(W = 0.5)"),
        ("mdf('W.safetensors')", "mdf('W.safetensors')"),
        ('mdf("a W")*W', 'mdf("a W")*0.5'),
        ("mdf(W.safetensors)", "mdf(W.safetensors)"),
        ("mdf(files/W)", "mdf(files/W)"),
        ("my.W:W + W:f", "my.W:W + W:f"),
        ("(l1 + W*tv) until W% then l2", "(l1 + 0.5*tv) until 0.5% then l2"),
        ("LAYER*l1", "fire5*l1"),
    ],
)
def test_whole_words_are_replaced_and_nothing_else(expression: str, substituted: str) -> None:
    assert substitute(expression, {"W": 0.5, "LAYER": "fire5"}) == substituted


def test_what_is_put_in_is_not_looked_at_again() -> None:
    assert substitute("A + B", {"A": "B", "B": "A"}) == "B + A"


def test_the_learning_rate_is_no_place_in_the_expression() -> None:
    both = space("l1 + W*tv", "W=0..1", "learning_rate=1e-4|1e-3")
    values = {"W": 0.25, "learning_rate": "1e-3"}
    assert both.expression(values) == "l1 + 0.25*tv"
    assert both.learning_rate(values) == 1e-3
    assert space("l1 + W*tv", "W=0..1").learning_rate({"W": 0.25}) is None


def test_numbers_are_short_and_never_beyond_the_ends() -> None:
    interval = Interval("W", 0.0012345, 0.98765, log=True)
    assert interval.nearest(0.001234500001) == 0.0012345
    assert interval.nearest(0.9876499) == 0.98765
    assert interval.nearest(0.0345678) == 0.0346
    assert interval.ends == (0.0012345, 0.98765)
    assert Interval("N", 1, 8, whole=True).nearest(7.0) == 7


def test_percentages_can_be_searched_where_another_term_has_the_rest() -> None:
    point = space("P%*tv + rest*l1", "P=1..90 log").expression({"P": 12.3})
    assert str(losses.loss(point)) == "12.3%*tv + 87.7%*l1"


def test_corners_are_all_combinations_of_ends_unless_these_are_many() -> None:
    few = space("l1 + W*tv + V*l2", "W=1..2", "V=3..4")
    assert [tuple(corner.values()) for corner in few.corners()] == [(1, 3), (1, 4), (2, 3), (2, 4)]
    names = [f"N{place}" for place in range(8)]
    many = space(" + ".join(f"{name}*tv" for name in names), *(f"{name}=1..2" for name in names))
    corners = many.corners()
    assert len(corners) == 1 + len(names) <= MAX_CORNERS
    for name in names:
        assert {corner[name] for corner in corners} == {1, 2}


def test_a_term_that_can_be_left_out_is_left_out_first() -> None:
    searches = ("W=0.01..1 log", "V=0..0.2", "U=0..4 int", "L=l1|l2")
    assert space("W*tv + V*l2 + U*l1 + L", *searches).first_points() == [
        {"W": 0.1, "V": 0.0, "U": 2, "L": "l1"},
        {"W": 0.1, "V": 0.1, "U": 0, "L": "l1"},
    ]
    assert space("W*tv", "W=0.01..1").first_points() == []
