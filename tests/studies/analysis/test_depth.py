"""Whether later layers are better within networks, against all orders of their layers."""

import itertools

import pytest
from scipy import stats

from lossmith.studies.analysis.depth import depth_trend

LAYERS = {"a": ("l1", "l2", "l3", "l4"), "b": ("l1", "l2", "l3"), "c": ("l1",)}


def ranks(a: list[float], b: list[float], c: float = 1.0) -> dict[str, float]:
    names = [f"{network}:{layer}" for network, layers in LAYERS.items() for layer in layers]
    return dict(zip(names, [*a, *b, c], strict=True))


def test_agrees_with_the_enumeration_of_all_orders() -> None:
    a, b = [4.0, 1.0, 3.0, 2.0], [6.0, 5.0, 7.0]

    def mean_rho(first: tuple[float, ...], second: tuple[float, ...]) -> float:
        parts = [-stats.spearmanr(range(len(part)), part).statistic for part in (first, second)]
        return sum(parts) / 2

    observed = mean_rho(tuple(a), tuple(b))
    orders = [
        mean_rho(*order) for order in itertools.product(itertools.permutations(a), itertools.permutations(b))
    ]
    expected = sum(abs(rho) >= abs(observed) - 1e-9 for rho in orders) / len(orders)
    trend = depth_trend(ranks(a, b), LAYERS)
    assert trend is not None
    assert trend.rho == pytest.approx(observed)
    # 10,000 permutations: a standard error of at most 0.005
    assert trend.p_value == pytest.approx(expected, abs=0.015)
    assert trend.networks == 2
    assert "not known to be better or worse" in trend.sentence


@pytest.mark.parametrize(
    ("a", "b", "verdict"), [([4, 3, 2, 1], [7, 6, 5], "better"), ([1, 2, 3, 4], [5, 6, 7], "worse")]
)
def test_layers_in_order_are_seen(a: list[float], b: list[float], verdict: str) -> None:
    trend = depth_trend(ranks(a, b), LAYERS)
    assert trend is not None
    assert trend.sentence.startswith(f"Within networks, later layers are {verdict} (mean rho = ")
    assert trend.p_value == pytest.approx(2 / (24 * 6), abs=0.004)


def test_too_few_layers_cannot_be_judged() -> None:
    trend = depth_trend({"b:l1": 1, "b:l2": 2, "b:l3": 3}, LAYERS)
    assert trend is not None
    assert trend.sentence.endswith("cannot be judged with 1 network of so few layers.")


def test_random_weights_single_layers_and_ties_have_no_trend() -> None:
    assert depth_trend({"a:l1 (random)": 1, "a:l2 (random)": 2, "b:l1": 3, "b:l2": 3, "c:l1": 5}, LAYERS) is None
