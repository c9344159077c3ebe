"""Images are written whole, as 8-bit PNG."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossmith.core.errors import LossmithError
from lossmith.data import read_image, to_uint8_hwc, write_image


def image() -> torch.Tensor:
    return torch.randint(0, 256, (3, 5, 7), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_written_images_are_read_back_exactly(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", image())
    assert torch.equal(read_image(tmp_path / "a.png"), image())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_floats_are_rounded_to_8_bits(tmp_path: Path, dtype: torch.dtype) -> None:
    write_image(str(tmp_path / "a.png"), (image() / 255).to(dtype))
    assert torch.equal(read_image(tmp_path / "a.png"), image())


def test_values_out_of_range_are_clipped(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", torch.tensor([-3.0, 0.5, float("inf")])[:, None, None])
    assert read_image(tmp_path / "a.png").flatten().tolist() == [0, 128, 255]


@given(st.floats(0, 1, width=32))
def test_values_are_rounded_to_the_nearest_level(value: float) -> None:
    assert abs(int(to_uint8_hwc(torch.full((3, 1, 1), value))[0, 0, 0]) - 255 * value) <= 0.5 + 1e-5


def test_to_uint8_hwc_has_the_layout_of_image_libraries() -> None:
    pixels = to_uint8_hwc(image())
    assert (pixels.shape, pixels.dtype) == ((5, 7, 3), np.uint8)
    assert np.array_equal(pixels, image().permute(1, 2, 0).numpy())


def test_a_network_output_can_be_written_directly(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", torch.rand(3, 4, 4, requires_grad=True))
    assert read_image(tmp_path / "a.png").shape == (3, 4, 4)


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "a.png", image())

    def full(draft: Path, _: object) -> None:
        draft.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(LossmithError, match=r"a.png: No space left on device"):
        write_image(tmp_path / "a.png", 255 - image())
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert torch.equal(read_image(tmp_path / "a.png"), image())


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("a.jpg", torch.rand(3, 4, 4), "must end in .png"),
        (
            "a.png",
            torch.zeros(3, 4, 4, dtype=torch.int64),
            r"must be uint8 or floats in \[0, 1\], not torch.int64",
        ),
        ("a.png", torch.rand(1, 3, 4, 4), r"must be \(3, H, W\), not \(1, 3, 4, 4\)"),
        ("a.png", torch.rand(4, 4, 4), r"must be \(3, H, W\)"),
        ("a.png", torch.full((3, 4, 4), float("nan")), "was not written because it holds NaN"),
    ],
)
def test_arrays_that_are_not_images_are_refused(
    tmp_path: Path, name: str, tensor: torch.Tensor, message: str
) -> None:
    with pytest.raises(LossmithError, match=message):
        write_image(tmp_path / name, tensor)
    assert not list(tmp_path.iterdir())
