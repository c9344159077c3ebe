"""What is done with the rooms below: a run, an evaluation, a tournament."""

from lossmith.studies.compare import Comparison, compare
from lossmith.studies.evaluate import Evaluation, evaluate
from lossmith.studies.train import Trained, train

__all__ = ["Comparison", "Evaluation", "Trained", "compare", "evaluate", "train"]
