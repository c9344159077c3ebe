"""ONNX files as engines, by onnxruntime: what a graph takes and makes is found out when it is opened."""

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
from lossmith.networks.base import upsample
from lossmith.restoration.engine import checked
from lossmith.restoration.onnx_ports import TYPES, UNIT, Array, Port, Range, Reading, outputs_of, readings_of

TRIED = ((64, 80), (96, 144), (120, 180), (252, 336), (256, 320))
"""Sizes on which a graph of free sizes is tried: multiples of much, and not square, so that a turn shows."""


@dataclass(frozen=True)
class OnnxEngine:
    """A graph with one image in and one out."""

    session: Any
    given: Port
    made: Port
    scale: int
    name: str
    channels: int
    multiple_of: int = 1
    minimum: int = 1
    size: tuple[int, int] | None = None
    batch: int | None = None
    """How many images at a time it takes; None for any number."""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def numbers(self) -> tuple[Range, Range]:
        """In which numbers it takes and makes images."""
        return self.given.range, self.made.range

    def __call__(self, images: Tensor) -> Tensor:
        try:
            made = self._run(images.numpy())
        except Exception as error:  # whatever the runtime says of a size or of memory
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        return checked(torch.from_numpy(made), images, self)

    def _run(self, images: Array) -> Array:
        parts = []
        for start in range(0, len(images), self.batch or len(images)):
            part = images[start : start + (self.batch or len(images))]
            missing = (self.batch or len(part)) - len(part)  # of a fixed number, filled up with the last one
            full = np.concatenate([part, *[part[-1:]] * missing])
            (made,) = self.session.run([self.made.name], {self.given.name: self.given.pack(full)})
            parts.append(self.made.unpack(made)[: len(part)])
        return np.ascontiguousarray(np.concatenate(parts), dtype=np.float32)


def open_onnx(path: Path, metadata: dict[str, str]) -> OnnxEngine:
    """Open a graph; how its axes lie, its scale and in which numbers it works is found by trying.

    Raises LossmithError, saying what was found, when it does not make one image of 1 or 3 channels from another,
    or without onnxruntime.
    """
    metadata = metadata | _digests_beside(path)
    session = _session(path)
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(port.name for port in inputs)
        raise LossmithError(f"model '{path}' takes {len(inputs)} inputs ({names}), not one image")
    axes = "[" + ", ".join(str(side) for side in inputs[0].shape or ()) + "]"
    if inputs[0].type not in TYPES:
        raise LossmithError(f"model '{path}' takes {inputs[0].type} {axes}, not an image of floats or bytes")
    failures = []
    for reading in readings_of(inputs[0].shape or ()):
        engine = _tried(path, session, reading)
        if isinstance(engine, OnnxEngine):
            numbers = (
                {} if engine.numbers == (UNIT, UNIT) else {"numbers": "{} in, {} out".format(*engine.numbers)}
            )
            return replace(engine, metadata={**metadata, "network": "ONNX", **numbers})
        failures.append(engine)
    if not failures:
        raise LossmithError(f"model '{path}' takes {axes}, which is no image of 1 or 3 channels")
    raise LossmithError(f"model '{path}' {failures[0]}")


def _tried(path: Path, session: Any, reading: Reading) -> OnnxEngine | str:
    """The graph as an engine, if it takes what this reading of its axes says; else what was found."""
    port = session.get_inputs()[0]
    given = Port(port.name, reading.layout, TYPES[port.type])
    failure = ""
    for size in (reading.size,) if reading.size else TRIED:
        image = _test_image(reading.batch or 1, reading.channels, *size)
        try:
            outputs = outputs_of(session, given, image)
        except Exception as error:  # another size may go through
            failure = failure or f"does not run on {reading.channels} x {size[0]} x {size[1]} ({_line(error)})"
            continue
        images = [output for output in outputs if output.port is not None]
        if len(images) > 1:
            names = ", ".join(output.name for output in images)
            raise LossmithError(f"model '{path}' makes {len(images)} images ({names}); keep the one you mean")
        if not images or images[0].port is None:
            shapes = ", ".join(f"{output.values.dtype} {list(output.values.shape)}" for output in outputs)
            return f"makes {shapes} of {list(given.pack(image).shape)}, which is no image"
        (made,) = images
        engine = OnnxEngine(
            session,
            given,
            images[0].port,
            made.scale,
            path.stem,
            reading.channels,
            size=reading.size,
            batch=reading.batch,
        )
        return _in_its_numbers(engine, image)
    return failure


def _digests_beside(path: Path) -> dict[str, str]:
    """The files in which a graph keeps its weights, and what is in them; none where `onnx` is not installed.

    Raises LossmithError when one is missing.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        return {}
    try:
        initializers = onnx.load(path, load_external_data=False).graph.initializer
    except Exception:  # of what is no graph, onnxruntime says more
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
    except Exception as error:  # its own classes, which differ between releases
        reason = foreign_kind(path) or f"is not an ONNX file that onnxruntime opens ({_line(error)})"
        raise LossmithError(f"model '{path}' {reason}") from error


def _test_image(count: int, channels: int, height: int, width: int) -> Array:
    """Waves of several lengths and colors, from 0.1 to 0.9."""
    y, x = np.mgrid[:height, :width] / 16
    waves = [np.sin(x + c) * np.cos(0.7 * y - c) + 0.5 * np.sin(0.3 * (x + y) + 2 * c) for c in range(channels)]
    image = (0.5 + 0.4 * np.stack(waves) / np.abs(waves).max()).astype(np.float32)
    return np.broadcast_to(image, (count, *image.shape))


def _in_its_numbers(engine: OnnxEngine, image: Array) -> OnnxEngine:
    """The engine with the first numbers in which it makes about what it was given; as it is without any."""
    wanted = upsample(torch.from_numpy(image.copy()), engine.scale, "bicubic").numpy()
    pairs = product(engine.given.ranges, engine.made.ranges)
    for given, made in sorted(pairs, key=lambda pair: pair[0] != pair[1]):  # the same on both sides comes first
        candidate = replace(
            engine, given=replace(engine.given, range=given), made=replace(engine.made, range=made)
        )
        if _alike(candidate._run(image), wanted):
            return candidate
    return engine


def _alike(made: Array, wanted: Array) -> bool:
    """Whether something may be an image restored: much the same brightness, contrast and content."""
    if not np.isfinite(made).all() or abs(float((made - wanted).mean())) > 0.2:
        return False
    contrast = float(made.std() / wanted.std())
    return 0.5 <= contrast <= 2 and float(np.corrcoef(made.ravel(), wanted.ravel())[0, 1]) >= 0.9


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
