"""A loss that changes during the run."""

from collections.abc import Sequence
from numbers import Real
from warnings import warn

from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.losses.base import Loss, check_pair, parenthesized
from lossmith.losses.function_transforms import plainly, quiet_tracer
from lossmith.losses.kinds import weakest_kind

WARNING_STEPS = 300
"""Steps after which a schedule whose `progress` is still 0 warns."""


class Schedule(Loss):
    """One loss after the other: `"l1 until 50% then l2"`.

    Set `progress`, the fraction of the run that is done, before each step; lossmith's training does. Losses
    without a schedule ignore it. If it is still 0 after 300 steps, a warning says so once.

    Parameters
    ----------
    stages
        The losses, in order.
    ends
        The fraction of the run at which each stage but the last ends, rising, between 0 and 1.

    Raises
    ------
    LossmithError
        For ends that do not rise between 0 and 1, or do not fit the number of stages.

    >>> from lossmith.losses import L1Loss, MSELoss
    >>> schedule = Schedule([L1Loss(), MSELoss()], [0.5])
    >>> schedule.progress = 0.5
    >>> str(schedule), str(schedule.current)
    ('l1 until 50% then l2', 'l2')
    """

    needs_parentheses = True

    def __init__(self, stages: list[Loss], ends: list[float]) -> None:
        numbers = all(isinstance(end, Real) for end in ends)
        if not numbers or len(ends) != len(stages) - 1 or [0.0, *ends, 1.0] != sorted({0.0, *ends, 1.0}):
            raise LossmithError("a schedule needs one rising fraction between 0 and 1 between every two losses")
        super().__init__(stages[0].reduction)
        self.stages: Sequence[Loss] = nn.ModuleList(stages)  # type: ignore[assignment]
        self.ends = list(ends)
        self.progress = 0.0
        self._steps = 0  # counted until `progress` is set
        self.min_side = max(stage.min_side for stage in stages)
        self.kind = weakest_kind(stage.kind for stage in stages)

    @property
    def current(self) -> Loss:
        """The loss in force at `progress`."""
        return self.stages[sum(end <= self.progress for end in self.ends)]

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        with quiet_tracer():
            check_pair(prediction, target, self, self.min_side)  # refuses images too small for a later stage now
        self._count(prediction)
        value: Tensor = self.current(prediction, target)
        return value

    def _count(self, prediction: Tensor) -> None:
        if plainly() or self.progress or self._steps > WARNING_STEPS or not prediction.requires_grad:
            return
        self._steps += 1
        if self._steps > WARNING_STEPS:
            warn(
                f"{self} is still at its beginning after {WARNING_STEPS} steps, because its progress was not set; "
                "set loss.progress = step / steps before each step",
                stacklevel=4,
            )

    def terms(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        self._count(prediction)
        return self.current.terms(prediction, target)

    def __str__(self) -> str:
        # within a schedule, only another schedule needs parentheses, a sum does not
        texts = [parenthesized(stage) if isinstance(stage, Schedule) else str(stage) for stage in self.stages]
        separators = [f" until {100 * end:.12g}% then " for end in self.ends]
        return "".join(part for pair in zip(texts, [*separators, ""], strict=True) for part in pair)
