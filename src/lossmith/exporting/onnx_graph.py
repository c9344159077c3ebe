"""A restorer as an ONNX graph that is known to compute the same."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lossmith.errors import LossmithError
from lossmith.files import replacing

TRIED = 3
"""Random sizes on which a graph is held against PyTorch."""
SIDES = (12, 40)
"""From and to how many pixels they are drawn."""
TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2}
"""How far an output may be from PyTorch's in float32, as a share of the largest, or of 1 where that is less."""


@dataclass(frozen=True)
class Graph:
    """What was found out about a graph when it was written."""

    opset: int
    deviation: float
    """The largest difference to PyTorch in float32 on `TRIED` random sizes."""

    def __str__(self) -> str:
        return f"opset {self.opset}, at most {self.deviation:.1e} from PyTorch on {TRIED} random sizes"


def write_onnx(path: Path, restorer: nn.Module, receipt: dict[str, Any], key: str, half: bool = False) -> Graph:
    """Write a module that is on the CPU in evaluation mode; the file is only there once it agrees with PyTorch.

    Tensors `input` (N, 3, h, w) and `output` (N, 3, scale h, scale w), RGB in [0, 1], with N, h and w free;
    float16 in and out with `half`. The receipt goes into the metadata under `key`, as in a safetensors file.

    Raises LossmithError when a package is missing, the network cannot be exported with free sizes, or the graph
    computes something else.
    """
    runtime = _needed()
    dtype = torch.float16 if half else torch.float32
    with _quiet():
        program = _program(deepcopy(restorer).to(dtype), dtype)
    program.model.metadata_props[key] = json.dumps(receipt, sort_keys=True)
    with replacing(path) as draft:
        program.save(draft)
        deviation = _deviation(runtime, draft, restorer, dtype)
    return Graph(program.model.opset_imports[""], deviation)


def _needed() -> Any:
    """onnxruntime, if all that is needed is there; better said before any work is done."""
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise LossmithError(
            f"ONNX needs '{error.name}', which comes with: pip install \"lossmith[onnx]\""
        ) from error
    return onnxruntime


def _program(restorer: nn.Module, dtype: torch.dtype) -> Any:
    free = {axis: torch.export.Dim(name) for axis, name in ((0, "batch"), (2, "height"), (3, "width"))}
    example = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0)).to(dtype)
    try:
        return torch.onnx.export(
            restorer,
            (example,),
            dynamo=True,
            input_names=["input"],
            output_names=["output"],
            dynamic_shapes=(free,),
            verbose=False,
        )
    except Exception as error:  # whatever the exporter stumbles over in anybody's network
        cause = error.__cause__ or error
        first = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        raise LossmithError(f"the network cannot be exported to ONNX with free sizes: {first}") from error


def _deviation(runtime: Any, path: Path, restorer: nn.Module, dtype: torch.dtype) -> float:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for pictures in _random_pictures():
        size = "x".join(map(str, pictures.shape))
        try:
            with torch.inference_mode():
                expected = restorer(pictures)
        except Exception as error:  # whatever a network of one's own may raise
            raise LossmithError(
                f"the network itself fails on {size}, so its sizes are not free: {error}"
            ) from error
        (found,) = session.run(["output"], {"input": pictures.to(dtype).numpy()})
        if found.shape != expected.shape:
            raise LossmithError(
                f"the ONNX graph makes {found.shape} of {size}, and PyTorch {tuple(expected.shape)}"
            )
        difference = float(np.abs(found.astype(np.float32) - expected.numpy()).max())
        if not difference <= TOLERANCE[dtype] * max(1.0, float(expected.abs().max())):
            advice = "; leave --half out" if dtype == torch.float16 else ""
            raise LossmithError(f"the ONNX graph differs from PyTorch by {difference:.2g} on {size}{advice}")
        worst = max(worst, difference)
    return worst


def _random_pictures() -> Iterator[Tensor]:
    """Always the same ones, of one to three pictures, so that a graph that was good once stays good."""
    rng = np.random.default_rng(0)
    for count in range(1, TRIED + 1):
        height, width = rng.integers(*SIDES, 2)
        yield torch.from_numpy(rng.random((count, 3, height, width), dtype=np.float32))


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of its own internals, to the user's confusion."""
    logger = logging.getLogger("onnxscript")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
