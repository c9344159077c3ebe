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
    synchronize()
    assert device_name()
