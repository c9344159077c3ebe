"""What would be found out only after hours of training is found out before."""

from collections.abc import Sequence

from lossmith.devices import best_device
from lossmith.evaluation import Protocol, restore_pictures, scored
from lossmith.images import Pair
from lossmith.networks import network


def rehearse_test(expression: str, tests: Sequence[Pair], protocol: Protocol) -> None:
    """Restore and score the test picture with the shortest side, by a network that has not been trained.

    Raises LossmithError when the network takes no picture of that size, or there is nothing to score.
    """
    smallest = min(tests, key=lambda pair: min(pair.clean.shape[1:]))
    fresh = network(expression, smallest.scale).eval().to(best_device())
    for restored in restore_pictures(fresh, [smallest]):
        scored(smallest.name, "untrained", restored, smallest.clean, protocol)
