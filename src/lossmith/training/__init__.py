"""Training runs.

`lossmith.training.run` is imported where a run begins, and not here: it brings Lightning, which takes seconds to
load, and neither help nor a refusal should wait for it.
"""

from lossmith.training.contest import Contest
from lossmith.training.folder import RunFolder, Summary
from lossmith.training.recipe import Recipe

__all__ = ["Contest", "Recipe", "RunFolder", "Summary"]
