"""What is done with the rooms below: a run, an evaluation, a tournament, a loss learned."""

from lossmith.studies.blending import Blended, blend
from lossmith.studies.executors import Machines
from lossmith.studies.exporting import Exported, export
from lossmith.studies.learning import LearnedLoss, learn_loss
from lossmith.studies.loss_files import convert_mdf, show_loss
from lossmith.studies.named_recipes import named_recipe
from lossmith.studies.reproducing import Reproduced, reproduce
from lossmith.studies.restoring import Restored, restore
from lossmith.studies.scoring import Evaluation, evaluate
from lossmith.studies.single import Trained, train
from lossmith.studies.tournament import Comparison, compare

__all__ = [
    "Blended",
    "Comparison",
    "Evaluation",
    "Exported",
    "LearnedLoss",
    "Machines",
    "Reproduced",
    "Restored",
    "Trained",
    "blend",
    "compare",
    "convert_mdf",
    "evaluate",
    "export",
    "learn_loss",
    "named_recipe",
    "reproduce",
    "restore",
    "show_loss",
    "train",
]
