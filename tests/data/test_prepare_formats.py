"""A study of pictures of any format: what it is made of, what it refuses, and which pixels count."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data import Data, PatchDataset, PreparedData, prepare_data, split_validation
from lossmith.data.picture_reader import PictureReader
from lossmith.data.storage import _training_bytes_per_pixel
from lossmith.data.test_pairs import CachedPairs
from lossmith.degradations import degradation

from ..formats import float_folder, gray16_folder, signed_folder, soft_field, write_gray16, write_tiff

NOISE = "noise(0.05, of=range)"
FORMATS = [
    (gray16_folder, "auto", PixelFormat(1, "uint16", 0, 65535), torch.uint16),
    (signed_folder, "-1000:1000", PixelFormat(1, "int16", -1000, 1000), torch.int16),
    (float_folder, "-1:2", PixelFormat(8, "float32", -1, 2), torch.float32),
]


def as_stored(path: Path) -> np.ndarray:
    """(C, H, W) as another program reads the file, float64 in its unit."""
    values = np.array(Image.open(path)) if path.suffix == ".png" else tifffile.imread(path)
    return (values[None] if values.ndim == 2 else values.transpose(2, 0, 1)).astype(np.float64)


@pytest.mark.parametrize(("make", "limits", "pixels", "dtype"), FORMATS)
def test_the_format_of_a_study_is_that_of_its_files(
    make: Callable[[Path], Path], limits: str, pixels: PixelFormat, dtype: torch.dtype, tmp_path: Path
) -> None:
    data = prepare_data(Data([make(tmp_path)], range=limits), NOISE)
    assert data.pixels == data.source.pixels == pixels
    assert data.fingerprint["pixels"] == pixels.receipt_entries["pixels"]
    assert data.source.clean[0].dtype == dtype
    assert data.source.clean[0] is data.source.predegraded[0], "kept once, as it is noise that degrades it"
    (path,) = tmp_path.glob("3.*")
    expected = (as_stored(path) - pixels.low) / pixels.span
    # one rounding to float32 of a value below 2
    np.testing.assert_allclose(data.test_pairs[0].clean.double().numpy(), expected, rtol=0, atol=3e-7)
    noise = data.test_pairs[0].degraded - data.test_pairs[0].clean
    assert float(noise.std()) == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize(("make", "limits", "pixels", "dtype"), FORMATS)
def test_patches_are_crops_of_the_files(
    make: Callable[[Path], Path], limits: str, pixels: PixelFormat, dtype: torch.dtype, tmp_path: Path
) -> None:
    data = prepare_data(Data([make(tmp_path)], range=limits), "bicubic(2)")
    units = [torch.from_numpy((as_stored(path) - pixels.low) / pixels.span) for path in sorted(tmp_path.iterdir())]
    patches = PatchDataset(data.source, 16, seed=1)
    for index in range(4):
        degraded, clean = patches[index]
        assert degraded.shape == (pixels.channels, 8, 8)
        turns = [torch.rot90(side, k, (1, 2)) for side in (clean, clean.flip(2)) for k in range(4)]
        windows = [unit.unfold(1, 16, 2).unfold(2, 16, 2).movedim(0, 2) for unit in units]
        distance = min(float((window - turn).abs().amax((2, 3, 4)).min()) for window in windows for turn in turns)
        assert distance < 3e-7, "one of the eight turns of a crop at an even place"


def test_the_copy_of_images_in_another_process_holds_the_same_values(tmp_path: Path) -> None:
    data = prepare_data(Data([gray16_folder(tmp_path)]), NOISE)
    copy: PreparedData = pickle.loads(pickle.dumps(data))
    assert copy.source.pixels == data.source.pixels
    pairs = zip(copy.source.clean, data.source.clean, strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("expression", [NOISE, "bicubic(2)", f"bicubic(2) | {NOISE}"])
@pytest.mark.parametrize("masked", [False, True])
def test_images_on_the_disk_are_those_in_memory(
    expression: str, masked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = half_masks(tmp_path / "masks") if masked else None
    data = Data([gray16_folder(tmp_path / "images")], mask=masks)
    memory = prepare_data(data, expression, tmp_path / "out")
    # the images of memory fit into 50 kB, which is more than half of what is free now
    monkeypatch.setattr("lossmith.data.storage.free_memory", lambda: 50_000)
    disk = prepare_data(data, expression, tmp_path / "out")
    assert PatchDataset(disk.source, 16).on_disk
    for number in range(3):
        for one, other in zip(
            PatchDataset(memory.source, 16)[number], PatchDataset(disk.source, 16)[number], strict=True
        ):
            torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    for pair, cached in zip(memory.test_pairs, disk.test_pairs, strict=True):
        torch.testing.assert_close(pair.clean, cached.clean, rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(pair.degraded, cached.degraded, rtol=0, atol=0)


@pytest.mark.parametrize("make", [gray16_folder, float_folder, signed_folder])
@pytest.mark.parametrize("expression", [NOISE, "bicubic(2)", "blur(1)"])
@pytest.mark.parametrize("masked", [False, True])
def test_the_bytes_that_images_take_are_known_before_they_are_read(
    make: Callable[[Path], Path], expression: str, masked: bool, tmp_path: Path
) -> None:
    masks = half_masks(tmp_path / "masks") if masked else None
    data = prepare_data(Data([make(tmp_path / "images")], range="-1:2", mask=masks), expression)
    paths = sorted((tmp_path / "images").iterdir())
    reader = PictureReader.with_masks(data.pixels, paths, masks, "refuse")
    stored = {id(image): image for image in (*data.source.clean, *data.source.predegraded)}
    per_pixel = _training_bytes_per_pixel(degradation(expression), data.source.scale, reader)
    assert sum(image.nbytes for image in stored.values() if isinstance(image, torch.Tensor)) == (
        3 * 48 * 56 * per_pixel
    )


def test_test_pairs_are_as_small_on_the_disk_as_in_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lossmith.data.storage.free_memory", lambda: 50_000)
    pairs = prepare_data(Data([gray16_folder(tmp_path / "images")]), NOISE, tmp_path / "out").test_pairs
    assert isinstance(pairs, CachedPairs)
    assert pairs.pairs[0].clean.dtype == torch.uint16


# --- what is converted, and what is refused ----------------------------------------------------------------------


def test_8_bit_rgb_leaves_no_trace_in_receipts(photos: Path) -> None:
    data = prepare_data(Data([photos]), "jpeg")
    assert data.pixels == RGB_8BIT
    assert [*data.fingerprint] == ["training_images", "test_images"]


def test_color_becomes_gray_aloud_where_it_is_asked_for(photos: Path) -> None:
    data = prepare_data(Data([photos], channels=1), "noise(25)")
    assert data.pixels == PixelFormat(1)
    assert any("color becomes gray" in remark for remark in data.remarks)
    rgb = np.array(Image.open(photos / "4.png")).transpose(2, 0, 1)
    gray = np.floor(np.tensordot([0.299, 0.587, 0.114], rgb.astype(np.float64), 1) + 0.5)
    np.testing.assert_array_equal(data.test_pairs[0].clean[0].numpy() * 255, gray.astype(np.float32))


def test_gray_test_images_of_an_rgb_study_become_three_equal_channels(photos: Path, tmp_path: Path) -> None:
    Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64).astype(np.uint8)).save(tmp_path / "g.png")
    data = prepare_data(Data([photos], test=[tmp_path]), "jpeg")
    assert data.test_pairs[0].gray
    assert data.test_pairs[0].clean.shape[0] == 3


def refusal(data: Data, expression: str | None = NOISE) -> str:
    with pytest.raises(LossmithError) as caught:
        prepare_data(data, expression)
    return str(caught.value)


def test_images_of_two_kinds_are_refused_with_both_names(photos: Path, tmp_path: Path) -> None:
    wide = gray16_folder(tmp_path / "wide")
    assert refusal(Data([photos, wide])).count(".png'") == 2
    assert "'0.png' holds uint8" in refusal(Data([photos], test=[wide])).replace(f"{photos}/", "")
    gray = tmp_path / "gray"
    gray.mkdir()
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(gray / "g.png")
    mixed = refusal(Data([photos, gray]))
    assert "is RGB and" in mixed
    assert "`channels=1` or `channels=3`" in mixed
    Image.fromarray(np.ones((64, 64), np.uint8)).save(gray / "h.png")
    assert "`channels=1` makes gray of it" in refusal(Data([gray], test=[photos]))


def test_floats_need_a_range(tmp_path: Path) -> None:
    assert "whose range must be said: `range=0:1`" in refusal(Data([float_folder(tmp_path)]))


def test_percentiles_are_those_of_the_training_images(tmp_path: Path) -> None:
    folder = float_folder(tmp_path)
    values = np.sort(np.concatenate([as_stored(folder / f"{i}.tif").ravel() for i in range(3)]))
    pixels = prepare_data(Data([folder], range="p1:p99"), NOISE).pixels
    assert pixels.low == pytest.approx(np.quantile(values, 0.01), abs=1e-3)
    assert pixels.high == pytest.approx(np.quantile(values, 0.99), abs=1e-3)


def pairs_of(folder: Path, degraded: Callable[[Path, np.ndarray], None]) -> Data:
    """16-bit pairs of which `degraded` writes the second."""
    gray16_folder(folder / "clean")
    (folder / "degraded").mkdir()
    for seed in range(4):
        degraded(folder / "degraded" / f"{seed}.png", soft_field(seed, 1))
    return Data(clean=folder / "clean", degraded=folder / "degraded")


def test_pairs_that_differ_in_type_or_channels_are_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    eight = pairs_of(tmp_path / "a", lambda path, x: Image.fromarray((255 * x[0]).astype(np.uint8)).save(path))
    assert "holds uint16 and" in refusal(eight, None)
    gray = tmp_path / "gray"
    gray.mkdir()
    for path in photos.iterdir():
        Image.open(path).convert("L").save(gray / path.name)
    assert "is RGB and its degraded image" in refusal(Data(clean=photos, degraded=gray), None)
    converted = prepare_data(Data(clean=photos, degraded=gray, channels=3), None)
    assert any("three equal channels" in remark for remark in converted.remarks)


# --- pixels that do not count ------------------------------------------------------------------------------------


def half_masks(folder: Path) -> Path:
    """Masks of the images of `gray16_folder`, white in the right half."""
    folder.mkdir(parents=True)
    for seed in range(4):
        mask = np.zeros((48, 56), np.uint8)
        mask[:, 28:] = 255
        Image.fromarray(mask).save(folder / f"{seed}.png")
    return folder


def test_masked_pixels_are_nan_in_the_clean_image_and_themselves_in_the_degraded_one(tmp_path: Path) -> None:
    folder = gray16_folder(tmp_path / "images")
    plain = prepare_data(Data([folder]), NOISE)
    data = prepare_data(Data([folder], mask=half_masks(tmp_path / "masks")), NOISE)
    assert data.source.masked
    assert {*data.fingerprint["training_masks"]} == {"0", "1", "2"}
    pair, whole = data.test_pairs[0], plain.test_pairs[0]
    assert pair.clean[..., :28].isnan().all()
    assert torch.equal(pair.clean[..., 28:], whole.clean[..., 28:])
    assert torch.equal(pair.degraded, whole.degraded)


def test_nan_in_files_is_refused_or_filled_with_the_nearest_value(tmp_path: Path) -> None:
    for seed in range(3):
        values = soft_field(seed, 2).astype(np.float32)
        values[0, 10:13, 20] = [np.nan, np.inf, np.nan]
        write_tiff(tmp_path / f"{seed}.tif", values)
    data = Data([tmp_path], range="0:1")
    assert "has 3 pixels of NaN or infinity" in refusal(data)
    pair = prepare_data(Data([tmp_path], range="0:1", nan="mask"), "noise(0, of=range)").test_pairs[0]
    assert pair.clean[:, 10:13, 20].isnan().all(), "in all channels"
    assert int(pair.clean.isnan().sum()) == 2 * 3
    neighbors = pair.clean[:, 10, [19, 21]].T
    assert any(torch.equal(pair.degraded[:, 10, 20], neighbor) for neighbor in neighbors)
    assert torch.equal(pair.degraded[:, :10], pair.clean[:, :10])


def test_pixels_count_that_are_white_in_the_mask_and_finite_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for seed, columns in enumerate((0, 28, 28)):
        values = soft_field(seed, 1).astype(np.float32)
        values[0, :6] = np.nan
        write_tiff(tmp_path / "images" / f"{seed}.tif", values)
        mask = np.full((48, 56), 255, np.uint8)
        mask[:, :columns] = 0
        Image.fromarray(mask).save(tmp_path / "masks" / f"{seed}.png")
    data = prepare_data(Data([tmp_path / "images"], range="0:1", mask=tmp_path / "masks", nan="mask"), NOISE)
    for clean, columns in zip((*data.source.clean, data.test_pairs[0].clean), (0, 28, 28), strict=True):
        assert isinstance(clean, torch.Tensor)
        expected = torch.ones(1, 48, 56, dtype=torch.bool)
        expected[:, :6], expected[:, :, :columns] = False, False
        assert torch.equal(clean.isfinite(), expected)
    assert all(isinstance(image, torch.Tensor) and image.isfinite().all() for image in data.source.predegraded)


def test_patches_without_a_pixel_that_counts_are_drawn_again_and_the_same_again(tmp_path: Path) -> None:
    data = prepare_data(Data([gray16_folder(tmp_path / "images")], mask=half_masks(tmp_path / "masks")), NOISE)
    patches, copy = PatchDataset(data.source, 16, seed=2), PatchDataset(data.source, 16, seed=2)
    degraded, clean = patches.batch(0, 100)
    assert degraded.isfinite().all()
    assert clean.isfinite().flatten(1).any(1).all()
    assert clean.isnan().flatten(1).any(1).any(), "some cross the border of the mask"
    torch.testing.assert_close(copy[57][1], clean[57], rtol=0, atol=0, equal_nan=True)
    unmasked = prepare_data(Data([tmp_path / "images"]), NOISE)
    others = PatchDataset(unmasked.source, 16, seed=2).batch(0, 100)[1]
    same = [
        torch.equal(one.nan_to_num(), two.where(one.isfinite(), 0)) for one, two in zip(clean, others, strict=True)
    ]
    assert 0 < sum(same) < 100, "those that count are where they were without masks"


def test_masks_of_another_size_and_images_without_a_pixel_that_counts_are_refused(tmp_path: Path) -> None:
    folder, masks = gray16_folder(tmp_path / "images"), tmp_path / "masks"
    masks.mkdir()
    for seed in range(4):
        Image.fromarray(np.full((48, 56), 255, np.uint8)).save(masks / f"{seed}.png")
    assert not prepare_data(Data([folder], mask=masks), NOISE).source.masked
    Image.fromarray(np.zeros((48, 56), np.uint8)).save(masks / "1.png")
    assert "1.png' has no pixel that counts" in refusal(Data([folder], mask=masks))
    Image.fromarray(np.full((20, 56), 255, np.uint8)).save(masks / "1.png")
    assert "has 20x56 pixels and its image" in refusal(Data([folder], mask=masks))


def test_validation_crops_are_of_pixels_that_count(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (tmp_path / "masks").mkdir()
    for seed in range(4):
        write_gray16(folder / f"{seed}.png", soft_field(seed, 1, 64, 200))
        mask = np.full((64, 200), 255, np.uint8)
        mask[:, 150 if seed % 2 else 190 :] = 0
        Image.fromarray(mask).save(tmp_path / "masks" / f"{seed}.png")
    data = prepare_data(Data([folder], mask=tmp_path / "masks"), NOISE)
    split = split_validation(data, degradation(NOISE), 32)
    assert split.pixels == data.pixels
    assert {pair.name[0] for pair in split.test_pairs} == {"0", "2"}, "those whose ends are not masked"
    assert all(pair.clean.isfinite().any() for pair in split.test_pairs)
    assert all(pair.degraded.isfinite().all() for pair in split.test_pairs)
    assert "training_masks" in split.fingerprint
    assert "test_masks" not in split.fingerprint


def test_masks_that_leave_nothing_to_draw_or_to_validate_on_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for seed in range(4):
        write_gray16(tmp_path / "images" / f"{seed}.png", soft_field(seed, 1, 64, 200))
        mask = np.zeros((64, 200), np.uint8)
        mask[-1, 0] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{seed}.png")
    data = prepare_data(Data([tmp_path / "images"], mask=tmp_path / "masks"), NOISE)
    with pytest.raises(LossmithError, match=r"^no pixel counts of the parts of images .*; check the masks$"):
        split_validation(data, degradation(NOISE), 32)
    monkeypatch.setattr("lossmith.data.patches.MAX_DRAWS", 2)
    with pytest.raises(LossmithError, match=r"of 2 patches of 8 pixels none has a pixel that counts"):
        PatchDataset(data.source, 8).batch(0, 100)
