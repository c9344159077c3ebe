"""How a run is carried out, beside its task and its images."""

from dataclasses import dataclass, field

from lossmith.degradations.checks import check_int, check_nonnegative
from lossmith.evaluation import Protocol, Targets


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How a run is carried out, beside its task and its images.

    Raises LossmithError for a seed that torch does not take, and for a negative or infinite time.
    """

    protocol: Protocol
    """Under which the test images are scored."""
    seed: int = 0
    """Of the first weights and of the patches, from 0 to 2**63 - 1."""
    save_every: float = 60.0
    """Seconds between two checkpoints."""
    devices: int = 1
    """How many train together, each on its share of every batch."""
    metrics: tuple[str, ...] | None = None
    """By which they are scored; those of `evaluation.default_metrics` if None."""
    targets: Targets | None = field(default=None, repr=False, compare=False)
    """Where runs that are tested with the same images share what metrics see in the targets."""
    dry_run: bool = True
    """Whether to take a dry run first; not needed where all runs of a study were tried together."""

    def __post_init__(self) -> None:
        check_int("train", "seed", self.seed, 0, 2**63 - 1)
        check_nonnegative("train", "save_every", self.save_every)
