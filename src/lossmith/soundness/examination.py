"""The examination of a loss: what it takes is found by trying, and then every check of the battery is run."""

import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import torch

from lossmith.core.errors import LossmithError
from lossmith.losses.base import LossLike
from lossmith.soundness.battery import CHECKS, conduct
from lossmith.soundness.certificate import Certificate
from lossmith.soundness.check import Subject
from lossmith.soundness.kinds import KINDS
from lossmith.soundness.measuring import measure
from lossmith.soundness.process_state import undisturbed
from lossmith.soundness.subjects import subject_of


def check_loss(
    loss: LossLike,
    *,
    kind: str | None = None,
    channels: Sequence[int] | None = None,
    cases: int = 100,
    seed: int = 0,
) -> Certificate:
    """The certificate of a loss, ours or anybody's: what is wrong with it, and on which input.

    It runs on the CPU, in a few seconds for a loss without a network. The same seed gives the same certificate,
    but for the times in its measurements.

    Parameters
    ----------
    loss
        An expression, such as "mix" or "my_package.my_module:MyLoss", a module or a function of
        (prediction, target), (N, C, H, W) both, in [0, 1], that returns one number.
    kind
        What it promises, a name of `lossmith.soundness.KINDS` [default: its attribute `kind`, or "distance"].
    channels
        Numbers of channels to try [default: those of 1 to 4 that it takes].
    cases
        Pairs of images for the checks on pictures; a loss with a network gets fewer and smaller ones.
    seed
        Of the images.

    Raises
    ------
    LossmithError
        For a loss that cannot be examined: it cannot be made, does not take a prediction and a target, takes no
        images, or does not return one number; and for an unknown kind.

    >>> certificate = check_loss("l1", cases=10)
    >>> certificate.sound, certificate.kind, certificate.min_side, certificate.channels
    (True, 'distance', 1, (1, 2, 3, 4))
    """
    if kind is not None and kind not in KINDS:
        raise LossmithError(f"`kind` is one of {', '.join(KINDS)}, not {kind!r}")
    return certify(subject_of(loss, kind, channels), cases=cases, seed=seed)


def certify(subject: Subject, *, cases: int = 100, seed: int = 0) -> Certificate:
    """The certificate of a loss of which it is known what it takes; see `check_loss`."""
    if cases < 1:
        raise LossmithError(f"`cases` must be at least 1, not {cases}")
    subject = replace(subject, seed=seed, cases=min(cases, MAX_HEAVY_CASES) if subject.small else cases)
    with undisturbed():
        torch.manual_seed(seed)
        outcomes = tuple(conduct(check, subject) for check in CHECKS)
        measurements = measure(subject)
    return Certificate(
        subject.name,
        subject.kind.name,
        subject.min_side,
        subject.channels,
        outcomes,
        measurements,
        seed,
        environment(),
    )


MAX_HEAVY_CASES = 40
"""Pairs of images for a loss whose network takes a second for ten of them."""


def environment() -> dict[str, str]:
    """Versions and the device, by name."""
    versions = {"lossmith": _version("lossmith"), "torch": torch.__version__, "python": platform.python_version()}
    return {**versions, "device": f"CPU ({platform.machine()})"}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from its source
        return "unknown"


__all__ = ["certify", "check_loss", "environment"]
