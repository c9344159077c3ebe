"""ONNX graphs as engines, run by onnxruntime; layout, scale and value range are detected when one is opened."""

import json
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.core.foreign_files import foreign_kind
from lossmith.core.legacy import rename_entries
from lossmith.core.pixel_format import PixelFormat
from lossmith.models.model_file import FORMAT, pixels_of
from lossmith.networks.base import upsample
from lossmith.restoration.engine import check_output
from lossmith.restoration.onnx_ports import TYPES, UNIT, Array, InputLayout, Port, Range, input_layouts, outputs_of

TRIAL_SIZES = ((64, 80), (96, 144), (120, 180), (252, 336), (256, 320))
"""Sizes on which a graph of free size is tried: multiples of many numbers, and not square."""


@dataclass(frozen=True)
class OnnxEngine:
    """An ONNX graph with one image as input and one as output."""

    session: Any
    input: Port
    output: Port
    scale: int
    name: str
    channels: int
    multiple_of: int = 1
    minimum: int = 1
    size: tuple[int, int] | None = None
    batch: int | None = None
    """The fixed batch size; None where it is free."""
    metadata: dict[str, str] = field(default_factory=dict)
    receipt: dict[str, Any] = field(default_factory=dict)

    @property
    def pixels(self) -> PixelFormat:
        return PixelFormat.from_receipt(self.receipt)

    @property
    def ranges(self) -> tuple[Range, Range]:
        """The value ranges of input and output."""
        return self.input.range, self.output.range

    def __call__(self, images: Tensor) -> Tensor:
        try:
            output = self._run(images.numpy())
        except Exception as error:  # the runtime has its own classes, for sizes and memory alike
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        return check_output(torch.from_numpy(output), images, self)

    def _run(self, images: Array) -> Array:
        outputs = []
        for start in range(0, len(images), self.batch or len(images)):
            batch = images[start : start + (self.batch or len(images))]
            missing = (self.batch or len(batch)) - len(batch)  # a fixed batch is filled up with the last image
            full = np.concatenate([batch, *[batch[-1:]] * missing])
            (output,) = self.session.run([self.output.name], {self.input.name: self.input.pack(full)})
            outputs.append(self.output.unpack(output)[: len(batch)])
        return np.ascontiguousarray(np.concatenate(outputs), dtype=np.float32)


def open_onnx(path: Path, metadata: dict[str, str]) -> OnnxEngine:
    """Open an ONNX graph; its axes, scale and value ranges are found by trying.

    Graphs that `lossmith export` wrote say which images they are for, and may take any number of channels.

    Raises LossmithError where it does not map one image to another, of 1 or 3 channels if it does not say how
    many, and without onnxruntime.
    """
    metadata = metadata | _external_digests(path)
    session = _session(path)
    receipt = _receipt_in(session)
    pixels = pixels_of(path, receipt)
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(port.name for port in inputs)
        raise LossmithError(f"model '{path}' takes {len(inputs)} inputs ({names}), not one image")
    axes = "[" + ", ".join(str(side) for side in inputs[0].shape or ()) + "]"
    if inputs[0].type not in TYPES:
        raise LossmithError(f"model '{path}' takes {inputs[0].type} {axes}, not an image of floats or bytes")
    failures = []
    for layout in input_layouts(inputs[0].shape or (), pixels.channels):
        engine = _try_layout(path, session, layout)
        if isinstance(engine, OnnxEngine):
            engine = replace(engine, receipt=receipt)
            ranges = {} if engine.ranges == (UNIT, UNIT) else {"numbers": "{} in, {} out".format(*engine.ranges)}
            return replace(engine, metadata={**metadata, "network": "ONNX", **ranges})
        failures.append(engine)
    if not failures:
        channels = "1 or 3" if pixels.channels in (1, 3) else pixels.channels
        raise LossmithError(f"model '{path}' takes {axes}, which is not an image of {channels} channels")
    raise LossmithError(f"model '{path}' {failures[0]}")


def _try_layout(path: Path, session: Any, layout: InputLayout) -> OnnxEngine | str:
    """The graph as an engine, if it runs with this layout of its input; else the reason why not."""
    port = session.get_inputs()[0]
    source = Port(port.name, layout.axes, TYPES[port.type])
    failure = ""
    for size in (layout.size,) if layout.size else TRIAL_SIZES:
        image = _test_image(layout.batch or 1, layout.channels, *size)
        try:
            outputs = outputs_of(session, source, image)
        except Exception as error:  # another size may work
            failure = failure or f"does not run on {layout.channels} x {size[0]} x {size[1]} ({_one_line(error)})"
            continue
        images = [output for output in outputs if output.port is not None]
        if len(images) > 1:
            names = ", ".join(output.name for output in images)
            raise LossmithError(f"model '{path}' gives {len(images)} images ({names}); keep one of them")
        if not images or images[0].port is None:
            shapes = ", ".join(f"{output.values.dtype} {list(output.values.shape)}" for output in outputs)
            return f"gives {shapes} for {list(source.pack(image).shape)}, which is not an image"
        engine = OnnxEngine(
            session,
            source,
            images[0].port,
            images[0].scale,
            path.stem,
            layout.channels,
            size=layout.size,
            batch=layout.batch,
        )
        return _with_ranges(engine, image)
    return failure


def _receipt_in(session: Any) -> dict[str, Any]:
    """The receipt that `lossmith export` writes into graphs; empty for those of others."""
    try:
        receipt = json.loads(session.get_modelmeta().custom_metadata_map.get(FORMAT, ""))
    except (ValueError, RecursionError):
        return {}
    return rename_entries(receipt) if isinstance(receipt, dict) else {}


def _external_digests(path: Path) -> dict[str, str]:
    """Names and SHA-256 of the files that hold external weights of a graph; none where `onnx` is not installed.

    Raises LossmithError when one is missing.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        return {}
    try:
        initializers = onnx.load(path, load_external_data=False).graph.initializer
    except Exception:  # not a graph, for which onnxruntime has the better message
        return {}
    entries = (entry for tensor in initializers for entry in tensor.external_data)
    digests = {}
    for name in sorted({entry.value for entry in entries if entry.key == "location"}):
        if not (path.parent / name).is_file():
            raise LossmithError(f"model '{path}' keeps its weights in '{name}', which is not beside it")
        digests[name] = sha256_of(path.parent / name)
    return digests


def _session(path: Path) -> Any:
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
        return onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # its exception classes differ between releases
        reason = foreign_kind(path) or f"is not an ONNX file that onnxruntime opens ({_one_line(error)})"
        raise LossmithError(f"model '{path}' {reason}") from error


def _test_image(count: int, channels: int, height: int, width: int) -> Array:
    """Images (count, channels, height, width) of waves of several lengths and colors, from 0.1 to 0.9."""
    y, x = np.mgrid[:height, :width] / 16
    waves = [np.sin(x + c) * np.cos(0.7 * y - c) + 0.5 * np.sin(0.3 * (x + y) + 2 * c) for c in range(channels)]
    image = (0.5 + 0.4 * np.stack(waves) / np.abs(waves).max()).astype(np.float32)
    return np.broadcast_to(image, (count, *image.shape))


def _with_ranges(engine: OnnxEngine, image: Array) -> OnnxEngine:
    """The engine with the first value ranges under which its output resembles its input; unchanged without any."""
    expected = upsample(torch.from_numpy(image.copy()), engine.scale, "bicubic").numpy()
    pairs = product(engine.input.ranges, engine.output.ranges)
    for source, target in sorted(pairs, key=lambda pair: pair[0] != pair[1]):  # first equal ranges on both sides
        candidate = replace(
            engine, input=replace(engine.input, range=source), output=replace(engine.output, range=target)
        )
        if _resembles(candidate._run(image), expected):
            return candidate
    return engine


def _resembles(output: Array, expected: Array) -> bool:
    """Whether two images have about the same brightness, contrast and content."""
    if not np.isfinite(output).all() or abs(float((output - expected).mean())) > 0.2:
        return False
    contrast = float(output.std() / expected.std())
    return 0.5 <= contrast <= 2 and float(np.corrcoef(output.ravel(), expected.ravel())[0, 1]) >= 0.9


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
