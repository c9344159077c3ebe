"""The kernels of the structural losses compile for a GPU that need not be there.

Triton's interpreter takes more than its compiler does, and brings a compiler for NVIDIA's GPUs along.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lossmith.losses.structural.formulas import Gaussian

triton = pytest.importorskip("triton")

ssim = (Gaussian(1.5, 11),)
zhao = tuple(Gaussian(sigma, side) for sigma, side in ((0.5, 9), (1.0, 17), (2.0, 33), (4.0, 33), (8.0, 33)))


@pytest.fixture
def an_h100(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    from triton.backends.compiler import GPUTarget
    from triton.backends.driver import DriverBase

    class H100(DriverBase):
        def __init__(self) -> None: ...

        is_active = classmethod(lambda _: True)

        def get_current_target(self) -> Any:
            return GPUTarget("cuda", 90, 32)

        def get_active_torch_device(self) -> torch.device:
            return torch.device("cuda", 0)

        def get_current_device(self) -> int:
            return 0

        def get_current_stream(self, device: int) -> int:
            return 0

        def get_benchmarker(self) -> Any: ...

        def map_python_to_cpp_type(self, kind: str) -> str:
            return kind

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path_factory.mktemp("triton")))
    monkeypatch.setattr(triton.runtime.driver, "_active", H100())  # `set_active` has no way back


def compile_kernel(kernel: Callable[..., Any], *numbers: float, pointers: int, **options: Any) -> str:
    """The machine's assembly of a kernel of so many float32 tensors and then these numbers."""
    compiled_kernel = kernel.warmup(*[triton.MockTensor(torch.float32)] * pointers, *numbers, grid=(1,), **options)  # type: ignore[attr-defined]
    return str(compiled_kernel.asm["ptx"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="here the kernels run")
@pytest.mark.parametrize("pad_same", [True, False], ids=["same", "valid"])
@pytest.mark.parametrize(
    ("windows", "window"), [(ssim, 0), (zhao, 0), pytest.param(zhao, 4, marks=pytest.mark.slow)]
)
@pytest.mark.usefixtures("an_h100")
def test_kernels_compile_for_an_h100(windows: tuple[Gaussian, ...], window: int, pad_same: bool) -> None:
    from lossmith.losses.structural.backends import triton_backend, triton_kernels

    taps = tuple(map(triton_backend.taps_of, windows))
    common = {"TAPS": taps, "WINDOW": window, "SAME": pad_same, **triton_backend.tile_of(taps[window])}
    shape = 48, 256, 256
    forward = compile_kernel(
        triton_kernels.forward, 0.5, *shape, pointers=4, LUMINANCE=True, SLOPES=True, C1=1e-4, C2=9e-4, **common
    )
    back = compile_kernel(triton_kernels.backward, 0.5, *shape, pointers=4, **common)
    assert all(".target sm_90" in assembly for assembly in (forward, back))
