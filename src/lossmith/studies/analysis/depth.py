"""Whether later layers are better within networks, which a few networks can tell.

Over networks, this takes many of them, see `conventions`. Within a network, if depth did not matter, any order of
its layers would be as likely as any other: a permutation test.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from lossmith.evaluation.statistics.intervals import Array
from lossmith.studies.analysis.results import DepthTrend
from lossmith.studies.analysis.words import counted
from lossmith.studies.configuration import Configuration

PERMUTATIONS = 10_000
SIGNIFICANCE = 0.05


def depth_trend(ranks: Mapping[str, float], layers: Mapping[str, Sequence[str]]) -> DepthTrend | None:
    """The rank correlation of depth and quality within trained networks, averaged over them; None without any.

    Parameters
    ----------
    ranks
        By name of configuration, the smallest best.
    layers
        The layers of every network by depth. Networks with one layer, or layers that all tie, are left out.
    """
    names = {
        network: [Configuration(network, layer).name for layer in columns] for network, columns in layers.items()
    }
    by_network = [[-ranks[name] for name in columns if name in ranks] for columns in names.values()]
    quality = [stats.rankdata(values) for values in by_network if len({*values}) > 1]
    if not quality:
        return None
    rho = float(np.mean([_rho(values[None])[0] for values in quality]))
    rng = np.random.default_rng(0)
    shuffled = [rng.permuted(np.tile(values, (PERMUTATIONS, 1)), axis=1) for values in quality]
    by_chance = np.mean([_rho(values) for values in shuffled], axis=0)
    # the order itself is one of the permutations
    p_value = float((1 + (abs(by_chance) >= abs(rho) - 1e-9).sum()) / (1 + PERMUTATIONS))
    orders = math.prod(math.factorial(len(values)) for values in quality)
    return DepthTrend(rho, p_value, len(quality), _sentence(rho, p_value, len(quality), orders))


def _rho(values: Array) -> Array:
    """Spearman's correlation of (samples, layers) of ranks with the positions: (samples,)."""
    centered = values - values.mean(1, keepdims=True)
    positions = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
    rho: Array = (centered * positions).sum(1) / np.sqrt((centered**2).sum(1) * (positions**2).sum())
    return rho


def _sentence(rho: float, p_value: float, networks: int, orders: int) -> str:
    many = counted(networks, "network")
    if 2 / orders > SIGNIFICANCE:  # the best and the worst order
        return f"Within networks, whether later layers are better cannot be judged with {many} of so few layers."
    found = f"mean rho = {rho:.2f} over {many}, p = {p_value:.2g}"
    if p_value >= SIGNIFICANCE:
        return f"Within networks, later layers are not known to be better or worse ({found})."
    return f"Within networks, later layers are {'better' if rho > 0 else 'worse'} ({found})."


__all__ = ["depth_trend"]
