"""Spots are where the losses differ."""

import numpy as np
import pytest

from lossmith.report import Exhibit, Pixels
from lossmith.report.exhibits import error_ceiling
from lossmith.report.spots import Spot, box_sum, find_spots


def flat(height: int = 200, width: int = 300, level: int = 100) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


def with_patch(x: int, y: int, level: int, side: int = 20) -> Pixels:
    picture = flat()
    picture[y : y + side, x : x + side] = level
    return picture


def test_box_sums_are_sums_over_windows() -> None:
    values = np.random.default_rng(0).random((7, 9))
    assert box_sum(values, 3).shape == (5, 7)
    assert box_sum(values, 3)[2, 4] == pytest.approx(values[2:5, 4:7].sum())


def test_spots_hold_the_places_where_one_loss_fails() -> None:
    restored = {"l1": with_patch(30, 40, 140), "l2": with_patch(200, 120, 160), "mix": flat()}
    spots = find_spots(Exhibit("p", flat(), flat(level=90), restored))
    assert [spot.side for spot in spots][:2] == [64, 64]
    for spot, (x, y) in zip(spots, [(200, 120), (30, 40)], strict=False):
        assert spot.x <= x
        assert x + 20 <= spot.x + 64
        assert spot.y <= y
        assert y + 20 <= spot.y + 64


def test_spots_do_not_overlap_and_lie_inside() -> None:
    rng = np.random.default_rng(1)
    noisy = {name: rng.integers(0, 256, (150, 220, 3), dtype=np.uint8) for name in ("a", "b")}
    spots = find_spots(Exhibit("p", flat(150, 220), flat(150, 220), noisy))
    assert len(spots) == 3
    for i, one in enumerate(spots):
        assert 0 <= one.x <= 220 - one.side
        assert 0 <= one.y <= 150 - one.side
        assert all(abs(one.x - other.x) >= 64 or abs(one.y - other.y) >= 64 for other in spots[:i])


def test_with_one_loss_the_spots_are_where_it_changed_its_input() -> None:
    [spot, *_] = find_spots(Exhibit("p", flat(), with_patch(200, 120, 160), {"l1": flat()}))
    assert spot.x <= 200 <= spot.x + 44


def test_when_all_is_equal_the_target_decides_and_at_last_the_middle() -> None:
    target = with_patch(30, 40, 140)
    [spot, *_] = find_spots(Exhibit("p", target, target, {"l1": target, "l2": target}))
    assert spot.x <= 30 <= spot.x + 44
    assert find_spots(Exhibit("p", flat(), flat(), {})) == [Spot(118, 68, 64)]


def test_a_tiny_picture_is_one_spot() -> None:
    [spot] = find_spots(Exhibit("p", flat(30, 30), flat(30, 30, 90), {"l1": flat(30, 30, 95)}))
    assert spot == Spot(0, 0, 30)


def test_the_scale_of_errors_ends_at_a_round_number() -> None:
    assert error_ceiling(Exhibit("p", flat(), flat(level=10), {"l1": flat(level=110)})) == 16
    assert error_ceiling(Exhibit("p", flat(), flat(), {"l1": flat()})) == 2
    assert error_ceiling(Exhibit("p", flat(level=0), flat(level=255), {})) == 255


def test_what_is_flat_comes_last() -> None:
    """Losses differ most in a flat sky, and less where something is to be seen."""
    rng = np.random.default_rng(0)
    target = np.full((64, 192, 3), 128, np.uint8)
    target[:, 128:] = rng.integers(0, 255, (64, 64, 3))
    first, second = target.copy(), target.copy()
    first[:, :64] += 40
    second[:, 128:] ^= 8
    found = find_spots(Exhibit("sky", target, target, {"a": first, "b": second}))
    assert found[0].x > 100
    assert any(spot.x < 64 for spot in found[1:])
