"""How far the run is, how fast, how long to go, and what each term of the loss is."""

from typing import Self

from lossmith.progress_bar import ProgressBar, time_left
from lossmith.training.course import Course
from lossmith.training.learner import Values


class ProgressLine:
    """A progress bar over the budget of a run."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._bar = ProgressBar(title)

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.__exit__()

    def show(self, course: Course, values: Values) -> None:
        """Show what the latest step gave, if it is time."""
        if self._bar.due(course.progress):
            self._bar.show(self.title, course.progress, describe(course, values))


def describe(course: Course, values: Values) -> str:
    """Step, rate, time left and the named terms, in words."""
    elapsed, progress = course.stopwatch.elapsed, course.progress
    rate = course.step / max(elapsed, 1e-9)
    left = time_left(elapsed / max(progress, 1e-9) * (1 - progress))
    terms = "  ".join(f"{name} {float(value):.4g}" for name, value in values.items() if name != "loss")
    return f"step {course.step}  {rate:.1f}/s  {left}  {terms}"
