"""The photograph as a batch of one, which is what metrics take."""

from collections.abc import Callable

import pytest
from torch import Tensor


@pytest.fixture(scope="session")
def photo(photo: Callable[[int, int], Tensor]) -> Callable[[int, int], Tensor]:
    """(1, 3, height, width), float64 multiples of 1/255."""
    return lambda height, width: photo(height, width)[None]
