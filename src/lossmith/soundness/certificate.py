"""The certificate of a loss: the outcome of every check, and what was measured."""

from dataclasses import dataclass, field
from typing import Literal

Status = Literal["passed", "failed", "excused", "not run"]
"""excused: the check failed, and the kind of the loss does not promise it. not run: with the reason in `says`."""


@dataclass(frozen=True)
class Example:
    """An input that shows a fault: the smallest that was found."""

    input: str
    """In words, such as "two constants, (1, 1, 11, 11), float32"."""
    answer: str
    """What the loss made of it."""
    code: str
    """One line of Python that repeats it, with imports; it prints the answer."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one check."""

    check: str
    """Its name, as in `soundness.battery.CHECKS`."""
    group: str
    """pictures, direction, symmetry, precision, manners or tools."""
    status: Status
    says: str
    """In one sentence: what holds, what is wrong, or why the check did not run."""
    inputs: int = 0
    """How many inputs it was tried on."""
    faults: int = 0
    """On how many of them it failed."""
    examples: tuple[Example, ...] = ()
    """The smallest inputs that show the fault, one for each way of failing."""


@dataclass(frozen=True)
class Measurements:
    """What is measured of a loss and is neither right nor wrong; None where it could not be."""

    frequency_response: dict[str, list[float]] | None = None
    """By color axis, the sensitivity to errors in each frequency band, as `losses.frequency_response` gives it."""
    inversion: list[tuple[int, float]] | None = None
    """PSNR in dB after so many steps of Adam on the pixels."""
    milliseconds: float | None = None
    """Of a forward and a backward pass on `size`."""
    milliseconds_of_l1: float | None = None
    megabytes: float | None = None
    """What autograd keeps for the backward pass."""
    megabytes_of_l1: float | None = None
    size: tuple[int, int, int, int] = (4, 3, 128, 128)


@dataclass(frozen=True)
class Certificate:
    """What is right and what is wrong with a loss. `sound` is whether no check failed."""

    loss: str
    """Its expression, or the import path by which it was named."""
    kind: str
    """A name of `KINDS`: what its author states."""
    min_side: int
    """The least side of images that it takes, in pixels."""
    channels: tuple[int, ...]
    """Numbers of channels that it takes, of 1 to 4."""
    outcomes: tuple[Outcome, ...]
    measurements: Measurements = Measurements()
    seed: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    """Versions and the device, by name."""

    @property
    def failures(self) -> list[Outcome]:
        """The checks that failed, in the order of the battery."""
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    @property
    def sound(self) -> bool:
        return not self.failures


__all__ = ["Certificate", "Example", "Measurements", "Outcome", "Status"]
