"""Batches are the same whoever cuts them."""

import signal
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch.utils.data import get_worker_info

from lossmith.core.errors import LossmithError
from lossmith.core.signals import SIGNALS
from lossmith.data import PatchDataset, PreparedData
from lossmith.data.loader import BatchDataset, make_loader
from lossmith.degradations import Degradation


def equal(first: object, second: object) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))  # type: ignore[call-overload]


def test_a_batch_stream_can_start_at_any_step(prepared_photos: PreparedData) -> None:
    patches = PatchDataset(prepared_photos.source, 32, seed=1)
    batches = islice(BatchDataset(patches, 4, start=0), 2, 4)
    later = islice(BatchDataset(patches, 4, start=2), 2)
    assert all(equal(a, b) for a, b in zip(batches, later, strict=True))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_give_the_same_batches_as_no_workers(workers: int, prepared_photos: PreparedData) -> None:
    patches = PatchDataset(prepared_photos.source, 32, seed=1)
    expected = islice(make_loader(patches, 2, start=5, workers=0), 7)
    together = islice(make_loader(patches, 2, start=5, workers=workers), 7)
    assert all(equal(a, b) for a, b in zip(expected, together, strict=True))


def test_loading_draws_nothing_from_the_global_generator(prepared_photos: PreparedData) -> None:
    before = torch.get_rng_state()
    next(iter(make_loader(PatchDataset(prepared_photos.source, 32), 2, start=0, workers=1)))
    assert torch.equal(torch.get_rng_state(), before)


class Reports(Degradation):
    """Writes into the image which signals are ignored where it is made."""

    name = "reports"
    random = True

    def degrade(self, clean: torch.Tensor, rng: object) -> torch.Tensor:
        are_ignored = [signal.getsignal(n) is signal.SIG_IGN for n in SIGNALS]
        return torch.full_like(clean, float(all(are_ignored) and get_worker_info() is not None))


def test_workers_ignore_stop_signals(prepared_photos: PreparedData) -> None:
    source = replace(prepared_photos.source, random_degradation=Reports())
    degraded, _ = next(iter(make_loader(PatchDataset(source, 32), 2, start=0, workers=1)))  # type: ignore[misc]
    assert degraded.min() == 1


class Breaks(Degradation):
    """A degradation that fails."""

    name = "breaks"
    random = True

    def degrade(self, clean: torch.Tensor, rng: object) -> torch.Tensor:
        raise LossmithError("degradation 'my:breaks' is broken")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_a_worker_keeps_its_sentence(workers: int, prepared_photos: PreparedData) -> None:
    source = replace(prepared_photos.source, random_degradation=Breaks())
    last = list(make_loader(PatchDataset(source, 32), 2, start=0, workers=workers))[-1]
    assert isinstance(last, LossmithError)
    assert str(last) == "degradation 'my:breaks' is broken"
