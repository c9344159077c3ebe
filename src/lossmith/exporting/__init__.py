"""Models for other programs: names, ONNX graphs and cards."""

from lossmith.exporting.card import make_card
from lossmith.exporting.naming import check_scale, model_name
from lossmith.exporting.onnx_graph import Graph, write_onnx
from lossmith.exporting.openers import who_opens

__all__ = ["Graph", "check_scale", "make_card", "model_name", "who_opens", "write_onnx"]
