"""Models for other programs: names, ONNX graphs and cards."""

from lossmith.exporting.model_card import check_scale, compatibility, make_card, model_name
from lossmith.exporting.onnx_export import OnnxExport, write_onnx

__all__ = ["OnnxExport", "check_scale", "compatibility", "make_card", "model_name", "write_onnx"]
