"""What the device is asked for."""

import pytest
import torch

from lossmith.core.devices import autocast, best_device, device_name, resolve_precision, synchronize


def test_precision_auto_is_bfloat16_only_where_the_device_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch also says yes where it emulates it, unless asked not to."""
    for has_it in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True, h=has_it: h or including_emulation
        )
        assert resolve_precision("auto") == ("bfloat16" if has_it else "float32")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_precision("auto") == "float32"


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_a_network_computes_in_the_given_precision(precision: str, dtype: torch.dtype) -> None:
    layer = torch.nn.Conv2d(3, 3, 3).to(best_device())
    with autocast(precision):
        assert layer(torch.rand(1, 3, 4, 4, device=best_device())).dtype == dtype


@pytest.mark.parametrize(("threads", "name"), [(1, "cpu, 1 thread"), (3, "cpu, 3 threads")])
def test_a_cpu_is_named_with_its_threads(threads: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossmith.core.devices.best_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert device_name() == name
    assert device_name(2) == "2 x cpu process"


def test_a_gpu_is_named_as_its_driver_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A GPU")
    assert [device_name(devices) for devices in (1, 4)] == ["A GPU", "4 x A GPU"]


@pytest.mark.parametrize("device", ["cuda", "mps", "cpu"])
def test_synchronize_waits_for_the_device_that_is_there(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: device == "mps")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append("cuda"))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: calls.append("mps"))
    synchronize()
    assert calls == ([] if device == "cpu" else [device])
