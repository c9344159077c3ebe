"""Trained models as files: of lossmith, and checkpoints of other programs."""

from lossmith.models.foreign import load_any_model
from lossmith.models.model_file import FORMAT, Model, load_model, save_model

__all__ = ["FORMAT", "Model", "load_any_model", "load_model", "save_model"]
