"""Learned weights of channels: none negative, and large where people look."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lossmith.studies.benchmarks.similarity.linear import ChoiceModel, Comparisons, learn_weights

PEOPLE_LOOK_AT = 2


def planted(count: int = 400, channels: int = 6) -> Comparisons:
    """Triplets of which people choose the picture that is nearer in one channel."""
    means = torch.from_numpy(np.random.default_rng(0).random((2, count, channels), np.float32))
    choices = (means[1, :, PEOPLE_LOOK_AT] < means[0, :, PEOPLE_LOOK_AT]).float()
    return Comparisons(means, 1e-4 * torch.ones_like(means), choices)


def test_weights_are_largest_for_the_channel_that_people_look_at(tmp_path: Path) -> None:
    data = planted()
    weights = learn_weights(data, epochs=60, batch_size=50, seed=0, checkpoint=tmp_path / "a.ckpt")
    others = weights[torch.arange(len(weights)) != PEOPLE_LOOK_AT]
    assert (weights >= 0).all()
    assert weights[PEOPLE_LOOK_AT] > 3 * others.max()

    def agreement(weights: torch.Tensor) -> float:
        first, second = data.means @ weights
        return float(((second < first) == (data.choices == 1)).float().mean())

    assert agreement(weights) > 0.9 > agreement(torch.ones(6))


def test_weights_are_not_negative_in_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lowest = []
    forward = ChoiceModel.forward

    def record(self: ChoiceModel, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        lowest.append(self.weights.weight.min().item())
        return forward(self, first, second)

    monkeypatch.setattr(ChoiceModel, "forward", record)
    learn_weights(planted(), epochs=2, batch_size=50, seed=0, checkpoint=tmp_path / "a.ckpt")
    assert len(lowest) == 16
    assert min(lowest) >= 0


def test_a_stopped_training_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossmith.studies.fitting.SAVE_EVERY_S", 0.0)
    whole = learn_weights(planted(), 4, 50, seed=1, checkpoint=tmp_path / "whole.ckpt")
    steps = 0
    forward = ChoiceModel.forward

    def stop(self: ChoiceModel, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        if (steps := steps + 1) == 12:
            raise KeyboardInterrupt
        return forward(self, first, second)

    monkeypatch.setattr(ChoiceModel, "forward", stop)
    with pytest.raises(KeyboardInterrupt):
        learn_weights(planted(), 4, 50, seed=1, checkpoint=tmp_path / "stopped.ckpt")
    monkeypatch.setattr(ChoiceModel, "forward", forward)
    assert torch.equal(learn_weights(planted(), 4, 50, seed=1, checkpoint=tmp_path / "stopped.ckpt"), whole)
    assert not torch.equal(learn_weights(planted(), 4, 50, seed=2, checkpoint=tmp_path / "other.ckpt"), whole)
