"""ONNX files as engines, by onnxruntime."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossmith.errors import LossmithError
from lossmith.restoration.engine import checked

TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}
"""Of the tensors that a graph may take and give."""


@dataclass(frozen=True)
class OnnxEngine:
    """A graph with one picture in, (N, C, H, W) in [0, 1], and one out."""

    session: Any
    dtype: str
    scale: int
    name: str
    channels: int
    multiple: int = 1
    least: int = 1
    size: tuple[int, int] | None = None
    about: dict[str, str] = field(default_factory=dict)

    def __call__(self, pictures: Tensor) -> Tensor:
        try:
            made = _run(self.session, pictures, self.dtype)
        except LossmithError:
            raise
        except Exception as error:  # whatever the runtime says of a size or of memory
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        return checked(made, pictures, self)


def open_onnx(path: Path, about: dict[str, str]) -> OnnxEngine:
    """Open a graph; its scale is found by trying.

    Raises LossmithError when it is no graph from one picture of 1 or 3 channels to one, or without
    onnxruntime.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise LossmithError(
            f"model '{path}' needs onnxruntime, which comes with: pip install \"lossmith[onnx]\""
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    providers = [
        name
        for name in ("CUDAExecutionProvider", "CPUExecutionProvider")
        if name in onnxruntime.get_available_providers()
    ]
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # its own classes, which differ between releases
        raise LossmithError(f"model '{path}' is not an ONNX file that onnxruntime opens ({error})") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4:
        raise LossmithError(f"model '{path}' does not map one (N, C, H, W) picture to one")
    channels = inputs[0].shape[1]
    dtype = TYPES.get(inputs[0].type)
    if channels not in (1, 3) or dtype is None:
        raise LossmithError(f"model '{path}' takes {channels} channels of {inputs[0].type}, not 1 or 3 floats")
    if not all(isinstance(side, str) or side is None for side in inputs[0].shape[2:]):
        raise LossmithError(
            f"model '{path}' takes one size only, {inputs[0].shape[2:]}; export it with dynamic sizes"
        )
    if outputs[0].type not in TYPES:
        raise LossmithError(f"model '{path}' makes {outputs[0].type}, not a picture of floats")
    try:
        made = _run(session, torch.full((1, channels, 64, 64), 0.5), dtype)
    except Exception as error:
        raise LossmithError(f"model '{path}' does not run on 64 x 64 pixels ({error})") from error
    if made.ndim != 4 or made.shape[:2] != (1, channels) or made.shape[2] != made.shape[3]:
        given = (1, channels, 64, 64)
        raise LossmithError(f"model '{path}' makes {tuple(made.shape)} of {given}, which is no picture")
    scale, left = divmod(int(made.shape[-1]), 64)
    if left or scale < 1:
        raise LossmithError(f"model '{path}' makes {made.shape[-1]} pixels of 64, which is no whole scale")
    return OnnxEngine(session, dtype, scale, path.stem, channels, about={**about, "network": "ONNX"})


def _run(session: Any, pictures: Tensor, dtype: str) -> Tensor:
    given = np.ascontiguousarray(pictures.numpy().astype(dtype))
    (made,) = session.run(None, {session.get_inputs()[0].name: given})
    return torch.from_numpy(np.asarray(made, dtype=np.float32))
