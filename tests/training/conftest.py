"""A small run, and the pictures for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lossmith.evaluation import protocol_for
from lossmith.images import Data, Gathered, gather
from lossmith.losses import loss
from lossmith.training import Recipe, RunFolder, Summary
from lossmith.training.run import run

Train = Callable[..., Summary]


@pytest.fixture(scope="session")
def small() -> Recipe:
    return Recipe(network="srresnet_small(features=8, blocks=1)", steps=12, batch=2, patch=32)


@pytest.fixture(scope="session")
def gathered(photos: Path) -> Gathered:
    return gather(Data([photos]), "noise(25)")


@pytest.fixture(scope="session")
def train(gathered: Gathered, small: Recipe) -> Train:
    """`train(folder, loss, recipe, ...)` with the pictures above."""

    def start(out: Path, criterion: Any = "l1", recipe: Recipe = small, **options: Any) -> Summary:
        chosen = loss(criterion) if isinstance(criterion, str) else criterion
        return run(
            RunFolder(out),
            chosen,
            recipe,
            gathered.source,
            gathered.tests,
            protocol_for(1),
            fingerprint=gathered.fingerprint,
            **options,
        )

    return start
