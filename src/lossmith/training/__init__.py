"""Training runs."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.training.dry_run import Durations, measure_durations
    from lossmith.training.image_painter import painting_restorer
    from lossmith.training.initial_weights import Init, open_init
    from lossmith.training.pull_maps import pull_maps
    from lossmith.training.recipe import AdversarialRecipe, Recipe
    from lossmith.training.run import AdversarialTask, StyleTask, SupervisedTask, begin, train_run
    from lossmith.training.run_folder import RunFolder, RunSummary
    from lossmith.training.run_settings import RunSettings
    from lossmith.training.style_recipe import PaintingRecipe, StyleRecipe
    from lossmith.training.styles import loss_weights, open_style
    from lossmith.training.validation import Observer, SampleWriter, Validation
    from lossmith.training.validation_loss import validation_loss
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "AdversarialRecipe",
    "AdversarialTask",
    "Durations",
    "Init",
    "Observer",
    "PaintingRecipe",
    "Recipe",
    "RunFolder",
    "RunSettings",
    "RunSummary",
    "SampleWriter",
    "StyleRecipe",
    "StyleTask",
    "SupervisedTask",
    "Validation",
    "begin",
    "loss_weights",
    "measure_durations",
    "open_init",
    "open_style",
    "painting_restorer",
    "pull_maps",
    "train_run",
    "validation_loss",
]
