"""Models for other programs: names, ONNX graphs and cards."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.exporting.model_card import check_scale, compatibility, make_card, model_name
    from lossmith.exporting.onnx_export import OnnxExport, write_onnx
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["OnnxExport", "check_scale", "compatibility", "make_card", "model_name", "write_onnx"]
