"""What is done with the rooms below: a run, an evaluation, a tournament."""

from lossmith.studies.scoring import Evaluation, evaluate
from lossmith.studies.single import Trained, train
from lossmith.studies.tournament import Comparison, compare

__all__ = ["Comparison", "Evaluation", "Trained", "compare", "evaluate", "train"]
