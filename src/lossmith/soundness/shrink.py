"""The smallest and plainest pair of images that still shows a fault."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from lossmith.soundness.cases import FLOAT32, PLAIN, TAME, WILD, Case, first_side
from lossmith.soundness.check import Subject

PLAINNESS = ("two constants", "black for white", "noisy", *TAME, *WILD)
"""Contents, the plainest first; some are named twice."""
MAX_TRIES = 80
"""Pairs that are tried at most ..."""
MAX_TRIES_IF_SLOW = 24
"""... and with a large network, which takes half a second for each."""


def shrink(case: Case, shows: Callable[[Case], bool], subject: Subject) -> Case:
    """The smallest and plainest case that is found to show what `case` shows.

    One thing is made simpler at a time, and kept so where the fault still shows, until nothing can be.

    Parameters
    ----------
    case
        Shows it.
    shows
        Whether a case does, a pure function.
    subject
        Says which images the loss takes.
    """
    tries = MAX_TRIES_IF_SLOW if subject.small else MAX_TRIES
    first, step = first_side(subject.min_side, subject.odd), 2 if subject.odd else 1
    tried: set[Case] = set()
    candidates = _simpler(case, subject.channels, first, step)
    while len(tried) < tries:
        candidate = next((each for each in candidates if each not in tried), None)
        if candidate is None:
            break
        tried.add(candidate)
        if shows(candidate):
            case = candidate
            candidates = _simpler(case, subject.channels, first, step)
    return case


def _simpler(case: Case, channels: Sequence[int], first: int, step: int) -> Iterator[Case]:
    """Cases that are simpler in one way, those that save most first."""
    images, channel_count, height, width = case.shape
    for side in _between(first, max(height, width), step):
        shape = (images, channel_count, min(height, side), min(width, side))
        yield replace(case, shape=shape)
    for fewer in _between(1, images, 1):
        yield replace(case, shape=(fewer, channel_count, height, width))
    for fewer in sorted(channels):
        if fewer < channel_count:
            yield replace(case, shape=(images, fewer, height, width))
    for side in _between(first, height, step):
        yield replace(case, shape=(images, channel_count, side, width))
    for side in _between(first, width, step):
        yield replace(case, shape=(images, channel_count, height, side))
    if case.autocast:
        yield replace(case, autocast=False)
    for layouts in (PLAIN, ("plain", case.layouts[1]), (case.layouts[0], "plain"), (case.layouts[0],) * 2):
        if layouts != case.layouts and layouts.count("plain") >= case.layouts.count("plain"):
            yield replace(case, layouts=layouts)
    if case.dtypes != FLOAT32:
        yield replace(case, dtypes=FLOAT32)
        if case.dtypes[0] != case.dtypes[1]:
            yield from (replace(case, dtypes=(dtype, dtype)) for dtype in case.dtypes)
    for values in PLAINNESS[: PLAINNESS.index(case.values)]:
        yield replace(case, values=values)
    if case.seed:
        yield replace(case, seed=0)


def _between(least: int, largest: int, step: int) -> list[int]:
    """The least, and steps halfway to the largest, which is left out."""
    sides = []
    while least < largest:
        sides.append(least)
        least += max(step, (largest - least) // (2 * step) * step)
    return sides


__all__ = ["shrink"]
