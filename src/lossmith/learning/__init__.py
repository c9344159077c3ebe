"""Phase 1 of MDF: a loss learned from one picture and its damage."""

from lossmith.learning.damage import Lesson, read_lesson
from lossmith.learning.recipe import FAITHFUL, LossRecipe

__all__ = ["FAITHFUL", "Lesson", "LossRecipe", "read_lesson"]
