"""Networks and their layers by depth: the heat map, and what training on ImageNet brought."""

import math
from collections.abc import Mapping, Sequence

from lossmith.studies.analysis.results import Facts, HeatMapRow, RandomComparison
from lossmith.studies.analysis.tables import MetricTable
from lossmith.studies.configuration import Configuration


def layers_by_depth(
    configurations: Sequence[Configuration], facts: Mapping[str, Facts]
) -> dict[str, tuple[str, ...]]:
    """The layers of every network, trained or random, the shallowest first; unknown depths last, as they came.

    >>> some = [Configuration("vgg11", "relu2_1"), Configuration("vgg11", "relu1_1", random=True)]
    >>> layers_by_depth(some, {some[0].name: Facts(depth=2), some[1].name: Facts(depth=1)})
    {'vgg11': ('relu1_1', 'relu2_1')}
    """
    layers: dict[str, dict[str, tuple[float, float]]] = {}
    for configuration in configurations:
        if configuration.network is not None:
            known = facts.get(configuration.name, Facts())
            order = known.depth, known.multiply_adds  # the latter tells layers between the same convolutions
            depths = layers.setdefault(configuration.network, {})
            depths[configuration.layer] = min(depths.get(configuration.layer, _LAST), _last_if_unknown(order))
    return {network: tuple(sorted(depths, key=depths.__getitem__)) for network, depths in layers.items()}


def heat_map(configurations: Sequence[Configuration], layers: Mapping[str, Sequence[str]]) -> list[HeatMapRow]:
    """A row for every network with trained weights, and one with random weights, of those in the study."""
    names = {configuration.name for configuration in configurations}
    rows = []
    for network, columns in layers.items():
        for random in (False, True):
            cells = [Configuration(network, layer, random).name for layer in columns]
            if names & {*cells}:
                cells = [cell if cell in names else "" for cell in cells]
                rows.append(HeatMapRow(network, random, tuple(columns), tuple(cells)))
    return rows


def random_comparisons(table: MetricTable, layers: Mapping[str, Sequence[str]]) -> list[RandomComparison]:
    """Trained against random weights at the same layers, averaged over the layers of each network.

    The intervals hold for all networks at once.
    """
    both: dict[str, dict[str, tuple[str, str]]] = {}
    for network, columns in layers.items():
        pairs = {
            layer: (Configuration(network, layer).name, Configuration(network, layer, random=True).name)
            for layer in columns
        }
        shared = {layer: pair for layer, pair in pairs.items() if {*pair} <= {*table.names}}
        if shared:
            both[network] = shared
    comparisons = []
    for network, shared in both.items():
        trained, random = zip(*shared.values(), strict=True)
        comparisons.append(RandomComparison(network, tuple(shared), table.gain(trained, random, len(both))))
    return comparisons


_LAST = (math.inf, math.inf)


def _last_if_unknown(order: tuple[float, float]) -> tuple[float, float]:
    return _LAST if math.isnan(order[0]) else order


__all__ = ["heat_map", "layers_by_depth", "random_comparisons"]
