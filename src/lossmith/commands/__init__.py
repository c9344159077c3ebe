"""What is done with the rooms below: a run, an evaluation, a tournament, a loss learned."""

from lossmith.commands.blend import BlendResult, blend
from lossmith.commands.check_loss import LossCheck, check_loss
from lossmith.commands.compare.compare import Comparison, compare
from lossmith.commands.compare.job import RunResult
from lossmith.commands.evaluate import Evaluation, evaluate
from lossmith.commands.executors.execution import Execution
from lossmith.commands.export import ExportResult, export
from lossmith.commands.films import FilmResult
from lossmith.commands.judge.judge import Judgment, judge
from lossmith.commands.learn_loss import LearnedLoss, learn_loss
from lossmith.commands.learn_style import LearnedStyle, learn_style
from lossmith.commands.loss_files import convert_mdf, show_loss
from lossmith.commands.reproduce import ReproduceResult, reproduce
from lossmith.commands.restore import RestoreResult, restore
from lossmith.commands.study.study import StudyResult, study
from lossmith.commands.stylize import StylizeResult, stylize
from lossmith.commands.train import TrainResult, train
from lossmith.commands.tune.tune import Tuning, tune
from lossmith.training.presets import preset

__all__ = [
    "BlendResult",
    "Comparison",
    "Evaluation",
    "Execution",
    "ExportResult",
    "FilmResult",
    "Judgment",
    "LearnedLoss",
    "LearnedStyle",
    "LossCheck",
    "ReproduceResult",
    "RestoreResult",
    "RunResult",
    "StudyResult",
    "StylizeResult",
    "TrainResult",
    "Tuning",
    "blend",
    "check_loss",
    "compare",
    "convert_mdf",
    "evaluate",
    "export",
    "judge",
    "learn_loss",
    "learn_style",
    "preset",
    "reproduce",
    "restore",
    "show_loss",
    "study",
    "stylize",
    "train",
    "tune",
]
