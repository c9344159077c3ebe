"""Many images at once have the scores that each has alone."""

import math
import pickle
from functools import partial

import pytest
import torch

from lossmith.core.errors import LossmithError
from lossmith.evaluation import Protocol, Restored, Row, Targets, parallel_scoring, score, score_images, views
from lossmith.metrics.registry import METRICS

NAMES = [*METRICS, "niqe", "grid4"]


@pytest.fixture
def pairs(photo, degrade):
    """Six images of different sizes, some with the same target: name to (prediction, target)."""
    targets = [photo(170 + 2 * index, 190) for index in range(3)]
    noise = [torch.randn(t.shape, generator=torch.Generator().manual_seed(1), dtype=t.dtype) for t in targets]
    results = [degrade(t) for t in targets] + [t + 0.05 * n for t, n in zip(targets, noise, strict=True)]
    return {f"{index}": (result, targets[index % 3]) for index, result in enumerate(results)}


def items(pairs):
    return [Restored(name, "mix", partial(pairs.get, name), seed=int(name) % 2) for name in pairs]


@pytest.mark.parametrize("cores", [1, 3])
def test_every_score_is_that_of_the_image_alone_to_the_bit(cores, pairs, monkeypatch):
    monkeypatch.setattr(parallel_scoring, "cores", lambda: cores)
    rows = score_images(items(pairs), Protocol("y", 2), NAMES)
    assert rows == [
        Row(name, "mix", int(name) % 2, score(*pair, Protocol("y", 2), NAMES)) for name, pair in pairs.items()
    ]


def test_the_number_of_threads_changes_no_score_and_stays_as_it_was(pairs):
    pair = pairs["0"]
    alone = score(*pair, Protocol(), NAMES)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert score(*pair, Protocol(), NAMES) == alone
        assert score_images(items(pairs), Protocol(), NAMES)[0].scores == alone
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_progress_counts_the_images(pairs):
    counts: list[int] = []
    score_images(items(pairs), Protocol(), ["psnr"], progress=counts.append)
    assert counts == [1, 2, 3, 4, 5, 6]


def test_few_images_are_read_ahead(pairs, monkeypatch):
    """So a generator that restores them does not fill the memory."""
    monkeypatch.setattr(parallel_scoring, "cores", lambda: 2)
    made, finished, ahead = 0, 0, []

    def generate():
        nonlocal made
        for item in items(pairs) * 4:
            made += 1
            ahead.append(made - finished)
            yield item

    def note(count):
        nonlocal finished
        finished = count

    assert len(score_images(generate(), Protocol(), ["psnr"], progress=note)) == 24
    assert max(ahead) <= 6


def test_an_image_that_fails_is_named(pairs):
    pairs["3"] = (pairs["3"][0][:, 1:], pairs["3"][1])
    with pytest.raises(LossmithError, match="image '3': prediction and target differ in size"):
        score_images(items(pairs), Protocol(), ["psnr"])


def test_the_others_are_scored_where_failures_are_collected(pairs):
    def unreadable():
        raise LossmithError("cannot read 'b.png'")

    failures: list[str] = []
    batch = [*items(pairs)[:2], Restored("b", "mix", unreadable), *items(pairs)[2:]]
    rows = score_images(batch, Protocol(), ["psnr"], on_error=failures.append)
    assert failures == ["cannot read 'b.png'"]
    assert [row.image for row in rows] == list(pairs)


def test_no_images_have_no_rows():
    assert score_images([], Protocol()) == []


def test_what_is_no_mistake_of_the_user_is_raised_as_it_is(pairs):
    def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        score_images([Restored("a", "mix", broken)], Protocol(), ["psnr"], on_error=lambda _: None)


def test_nan_is_kept(pairs):
    prediction, target = pairs["0"]
    (row,) = score_images([Restored("a", "mix", lambda: (prediction * math.nan, target))], Protocol(), ["psnr"])
    assert math.isnan(row.scores["psnr"])


def test_a_target_is_looked_at_once_for_all_that_is_compared_with_it(pairs, monkeypatch):
    described = []
    steps = views.STEPS["gmsd"]

    def describe(image):
        described.append(image)
        return steps.describe(image)

    monkeypatch.setitem(views.STEPS, "gmsd", steps._replace(describe=describe))
    targets = Targets()
    for _ in range(2):
        score_images(items(pairs), Protocol(), ["gmsd"], targets=targets)
    assert len(described) == 2 * len(pairs) + 3  # every prediction, and each of three targets


def test_kept_targets_change_no_score(pairs):
    targets = Targets()
    for protocol in (Protocol(), Protocol("y", 2), Protocol()):
        for prediction, target in pairs.values():
            kept = score(prediction, target.clone(), protocol, NAMES, targets)
            assert kept == score(prediction, target, protocol, NAMES)


def test_the_targets_used_last_are_kept_within_a_limit(photo):
    targets = Targets(max_pixels=2 * 64 * 64)
    first, second, third = (photo(64, 64 + width)[:, :, width:] for width in range(3))
    view = targets.view(first, Protocol())
    targets.view(second, Protocol())
    assert targets.view(first, Protocol()) is view
    targets.view(third, Protocol())  # in the place of the second
    assert targets.view(first, Protocol()) is view
    assert targets.view(photo(200, 200), Protocol()) is targets.view(photo(200, 200), Protocol())
    assert targets.view(first, Protocol()) is not view


def test_a_copy_in_another_process_is_empty(photo):
    targets = Targets(max_pixels=7)
    targets.view(photo(64, 64), Protocol())
    copy = pickle.loads(pickle.dumps(targets))
    assert copy.max_pixels == 7
    assert not copy._views
