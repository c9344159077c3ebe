"""The time that Python takes for a structural loss on a GPU, measured without a GPU.

    python benchmarks/structural_launches.py [--losses ssim ms_ssim mix]

On a GPU a loss is a few kernels, and for small images they finish before Python has launched the next one. Here
the kernels are compiled for an H100, which Triton can do without one, and a driver takes them that launches
nothing; all else runs on small images on the CPU, including the halving of images for `ms_ssim`, which is counted
too high here. Prints the median microseconds of a forward and backward pass, and the part within the backend.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase

from lossmith.losses import loss
from lossmith.losses.structural.backends import dispatch, triton_backend

SIDE = 176
"""Large enough for five scales."""


class FakeLauncher:
    """A kernel launcher that does nothing, and the properties of a GPU that Triton reads."""

    def __init__(self, *about_the_kernel: Any) -> None: ...

    def __call__(self, *arguments: Any) -> None: ...

    def load_binary(self, *binary: Any) -> tuple[int, int, int, int, int]:
        return 0, 0, 32, 0, 1024  # module, function, registers, spills, most threads

    def unload_module(self, module: int) -> None: ...

    def get_device_properties(self, device: int) -> dict[str, int]:
        return {"max_shared_mem": 2**17, "multiprocessor_count": 132, "max_num_regs": 2**16, "warpSize": 32}


class FakeH100Driver(DriverBase):
    """A Triton driver for an H100 that is not there."""

    def __init__(self) -> None:
        self.launcher_cls, self.utils = FakeLauncher, FakeLauncher()

    is_active = classmethod(lambda _: True)

    def get_current_target(self) -> Any:
        return GPUTarget("cuda", 90, 32)

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def get_device_interface(self) -> Any:
        return torch.cpu

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_benchmarker(self) -> Any: ...

    def map_python_to_cpp_type(self, kind: str) -> str:
        return kind


def microseconds(call: Callable[[], object], rounds: int = 2000) -> float:
    for _ in range(rounds // 10):
        call()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--losses", nargs="+", choices=("ssim", "ms_ssim", "mix"), default=["ssim", "ms_ssim"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    triton.runtime.driver.set_active(FakeH100Driver())
    torch.cuda.device_of = lambda _: nullcontext()  # type: ignore[assignment, misc, return-value]
    dispatch.backend_for = lambda _: triton_backend
    target, prediction = torch.rand(1, 1, SIDE, SIDE), torch.rand(1, 1, SIDE, SIDE, requires_grad=True)
    for name in options.losses:
        criterion = loss(name)
        planes = prediction.detach()[0], target[0]
        spec = criterion._spec()  # type: ignore[operator]
        total = microseconds(lambda: torch.autograd.grad(criterion(prediction, target), prediction))  # noqa: B023
        backend = microseconds(lambda: triton_backend.dissimilarity_and_grad(*planes, spec, 1.0, True))  # noqa: B023
        print(f"{name}: {total:.0f} us, of which one scale in the backend {backend:.0f}")


if __name__ == "__main__":
    main()
