"""Which backend computes a structural loss, and that processes and threads get along with it."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lossmith.losses import SSIMLoss, loss
from lossmith.losses.structural import backends
from lossmith.losses.structural.backends import dispatch, numba_backend, torch_backend
from lossmith.losses.structural.formulas import SSIMSpec

from ..samples import planes, ssim_gradient
from .samples import BrokenBackend

BITS = """
import sys, torch
from lossmith.losses import loss
torch.set_num_threads(1)
x = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0), requires_grad=True)
value = loss("mix")(x, x.detach().flip(-1))
value.backward()
print(value.item().hex(), *(number.hex() for number in x.grad.flatten().tolist()))
"""


def test_fresh_and_cached_compiled_code_agree_exactly(tmp_path: Path) -> None:
    # else a run that is taken up again would end elsewhere: its first part compiled, its second did not
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    outputs = []
    for _ in ("compiled", "cached"):
        outputs.append(subprocess.check_output([sys.executable, "-c", BITS], env=environment, text=True))
        assert list(tmp_path.rglob("numba_kernels.strip-*.nbc")), "no compiled code is cached"
    assert outputs[0] == outputs[1]


def test_the_torch_backend_is_used_where_numba_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (image[None].float() for image in planes(3, 40, 40, 1.0))
    expected = SSIMLoss()(x, y)
    assert dispatch.backend_for(x) is numba_backend
    dispatch._numba.cache_clear()
    monkeypatch.delattr(backends, "numba_backend")
    monkeypatch.setitem(sys.modules, "lossmith.losses.structural.backends.numba_backend", None)
    try:
        assert dispatch.backend_for(x) is torch_backend
        torch.testing.assert_close(SSIMLoss()(x, y), expected, rtol=1e-6, atol=0)
    finally:
        dispatch._numba.cache_clear()


class WrongBackend(BrokenBackend):
    def dissimilarity_and_grad(
        self, x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
    ) -> tuple[Tensor, Tensor | None]:
        sums, gradient = torch_backend.dissimilarity_and_grad(x, y, spec, scale, need_grad)
        return sums, gradient if gradient is None else -gradient


def test_failing_kernels_are_detected_before_use() -> None:
    cpu_device = torch.device("cpu")
    assert dispatch.self_test(numba_backend, cpu_device)
    for backend, reason in [
        (BrokenBackend(), "Failed to find C compiler"),
        (WrongBackend(), "their results are wrong"),
    ]:
        with pytest.warns(UserWarning, match=reason):
            assert not dispatch.self_test(backend, cpu_device)


def test_tensors_without_data_take_the_torch_backend() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        x = torch.rand(2, 3, 32, 32, requires_grad=True)
        value = loss("mix")(x, torch.rand(2, 3, 32, 32))
        value.backward()
        assert x.grad is not None
        assert x.grad.shape == x.shape


def _value_in_a_child(queue: "multiprocessing.Queue[float]", x: Tensor, y: Tensor) -> None:
    torch.set_num_threads(2)
    queue.put(SSIMLoss()(x, y).item())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    x, y = (image[None].float() for image in planes(3, 40, 40, 1.0))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    expected = SSIMLoss()(x, y).item()
    torch.set_num_threads(before)
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[float] = context.Queue()
    child = context.Process(target=_value_in_a_child, args=(queue, x, y))
    child.start()
    assert queue.get(timeout=60) == expected
    child.join()


def test_several_threads_can_call_at_once() -> None:
    pairs = [tuple(image[None] for image in planes(3, 40, 44, 1.0, seed)) for seed in range(8)]
    expected = [ssim_gradient(*pair) for pair in pairs]
    torch.set_num_threads(3)  # each of which computes some of the planes
    with ThreadPoolExecutor(4) as pool:
        actual = list(pool.map(lambda pair: ssim_gradient(*pair), pairs))
    torch.set_num_threads(1)
    assert all(map(torch.equal, actual, expected))


def test_without_a_numba_cache_folder_the_torch_backend_is_used() -> None:
    program = (
        "import numba.core.caching as caching, torch\n"
        "(getattr(caching, 'CacheImpl', None) or caching._CacheImpl)._locator_classes = []\n"  # by Numba's release
        "from lossmith.losses import SSIMLoss\n"
        "print(float(SSIMLoss()(torch.ones(1, 1, 16, 16), torch.ones(1, 1, 16, 16))))"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout == "0.0\n"
    assert "structural losses run in plain PyTorch; set NUMBA_CACHE_DIR" in process.stderr
