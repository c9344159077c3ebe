"""Certificates as JSON: what is written is read again, and what is not one is refused in a sentence."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from lossmith import LossmithError
from lossmith.soundness import (
    Certificate,
    Example,
    Measurements,
    Outcome,
    certificate_from_dict,
    certificate_to_dict,
)
from lossmith.soundness.certificate_json import FORMAT

CERTIFICATE = Certificate(
    loss="my_module:my_loss",
    kind="distance",
    min_side=11,
    channels=(1, 3),
    outcomes=(
        Outcome("finite value", "pictures", "passed", "It is finite.", inputs=100),
        Outcome(
            *("live gradient", "pictures", "failed", "The gradient is 0."),
            inputs=100,
            faults=3,
            examples=(Example("two constants, (1, 1, 11, 11)", "value 0.3, gradient 0", "print(1)"),),
        ),
    ),
    measurements=Measurements(frequency_response={"gray": [1.0, math.nan]}, inversion=[(1, 9.5), (500, math.inf)]),
    environment={"torch": "2.15"},
)


def test_a_certificate_is_the_same_after_json() -> None:
    text = json.dumps(certificate_to_dict(CERTIFICATE), allow_nan=False)
    again = certificate_from_dict(json.loads(text))
    assert certificate_to_dict(again) == certificate_to_dict(CERTIFICATE)
    assert again.outcomes == CERTIFICATE.outcomes
    assert again.measurements.inversion == CERTIFICATE.measurements.inversion
    assert again.measurements.frequency_response is not None
    assert math.isnan(again.measurements.frequency_response["gray"][1])


def test_the_verdict_stands_beside_the_format() -> None:
    plain = certificate_to_dict(CERTIFICATE)
    assert (plain["format"], plain["sound"]) == (FORMAT, False)
    assert certificate_to_dict(replace(CERTIFICATE, outcomes=CERTIFICATE.outcomes[:1]))["sound"] is True


def test_what_was_not_measured_stays_unknown() -> None:
    bare = replace(CERTIFICATE, measurements=Measurements())
    assert certificate_from_dict(certificate_to_dict(bare)) == bare


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ([], "not the certificate of a loss"),
        ({"losses": []}, "not the certificate of a loss"),
        ({**certificate_to_dict(CERTIFICATE), "format": FORMAT + 1}, "of a later lossmith"),
        ({"format": FORMAT}, "damaged: 'loss'"),
        ({**certificate_to_dict(CERTIFICATE), "min_side": "large"}, "damaged: 'large' is not of type int"),
        ({**certificate_to_dict(CERTIFICATE), "outcomes": 3}, "damaged: "),
        (
            {
                **certificate_to_dict(CERTIFICATE),
                "outcomes": [{"check": "a", "group": "b", "status": "fine", "says": ""}],
            },
            "damaged: 'fine' is none of 'passed', ",
        ),
    ],
)
def test_anything_else_is_refused_in_a_sentence(contents: Any, sentence: str) -> None:
    with pytest.raises(LossmithError, match=sentence):
        certificate_from_dict(contents)
