"""A search that takes seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lossmith
from lossmith.commands.tune.trial import State, Trial
from lossmith.commands.tune.tune import Tuning

Tune = Callable[..., Tuning]
MakeTrial = Callable[..., Trial]

RECIPE = lossmith.Recipe(
    degradation="noise(25)", network="srresnet_small(features=4, blocks=1)", steps=10, batch=2, patch=32
)


@pytest.fixture(scope="session")
def tune(photos: Path) -> Tune:
    """`tune(out, **options)`: a search with two goals."""

    def start(out: Path, **options: Any) -> Tuning:
        settings: dict[str, Any] = {
            "loss": "l1 + W*tv",
            "search": ["W=0.001..1 log", "learning_rate=0.003|0.3"],
            "goals": ["psnr", "gmsd"],
            "trials": 5,
            "seeds": 1,
            "recipe": RECIPE,
            "progress": False,
        }
        return lossmith.tune(lossmith.Data([photos]), out=out, **(settings | options))

    return start


@pytest.fixture(scope="session")
def outcome(tune: Tune, tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    """The result of the search as it is."""
    return tune(tmp_path_factory.mktemp("search"))


def folder(outcome: Tuning) -> Path:
    """Where it was written."""
    return outcome.report.parent


@pytest.fixture(scope="session")
def make_trial() -> MakeTrial:
    """A trial that was never run."""

    def make(number: int, values: dict[str, Any], state: State = "complete", **scores: float) -> Trial:
        note = None if state == "complete" else "it was behind"
        folder = Path("trials") / str(number)
        loss = f"trial {number}"
        return Trial(loss, 0, folder, "fcn", None, note, number, values, 1e-3, state, scores, 10, 1.0, {})

    return make
