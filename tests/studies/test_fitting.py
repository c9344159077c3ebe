"""The training loop of benchmarks: that a stopped training ends as one that was never stopped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lossmith.core.errors import Diverged
from lossmith.studies.fitting import batches, fit


def trained(path: Path, steps: int, stop_at: int | None = None, **options: Any) -> tuple[list[Tensor], list[int]]:
    """The weights of a small training, and the steps that were carried out."""
    torch.manual_seed(0)
    network, done = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), []

    def objective(step: int) -> Tensor:
        if step == stop_at:
            raise KeyboardInterrupt
        done.append(step)
        images = torch.from_numpy(np.random.default_rng(step).random((8, 4), np.float32))
        return (network(images) - images).square().mean()

    try:
        fit(network, objective, steps, path, "test", **options)
    except KeyboardInterrupt:
        assert stop_at is not None
    return [*network.state_dict().values()], done


def test_a_training_goes_on_where_it_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossmith.studies.fitting.SAVE_EVERY_S", 0.0)
    whole, _ = trained(tmp_path / "whole.ckpt", 10, schedule=lambda progress: 1 - progress)
    trained(tmp_path / "stopped.ckpt", 10, stop_at=6, schedule=lambda progress: 1 - progress)
    resumed, done = trained(tmp_path / "stopped.ckpt", 10, schedule=lambda progress: 1 - progress)
    assert done == [6, 7, 8, 9]
    assert all(map(torch.equal, whole, resumed))
    again, done = trained(tmp_path / "stopped.ckpt", 10)
    assert done == []
    assert all(map(torch.equal, whole, again))


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path) -> None:
    network = nn.Linear(1, 1)
    with pytest.raises(Diverged, match="the loss is nan at step 1 of 3"):
        fit(network, lambda step: network(torch.tensor([[torch.nan]])).sum(), 3, tmp_path / "a.ckpt", "test")


@pytest.mark.parametrize(("count", "size"), [(10, 4), (3, 8), (5, 5)])
def test_batches_are_whole_epochs_in_orders_of_their_own(count: int, size: int) -> None:
    batch = batches(count, size, seed=1)
    stream = np.concatenate([batch(step) for step in range(4 * count)])
    epochs = stream[: len(stream) // count * count].reshape(-1, count)
    assert (np.sort(epochs, 1) == np.arange(count)).all()
    assert len({tuple(epoch) for epoch in epochs[:8]}) > 1
    assert np.array_equal(batch(3), batches(count, size, seed=1)(3))
