"""Advice in words that a photographer understands; numbers come after them."""

from collections.abc import Mapping
from dataclasses import dataclass

from lossmith.evaluation.advice.advice import Advice
from lossmith.metrics.registry import Goal


@dataclass(frozen=True)
class Card:
    """The advice for one goal."""

    goal: Goal
    headline: str
    """What to do, in one sentence."""
    details: tuple[str, ...]
    """What is as good, what to avoid and by how much, what is undecided and what would decide it, a sentence
    each."""


def cards(advice: Advice, run_seconds: Mapping[str, float] | None = None) -> tuple[Card, ...]:
    """A card for each goal; `run_seconds` is the time of one run under each loss, for how long more seeds take."""
    raise NotImplementedError


def front_sentence(advice: Advice) -> str:
    """The losses on the front of distortion and perception, in a sentence; empty where there is no front."""
    raise NotImplementedError
