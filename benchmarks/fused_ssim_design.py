"""SSIM as fused-ssim computes it, compiled by nvcc from `fused_ssim_design.cu`, for comparison."""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SOURCE = Path(__file__).with_suffix(".cu")


def available() -> bool:
    return shutil.which("nvcc") is not None


@cache
def library() -> ctypes.CDLL:
    major, minor = torch.cuda.get_device_capability()
    folder = tempfile.mkdtemp()  # kept for the lifetime of this process, which has the library open
    binary = Path(folder) / "fused_ssim_design.so"
    options = ["-O3", f"-arch=sm_{major}{minor}", "-shared", "-Xcompiler", "-fPIC", "-cudart", "static"]
    subprocess.run(["nvcc", *options, str(SOURCE), "-o", str(binary)], check=True)
    return ctypes.CDLL(str(binary))


class _Map(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor) -> Tensor:
        maps = [torch.empty_like(prediction) for _ in range(4)]
        launch("ssim_forward", [prediction, target, *maps], prediction)
        ctx.save_for_backward(prediction, target, *maps[1:])
        return maps[0]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        prediction, target, *derivatives = ctx.saved_tensors
        gradient = torch.empty_like(prediction)
        launch("ssim_backward", [prediction, target, grad_output.contiguous(), *derivatives, gradient], prediction)
        return gradient, None


def launch(name: str, tensors: list[Tensor], like: Tensor) -> None:
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
    stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
    if status := getattr(library(), name)(*pointers, *like.shape, stream):
        raise RuntimeError(f"{name}: CUDA error {status}")


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - SSIM of contiguous float32 images in [0, 1], without the border of half a window."""
    return 1 - _Map.apply(prediction, target)[:, :, 5:-5, 5:-5].mean()
