"""What a benchmark of a study is: the interface that a new one has, in a module of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from lossmith.evaluation import Row
    from lossmith.metrics import Metric
    from lossmith.studies.configuration import Configuration

Scale = Literal["tiny", "small", "full"]
"""How much work a study is: seconds, minutes or, as published, many hours for each configuration."""


class Benchmark(Protocol):
    """A task in which a network is trained, or people are predicted, with a configuration."""

    @property
    def name(self) -> str:
        """On the command line, and of its folder of data."""
        ...

    @property
    def title(self) -> str: ...

    @property
    def baseline(self) -> str:
        """What the configuration without a network is here, such as "mean squared error of pixels"."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured; the first decides."""
        ...

    @property
    def image_note(self) -> str:
        """What the pictures in `folder/images` show, in a sentence; empty if there are none."""
        ...

    def open(self, folder: Path, scale: Scale) -> Any:
        """The data in a folder, ready for all runs, to be pickled to workers.

        It has an attribute `fingerprint`, a mapping of what sets it apart from other data: SHA-256 by file name.

        Raises LossmithError, in one sentence that says what was expected, for data in another layout.
        """
        ...

    def run(self, configuration: Configuration, seed: int, data: Any, folder: Path, scale: Scale) -> list[Row]:
        """Train and judge; a stopped run goes on in its folder, to the same scores.

        A row is an item of the test data by its name in `image`, with `configuration.name` as its method; the mean
        over rows of a metric is the score. What cannot be said of items one at a time is one row, "all".
        """
        ...

    def originals(self, data: Any, item: str) -> dict[str, Tensor]:
        """What the pictures of an item are shown beside, if anything, such as "original" and "input".

        They are (3, H, W), uint8 or floats in [0, 1].
        """
        ...


__all__ = ["Benchmark", "Scale"]
