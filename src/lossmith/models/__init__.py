"""Trained models as files: of lossmith, and checkpoints of other programs."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.models.foreign import load_any_model
    from lossmith.models.interpolation import (
        architecture_of,
        check_formats,
        interpolate_networks,
        weight_cosine,
    )
    from lossmith.models.model_file import (
        FORMAT,
        MODEL_FILE,
        Model,
        check_file,
        load_model,
        models_in,
        pixels_of,
        save_model,
    )
    from lossmith.models.shipped import (
        find_model,
        ship,
        shipped_file,
        shipped_models,
        shipped_name,
        shipped_receipt,
    )
    from lossmith.models.tasks import PURPOSES, Character, Task
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "FORMAT",
    "MODEL_FILE",
    "PURPOSES",
    "Character",
    "Model",
    "Task",
    "architecture_of",
    "check_file",
    "check_formats",
    "find_model",
    "interpolate_networks",
    "load_any_model",
    "load_model",
    "models_in",
    "pixels_of",
    "save_model",
    "ship",
    "shipped_file",
    "shipped_models",
    "shipped_name",
    "shipped_receipt",
    "weight_cosine",
]
