"""What is done with the rooms below: a run, an evaluation, a tournament, a loss learned."""

from lossmith.studies.learning import LearnedLoss, learn_loss
from lossmith.studies.loss_files import convert_mdf, show_loss
from lossmith.studies.scoring import Evaluation, evaluate
from lossmith.studies.single import Trained, train
from lossmith.studies.tournament import Comparison, compare

__all__ = [
    "Comparison",
    "Evaluation",
    "LearnedLoss",
    "Trained",
    "compare",
    "convert_mdf",
    "evaluate",
    "learn_loss",
    "show_loss",
    "train",
]
