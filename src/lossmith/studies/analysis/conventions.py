"""The conventions of transfer learning, tested on what was run: does a fact of a network foretell a good loss?

Pihlgren et al. (arXiv 2302.04032) found that networks with higher ImageNet accuracy are not better losses, and
that later layers are not better.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lossmith.studies.analysis.correlations import FEWEST, spearman
from lossmith.studies.analysis.results import Convention, Estimate, Facts, Point
from lossmith.studies.analysis.words import counted
from lossmith.studies.configuration import Configuration


class _Claim(NamedTuple):
    fact: str
    """A field of `Facts`."""
    label: str
    sentence: str
    """What the convention says."""


CLAIMS = (
    _Claim(
        "imagenet_accuracy",
        "ImageNet top-1 accuracy (%)",
        "networks with higher ImageNet accuracy are better losses",
    ),
    _Claim("parameters", "parameters", "networks with more parameters are better losses"),
    _Claim("multiply_adds", "multiply-adds to the layer", "layers that take more multiply-adds are better losses"),
    _Claim("depth", "convolutions to the layer", "layers after more convolutions are better losses"),
    _Claim("relative_depth", "depth of the layer in its network", "later layers of a network are better losses"),
    _Claim("milliseconds", "milliseconds for loss and gradient", "losses that take longer are better"),
)

CONFIGURATIONS, NETWORKS = "configurations", "networks"


def conventions(
    ranks: Mapping[str, float],
    scores: Mapping[str, float],
    configurations: Sequence[Configuration],
    facts: Mapping[str, Facts],
) -> tuple[Convention, ...]:
    """Every claim over the trained configurations, and over the trained networks, each by its best layer.

    Intervals resample networks, because layers of one network are not independent.

    Parameters
    ----------
    ranks
        By name of configuration, the smallest best.
    scores
        What a scatter plot shows, by name of configuration.
    configurations
        All of the study; those that are random, or have no rank, are left out.
    facts
        By name of configuration.
    """
    trained = [c for c in configurations if c.network is not None and not c.random and c.name in ranks]
    best = {c.network: c for c in sorted(trained, key=lambda c: ranks[c.name], reverse=True)}  # the last one stays
    return tuple(
        _convention(claim, of, some, ranks, scores, facts)
        for of, some in ((CONFIGURATIONS, trained), (NETWORKS, [c for c in trained if best[c.network] == c]))
        for claim in CLAIMS
    )


def _convention(
    claim: _Claim,
    of: str,
    trained: Iterable[Configuration],
    ranks: Mapping[str, float],
    scores: Mapping[str, float],
    facts: Mapping[str, Facts],
) -> Convention:
    values = {c: float(getattr(facts.get(c.name, Facts()), claim.fact)) for c in trained}
    known = [c for c, value in values.items() if not math.isnan(value)]
    quality = [-ranks[c.name] for c in known]
    networks = [c.network for c in known]
    rho = spearman([values[c] for c in known], quality, networks)
    points = tuple(Point(c.name, str(c.network), values[c], scores[c.name]) for c in known)
    sentence = _sentence(claim, of, rho, len(points), len({*networks}))
    return Convention(claim.fact, claim.label, of, rho, len({*networks}), points, sentence)


def _sentence(claim: _Claim, of: str, rho: Estimate, points: int, networks: int) -> str:
    many = counted(networks, "network")
    number = "" if math.isnan(rho.value) else f"rho = {rho.value:.2f}"
    if networks < FEWEST or not rho.has_interval:
        reason = f" with {many}" if networks else ", because this is known of no trained network"
        if networks >= FEWEST:
            reason += ", since this or the quality is the same in all"
        ending = f" ({number} over {points} {of})" if number and networks > 1 else ""
        return f"{_capital(claim.sentence)}: cannot be judged{reason}{ending}."
    verdict = {1: "seen", 0: "not seen", -1: "the opposite is seen"}[rho.sign]
    each = " by their best layers" if of == NETWORKS else ""
    return f"{_capital(claim.sentence)}: {verdict} ({number} [{rho.low:.2f}, {rho.high:.2f}], {many}{each})."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


__all__ = ["CLAIMS", "conventions"]
