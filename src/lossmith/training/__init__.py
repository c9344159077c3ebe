"""Training runs.

`lossmith.training.run` is imported where a run begins, and not here: it brings Lightning, which takes seconds to
load, and neither help nor a refusal should wait for it.
"""

from lossmith.training.recipe import AdversarialRecipe, Recipe
from lossmith.training.run_folder import RunFolder, RunSummary

__all__ = ["AdversarialRecipe", "Recipe", "RunFolder", "RunSummary"]
