"""Invalid recipes are refused when they are constructed."""

import math
from typing import Any

import pytest

import lossmith
from lossmith.degradations import Noise
from lossmith.networks import SRResNetSmall
from lossmith.training import Recipe


def test_a_recipe_takes_objects_for_their_expressions() -> None:
    recipe = Recipe(degradation=Noise((0, 50)), network=SRResNetSmall)  # type: ignore[arg-type]
    assert recipe == Recipe(degradation="noise(0..50)", network="srresnet_small")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 1, "minutes": 1.0}, "give the budget as `steps` or as `minutes`, not both"),
        ({"steps": 0}, "`steps` must be above 0 and finite, not 0"),
        ({"steps": "3"}, "`steps` must be a whole number, not '3'"),
        ({"steps": 3.0}, "`steps` must be a whole number, not 3.0"),
        ({"steps": True}, "`steps` must be a whole number, not True"),
        ({"minutes": -1.0}, "`minutes` must be above 0 and finite, not -1.0"),
        ({"minutes": "long"}, "`minutes` must be a number, not 'long'"),
        ({"batch": 0}, "`batch` must be above 0 and finite, not 0"),
        ({"batch": None}, "`batch` must be a whole number, not None"),
        ({"patch": [32]}, r"`patch` must be a whole number, not [32]"),
        ({"learning_rate": -1e-3}, "`learning_rate` must be above 0 and finite, not -0.001"),
        ({"learning_rate": math.inf}, "`learning_rate` must be above 0 and finite, not inf"),
        ({"learning_rate": math.nan}, "`learning_rate` must be above 0 and finite, not nan"),
        ({"ema": 1.0}, "`ema` must be from 0 to below 1, not 1.0"),
        ({"ema": math.nan}, "`ema` must be from 0 to below 1, not nan"),
        ({"ema": "none"}, "`ema` must be a number, not 'none'"),
        ({"network": 3}, "`network` must be text, not 3"),
        ({"degradation": 3}, "`degradation` must be text, not 3"),
        ({"decay": "linear"}, "`decay` must be cosine or none or fifths or esrgan, not 'linear'"),
        ({"decay": ["cosine"]}, "`decay` must be cosine or none or fifths or esrgan, not ['cosine']"),
        ({"precision": "fp8"}, "`precision` must be auto or float32 or bfloat16, not 'fp8'"),
    ],
)
def test_invalid_recipes_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(lossmith.LossmithError) as error:
        lossmith.Recipe(**options)
    assert str(error.value) == sentence


def test_integers_are_accepted_where_floats_are_expected() -> None:
    assert lossmith.Recipe(minutes=2, learning_rate=1, ema=0).budget == "2 minutes"
