"""Trained models as files: ours, and other people's checkpoints."""

from lossmith.models.foreign import load_any_model
from lossmith.models.model_file import FORMAT, Model, load_model, save_model

__all__ = ["FORMAT", "Model", "load_any_model", "load_model", "save_model"]
