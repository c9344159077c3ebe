"""A small run, and the images for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lossmith.data import PreparedData
from lossmith.evaluation import protocol_for
from lossmith.losses import loss
from lossmith.training import Recipe, RunFolder, RunSettings, RunSummary
from lossmith.training.run import SupervisedTask, train_run

Train = Callable[..., RunSummary]


@pytest.fixture(scope="session")
def small() -> Recipe:
    return Recipe(network="srresnet_small(features=8, blocks=1)", steps=12, batch=2, patch=32)


@pytest.fixture(scope="session")
def train(prepared_photos: PreparedData, small: Recipe) -> Train:
    """`train(folder, loss, recipe, ...)` with the images above."""

    def start(out: Path, criterion: Any = "l1", recipe: Recipe = small, **options: Any) -> RunSummary:
        chosen = loss(criterion) if isinstance(criterion, str) else criterion
        settings = RunSettings(protocol=protocol_for(1), **options)
        return train_run(RunFolder(out), SupervisedTask(chosen, recipe), prepared_photos, settings)

    return start
