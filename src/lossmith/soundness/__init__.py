"""The soundness of a loss: what is wrong with it, ours or anybody's, and on which input.

>>> from lossmith.soundness import KINDS
>>> ", ".join(KINDS)
'distance, perceptual, statistics, prior, adversarial'
"""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.soundness.battery import CHECKS
    from lossmith.soundness.certificate import Certificate, Example, Measurements, Outcome
    from lossmith.soundness.certificate_json import certificate_from_dict, certificate_to_dict
    from lossmith.soundness.check import Check, Subject
    from lossmith.soundness.examination import certify, check_loss
    from lossmith.soundness.kinds import KINDS, Kind
    from lossmith.soundness.subjects import subject_of
    from lossmith.soundness.wording import sentence, summary, tally, verdict
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "CHECKS",
    "KINDS",
    "Certificate",
    "Check",
    "Example",
    "Kind",
    "Measurements",
    "Outcome",
    "Subject",
    "certificate_from_dict",
    "certificate_to_dict",
    "certify",
    "check_loss",
    "sentence",
    "subject_of",
    "summary",
    "tally",
    "verdict",
]
