"""`lossmith check-loss`: what is wrong with a loss, ours or anybody's, as pages and as JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lossmith import report, soundness
from lossmith.commands.command_line import command_line
from lossmith.commands.option_types import LossesOption, PathOption
from lossmith.commands.outcome import Outcome
from lossmith.core.errors import LossmithError
from lossmith.core.files import check_folder, safe_file_name, write_text
from lossmith.core.lock import folder_lock
from lossmith.expressions import error_in_words

if TYPE_CHECKING:
    from lossmith.losses import LossLike
    from lossmith.soundness import Certificate, Subject

logger = logging.getLogger(__name__)

KindName = Literal["distance", "perceptual", "statistics", "prior", "adversarial"]
"""The names of `soundness.KINDS`, which imports torch."""


@dataclass(frozen=True, repr=False)
class LossCheck(Outcome):
    """The certificates of losses, and where they are."""

    certificates: Sequence[Certificate]
    """In the order in which the losses were named."""
    pages: Mapping[str, Path]
    """The page of each, by its expression; beside it is the same as JSON."""

    @property
    def sound(self) -> bool:
        """Whether all of them are."""
        return all(certificate.sound for certificate in self.certificates)

    @property
    def status(self) -> int:
        """The exit status of the command: 0 if all are sound, else 1."""
        return 0 if self.sound else 1

    def __str__(self) -> str:
        return "\n\n".join(
            f"{soundness.summary(each)}\n  report: {self.pages[each.loss]}" for each in self.certificates
        )


def check_loss(
    losses: LossesOption,
    *,
    kind: KindName | None = None,
    cases: int = 100,
    seed: int = 0,
    out: PathOption = Path("runs/check-loss"),
) -> LossCheck:
    """Examine losses, ours or anybody's: what is wrong with each, on which input, and what was measured of it.

    A page and a JSON file are written for each. The exit status is 0 if all are sound, 1 if one has a fault, and 2
    if one cannot be examined; then nothing is written. In a test suite, `lossmith.testing.assert_sound` does the
    same.

    Parameters
    ----------
    losses
        Expressions, such as mix or "l1 + 0.1*tv", and classes or functions of (prediction, target) by their import
        path, such as my_module:MyLoss or "kornia.losses:MS_SSIMLoss(alpha=0.84)".
    kind
        What the losses promise: they are not blamed for more. A distance is 0 for equal pictures, less for better
        ones, and treats channels and orientations alike; a perceptual one may weigh colors, directions and places
        differently; statistics compare what is in the pictures, wherever it is; a prior looks at the prediction
        alone; an adversarial loss promises nothing but finite numbers [default: what the class of the loss says in
        an attribute of this name, or distance].
    cases
        Pairs of pictures for each loss; one with a large network gets fewer.
    seed
        Of the pictures.
    out
        Folder of the pages.

    Raises
    ------
    LossmithError
        For a loss that cannot be imported, wants other arguments than a prediction and a target, or does not
        return one number, in one sentence.
    """
    out = Path(out)
    check_folder(out, "the certificates")
    subjects = [_subject_of(loss, kind) for loss in _listed(losses)]
    names = [subject.name for subject in subjects]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise LossmithError(f"loss '{twice}' is given twice; each may be given once")
    pages = {name: out / f"{safe_file_name(name)}.html" for name in names}
    for page in pages.values():
        if page.exists() and not report.is_lossmith_page(page):
            raise LossmithError(f"'{page}' exists and is not of lossmith; choose another `out`")
    certificates = []
    with folder_lock(out):
        for subject in subjects:
            if len(subjects) > 1:
                logger.info("examining %s", subject.name)
            certificate = soundness.certify(subject, cases=cases, seed=seed)
            write_certificate(pages[subject.name], certificate, _command(certificate, kind, cases, out))
            certificates.append(certificate)
    return LossCheck(certificates, pages)


def write_certificate(page: Path, certificate: Certificate, command: str) -> None:
    """Write the page of a certificate, and beside it the same as JSON."""
    questions = {check.name: check.question for check in soundness.CHECKS}
    text = json.dumps(soundness.certificate_to_dict(certificate), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(page.with_suffix(".json"), f"{text}\n")
    report.write_certificate(page, report.CertificateContents(certificate, questions, command))


def _listed(losses: LossesOption) -> list[LossLike]:
    if not losses:
        raise LossmithError('name a loss, such as "l1 + 0.1*tv" or my_module:MyLoss')
    return list(losses) if isinstance(losses, Sequence) and not isinstance(losses, str) else [losses]


def _subject_of(loss: LossLike, kind: str | None) -> Subject:
    """A loss with what it takes; whatever a module of the user's raises becomes a sentence."""
    try:
        return soundness.subject_of(loss, kind)
    except LossmithError:
        raise
    except Exception as error:
        raise LossmithError(f"loss '{loss}' cannot be imported: {error_in_words(error)}") from error


def _command(certificate: Certificate, kind: str | None, cases: int, out: Path) -> str:
    return command_line(
        "check-loss",
        [certificate.loss],
        kind=kind,
        cases=None if cases == 100 else cases,
        seed=certificate.seed or None,
        out=out,
    )


__all__ = ["LossCheck", "check_loss", "write_certificate"]
