"""Pixels of files on the scale of their range, and back, to the bit."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import DTYPES, RGB_8BIT, STORED_AS_THEY_ARE, PixelFormat

WHOLE = [dtype for dtype in DTYPES if not dtype.startswith("float")]


@pytest.mark.parametrize("dtype", STORED_AS_THEY_ARE)
@pytest.mark.parametrize("limits", [None, (3, 200), (-7, 100)])
def test_all_values_of_8_and_16_bits_survive_any_range(dtype: str, limits: tuple[float, float] | None) -> None:
    pixels = PixelFormat.full_range(1, dtype) if limits is None else PixelFormat(1, dtype, *limits)
    ends = np.iinfo(dtype)
    values = np.arange(ends.min, int(ends.max) + 1).astype(dtype)[None, None]
    stored = pixels.to_stored(values)
    assert stored.numpy().dtype == dtype
    unit = pixels.to_unit(stored)
    assert np.array_equal(pixels.from_unit(unit), values)
    assert torch.equal(pixels.compact(unit), stored)


@pytest.mark.parametrize("dtype", ["uint32", "int32"])
def test_32_bits_survive_a_range_that_float32_resolves(dtype: str) -> None:
    pixels = PixelFormat(1, dtype, 1_000_000_000, 1_000_000_000 + (1 << 22))
    values = np.arange(1_000_000_000, 1_000_000_000 + (1 << 22), 1009).astype(dtype)[None, None]
    assert np.array_equal(pixels.from_unit(pixels.to_unit(pixels.to_stored(values))), values)


@pytest.mark.parametrize("dtype", WHOLE)
def test_only_what_the_type_cannot_hold_is_clipped(dtype: str) -> None:
    pixels, ends = PixelFormat(1, dtype, 10, 20), np.iinfo(dtype)
    outside = torch.tensor([[[-0.5, 2.5, 1e12, -1e12]]], dtype=torch.float64)
    assert pixels.from_unit(outside).tolist() == [[[5, 35, ends.max, ends.min]]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_never_clipped(dtype: str) -> None:
    pixels = PixelFormat(1, dtype, -1, 1)
    assert pixels.from_unit(torch.tensor([-3.0, 0.25, 9.0])).tolist() == [-7, -0.5, 17]


def test_nan_and_what_lies_between_two_levels_are_not_compacted() -> None:
    pixels = PixelFormat(1, "uint16", 0, 65535)
    for value in (torch.nan, 0.5 / 65535):
        image = torch.tensor([[[0.0, value]]])
        torch.testing.assert_close(pixels.compact(image), image, rtol=0, atol=0, equal_nan=True)


@given(
    st.integers(1, 12),
    st.sampled_from(DTYPES),
    st.floats(-1e6, 1e6, allow_nan=False),
    st.floats(1e-3, 1e6, allow_nan=False),
)
def test_a_receipt_gives_the_format_back(channels: int, dtype: str, low: float, span: float) -> None:
    pixels = PixelFormat(channels, dtype, low, low + span)
    assert PixelFormat.from_receipt(pixels.receipt_entries) == pixels


def test_8_bit_rgb_leaves_no_trace_in_receipts() -> None:
    assert RGB_8BIT.receipt_entries == {}
    assert PixelFormat.from_receipt({}) == RGB_8BIT


@pytest.mark.parametrize(
    "entries", [{"channels": 0}, {"channels": True}, {"dtype": "bool"}, {"low": 5, "high": 5}, {"high": np.inf}]
)
def test_impossible_formats_are_refused(entries: dict[str, object]) -> None:
    with pytest.raises(LossmithError):
        PixelFormat(**{"channels": 1, **entries})  # type: ignore[arg-type]
