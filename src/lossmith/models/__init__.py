"""Trained models as files: of lossmith, and checkpoints of other programs."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.models.foreign import load_any_model
    from lossmith.models.model_file import FORMAT, Model, load_model, save_model
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["FORMAT", "Model", "load_any_model", "load_model", "save_model"]
