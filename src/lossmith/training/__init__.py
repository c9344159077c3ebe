"""Training runs.

`lossmith.training.run` is imported where a run begins, and not here: it imports Lightning, which takes seconds,
and neither the help nor an error message should wait for it.
"""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.training.recipe import AdversarialRecipe, Recipe
    from lossmith.training.run_folder import RunFolder, RunSummary
    from lossmith.training.run_settings import RunSettings
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["AdversarialRecipe", "Recipe", "RunFolder", "RunSettings", "RunSummary"]
