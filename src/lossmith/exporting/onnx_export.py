"""Export of a restorer as an ONNX graph, checked against PyTorch."""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.onnx import symbolic_helper

from lossmith.core.errors import LossmithError
from lossmith.core.files import atomic_write
from lossmith.models.model_file import Model
from lossmith.restoration.engine import TorchEngine
from lossmith.restoration.tiling.receptive_field import sizes_of

CHECKED_SIZES = 3
"""Random images, of random sizes if these are free, on which a graph is compared with PyTorch."""
CHECKED_SIDES = (12, 40)
"""The range of their random sides in pixels."""
TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2}
"""Tolerated difference to PyTorch in float32, relative to the largest output, or to 1 if that is larger."""


OPSETS = range(9, 24)
"""Versions of ONNX's operator set that can be written."""
NEW_EXPORTER_OPSET = 18
BICUBIC_OPSET = 11
"""The first version with bicubic upsampling."""

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True)
class OnnxExport:
    """The properties of an exported graph."""

    opset: int
    deviation: float
    """The largest difference to PyTorch in float32 on `CHECKED_SIZES` random images."""
    size: Size | None = None
    """The only (height, width) that it takes; None if sizes are free."""
    multiple: int = 1
    """The sides of images must be multiples of this."""

    def __str__(self) -> str:
        takes = f", takes {self.size[1]} x {self.size[0]} pixels only" if self.size else ""
        takes += f", takes sides that are multiples of {self.multiple}" if self.multiple > 1 else ""
        tried = f"{CHECKED_SIZES} random {'images' if self.size else 'sizes'}"
        return f"opset {self.opset}{takes}, at most {self.deviation:.1e} from PyTorch on {tried}"


def write_onnx(
    path: Path, model: Model, key: str, half: bool = False, opset: int | None = None, size: Size | None = None
) -> OnnxExport:
    """Export a model on the CPU as ONNX; the file is only written if it agrees with PyTorch.

    Tensors `input` (N, C, h, w) and `output` (N, C, scale h, scale w), with N, h and w free, or N = 1 and
    (h, w) = `size`; float16 in and out with `half`. Their values are on the scale of the range of the model's
    images, [0, 1] for 8-bit RGB, and the graph's description says so. The receipt goes into the metadata under
    `key`, as in a safetensors file. `opset` is the version of ONNX's operators [default: the newest that torch
    writes].

    Raises LossmithError when a package is missing, the network cannot be exported like that, or the graph computes
    something else.
    """
    if opset is not None and opset not in OPSETS:
        raise LossmithError(f"`opset` must be from {OPSETS.start} to {OPSETS.stop - 1}, not {opset}")
    runtime = _import_onnxruntime()
    dtype = torch.float16 if half else torch.float32
    multiple = 1 if size else _size_multiple(model)
    shapes = [(1, *size)] * CHECKED_SIZES if size else list(_random_shapes(multiple))
    with _silent_exporters(), atomic_write(path) as draft:
        _export(draft, deepcopy(model.restorer).to(dtype), model.channels, dtype, multiple, opset, size)
        written = _write_receipt(draft, key, model)
        if opset is not None and written != opset:
            raise LossmithError(
                f"torch writes this network in opset {written}, and not in {opset}; ask for another"
            )
        deviation = _deviation(runtime, draft, model, dtype, shapes)
    return OnnxExport(written, deviation, size, multiple)


def _size_multiple(model: Model) -> int:
    """The multiple that sides of images must be; 1 for a network that fails on all sizes that are tried."""
    engine = TorchEngine(
        model.restorer, model.scale, channels=model.channels, multiple_of=model.multiple_of, minimum=model.minimum
    )
    try:
        return sizes_of(engine).multiple_of
    except LossmithError:  # the exporter will say more
        return 1


def _import_onnxruntime() -> Any:
    """The module onnxruntime; raises LossmithError, before any work is done, if a package is missing."""
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise LossmithError(
            f"ONNX needs '{error.name}', which comes with: pip install \"lossmith[onnx]\""
        ) from error
    return onnxruntime


def _export(
    path: Path,
    restorer: nn.Module,
    channels: int,
    dtype: torch.dtype,
    multiple: int,
    opset: int | None,
    size: Size | None,
) -> None:
    shape = (1, channels, *size) if size else (2, channels, 32 * multiple, 48 * multiple)
    example = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    names: dict[str, Any] = {"input_names": ["input"], "output_names": ["output"], "opset_version": opset}
    try:
        if opset is not None and opset < NEW_EXPORTER_OPSET:  # which only torch's former exporter writes
            free = {} if size else {0: "batch", 2: "height", 3: "width"}
            axes = {"input": free, "output": free}
            with _bicubic_registered(opset):
                torch.onnx.export(
                    restorer, (example,), path, dynamo=False, verbose=False, dynamic_axes=axes, **names
                )
        else:
            torch.onnx.export(
                restorer,
                (example,),
                path,
                dynamo=True,
                dynamic_shapes=_dynamic_shapes(multiple, size),
                verbose=False,
                external_data=False,
                **names,
            )
    except Exception as error:  # the exporter can raise anything for a user's network
        cause = error.__cause__ or error
        first = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        how = f"of {size[1]} x {size[0]} pixels" if size else "with free sizes"
        in_opset = f" in opset {opset}" if opset else ""
        raise LossmithError(f"the network cannot be exported to ONNX {how}{in_opset}: {first}") from error


@contextmanager
def _bicubic_registered(opset: int) -> Iterator[None]:
    """Register bicubic upsampling with torch's former exporter, for opsets that have it."""
    if opset < BICUBIC_OPSET:
        yield
        return
    torch.onnx.register_custom_op_symbolic(  # type: ignore[attr-defined]
        "aten::_upsample_bicubic2d_aa", _upsample_bicubic, opset
    )
    try:
        yield
    finally:
        torch.onnx.unregister_custom_op_symbolic(  # type: ignore[attr-defined]
            "aten::_upsample_bicubic2d_aa", opset
        )


@symbolic_helper.parse_args("v", "none", "b", "fs")
def _upsample_bicubic(graph: Any, images: Any, size: None, align_corners: bool, scales: Sequence[float]) -> Any:
    """Antialiased bicubic upsampling: plain upsampling with a = -0.5 that leaves samples beyond borders out."""
    nothing = graph.op("Constant", value_t=torch.tensor([], dtype=torch.float32))
    factors = graph.op("Constant", value_t=torch.tensor([1.0, 1.0, *scales]))
    return graph.op(
        "Resize",
        images,
        nothing,
        factors,
        mode_s="cubic",
        cubic_coeff_a_f=-0.5,
        exclude_outside_i=1,
        coordinate_transformation_mode_s="half_pixel",
    )


def _dynamic_shapes(multiple: int, size: Size | None) -> Any:
    """The free axes, as torch's newer exporter takes them."""
    if size:
        return None
    sides = [torch.export.Dim(name if multiple == 1 else f"{name}_parts") for name in ("height", "width")]
    tall, wide = (side if multiple == 1 else multiple * side for side in sides)
    return ({0: torch.export.Dim("batch"), 2: tall, 3: wide},)


def _write_receipt(path: Path, key: str, model: Model) -> int:
    """Write the receipt into the metadata of a graph, and for which images it is, and return its opset."""
    import onnx

    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, {key: json.dumps(model.receipt, sort_keys=True)})
    if model.pixels.receipt_entries:
        low, high = model.pixels.ends
        graph.doc_string = f"For images of {model.pixels}: {low} is 0 and {high} is 1 in input and output."
    onnx.save(graph, path)
    return next(int(entry.version) for entry in graph.opset_import if entry.domain == "")


def _deviation(
    runtime: Any, path: Path, model: Model, dtype: torch.dtype, shapes: Sequence[tuple[int, int, int]]
) -> float:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    worst = 0.0
    rng = np.random.default_rng(0)  # always the same images, so that a graph that was good once stays good
    for count, height, width in shapes:
        images = torch.from_numpy(rng.random((count, model.channels, height, width), dtype=np.float32))
        size = "x".join(map(str, images.shape))
        try:
            with torch.inference_mode():
                expected = model.restorer(images)
        except Exception as error:  # a user's network can raise anything
            fixed = "" if len(set(shapes)) == 1 else ", so its sizes are not free"
            raise LossmithError(f"the network itself fails on {size}{fixed}: {error}") from error
        (found,) = session.run(["output"], {"input": images.to(dtype).numpy()})
        if found.shape != expected.shape:
            raise LossmithError(
                f"the ONNX graph makes {found.shape} of {size}, and PyTorch {tuple(expected.shape)}"
            )
        difference = float(np.abs(found.astype(np.float32) - expected.numpy()).max())
        if not difference <= TOLERANCE[dtype] * max(1.0, float(expected.abs().max())):
            advice = "; leave `half` out" if dtype == torch.float16 else ""
            raise LossmithError(f"the ONNX graph differs from PyTorch by {difference:.2g} on {size}{advice}")
        worst = max(worst, difference)
    return worst


def _random_shapes(multiple: int) -> Iterator[tuple[int, int, int]]:
    """Shapes (count, height, width) of one to three images, the same every time."""
    rng = np.random.default_rng(0)
    for count in range(1, CHECKED_SIZES + 1):
        height, width = (multiple * int(side) for side in rng.integers(*CHECKED_SIDES, 2))
        yield count, height, width


@contextmanager
def _silent_exporters() -> Iterator[None]:
    """Silence the exporters, which warn of their internals and print graphs that fail."""
    logger, log = logging.getLogger("onnxscript"), torch._C._jit_onnx_log
    level = logger.level
    logger.setLevel(logging.ERROR)
    torch._C._jit_onnx_log = lambda *_: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch._C._jit_onnx_log = log
        logger.setLevel(level)
