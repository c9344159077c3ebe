"""lossmith: choose, compose and compare the loss function of an image-restoration network.

    loss("mix")            a loss from an expression              (needs only torch)
    check_loss(...)        what is wrong with a loss, ours or yours  (needs only torch)
    network("srresnet")    a restoration network                  (needs only torch)
    degradation("jpeg(10)")  the degradation to undo              (from here on: lossmith[workbench])
    train(...)             one training run, as a folder
    evaluate(...)          scores of a model or of a folder of results, image by image
    compare(...)           the loss tournament, with its report
    tune(...)              a search for a loss's weights, options and learning rate
    judge(...)             the verdict on folders of finished results, whoever made them
    study(...)             which network and layer make the best perceptual loss
    learn_loss(...)        a loss learned from one image and its degradation
    learn_style(...)       a network that paints in the style of a painting
    show_loss, convert_mdf the card of a loss file; the published MDF as a loss file
    export(...)            a model for other programs: safetensors, ONNX, a card
    blend(...)             models interpolated between two models
    restore(...)           a model applied to whole images
    stylize(...)           photographs and films painted in a style
    reproduce(...)         a model or a loss trained again from its receipt
    Data, Recipe           the images; the degradation, the network and the budget
    AdversarialRecipe      training against a discriminator, as ESRGAN's
    Execution              where the runs of a tournament or a study are executed
    preset("esrgan")       a recipe with which `train` trains as in a paper
    StyleRecipe            the settings of a learned style
    PaintingRecipe         the settings of painting without a model
    LossRecipe             the settings of a learned loss
    FilmOptions            how films are painted
    TrainResult, Comparison, RunResult, Evaluation, ...   the results of the functions above

Importing lossmith loads nothing else; each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from lossmith._version import __version__
from lossmith.core.errors import LossmithError
from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.commands.blend import BlendResult, blend
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
    from lossmith.data import Data
    from lossmith.degradations import degradation
    from lossmith.loss_learning import LossRecipe
    from lossmith.losses import loss
    from lossmith.networks import network
    from lossmith.soundness.examination import check_loss
    from lossmith.training import AdversarialRecipe, PaintingRecipe, Recipe, StyleRecipe
    from lossmith.training.presets import preset
    from lossmith.video import FilmOptions
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "AdversarialRecipe",
    "BlendResult",
    "Comparison",
    "Data",
    "Evaluation",
    "Execution",
    "ExportResult",
    "FilmOptions",
    "FilmResult",
    "Judgment",
    "LearnedLoss",
    "LearnedStyle",
    "LossRecipe",
    "LossmithError",
    "PaintingRecipe",
    "Recipe",
    "ReproduceResult",
    "RestoreResult",
    "RunResult",
    "StudyResult",
    "StyleRecipe",
    "StylizeResult",
    "TrainResult",
    "Tuning",
    "__version__",
    "blend",
    "check_loss",
    "compare",
    "convert_mdf",
    "degradation",
    "evaluate",
    "export",
    "judge",
    "learn_loss",
    "learn_style",
    "loss",
    "network",
    "preset",
    "reproduce",
    "restore",
    "show_loss",
    "study",
    "stylize",
    "train",
    "tune",
]
