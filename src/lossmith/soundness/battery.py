"""Every check, in the order of the page."""

from dataclasses import replace

from lossmith.soundness import compiling, copies, ddp, direction, meaningless, modes, pictures, symmetry
from lossmith.soundness.certificate import Outcome
from lossmith.soundness.check import Check, Subject
from lossmith.soundness.process_state import process_state_kept

CHECKS: tuple[Check, ...] = (
    *pictures.CHECKS,
    *meaningless.CHECKS,
    *direction.CHECKS,
    *symmetry.CHECKS,
    *modes.CHECKS,
    *copies.CHECKS,
    *compiling.CHECKS,
    *ddp.CHECKS,
)


def conduct(check: Check, subject: Subject) -> Outcome:
    """The outcome of a check, excused where the kind of the loss does not promise what failed."""
    with process_state_kept():
        outcome = check.run(subject)
    is_promised = check.promise is None or check.promise in subject.kind.promises
    return outcome if is_promised or outcome.status != "failed" else replace(outcome, status="excused")


__all__ = ["CHECKS", "conduct"]
