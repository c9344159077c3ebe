"""Training runs."""

from lossmith.training.folder import RunFolder, Summary
from lossmith.training.module import Diverged
from lossmith.training.recipe import Recipe
from lossmith.training.run import rehearse, run

__all__ = ["Diverged", "Recipe", "RunFolder", "Summary", "rehearse", "run"]
