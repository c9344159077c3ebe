"""Delineation: its data, its training, what it writes, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.data import read_image
from lossmith.evaluation import Row
from lossmith.losses.perceptual import PerceptualLoss
from lossmith.studies import Configuration, Scale
from lossmith.studies.benchmarks import delineation
from lossmith.studies.benchmarks.delineation import SETTINGS, Delineation
from lossmith.studies.benchmarks.delineation_data import open_pairs, read_annotation
from lossmith.studies.benchmarks.delineation_metrics import line_scores, skeleton

SQUEEZENET = Configuration("squeezenet1_1", "relu1", random=True)


def draw(seed: int, height: int = 84, width: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """A noisy gray picture with two dark lines, and their mask, uint8 (H, W)."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), dtype=bool)
    for _ in range(2):
        rows = np.linspace(*rng.uniform(3, height - 3, 2), width).astype(int)
        for offset in (-1, 0, 1):
            mask[rows + offset, np.arange(width)] = True
    gray = 150 - 90 * mask + rng.normal(0, 10, mask.shape)
    return gray.clip(0, 255).astype(np.uint8), (255 * mask).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_pairs(images: Path, masks: Path, count: int, suffixes: tuple[str, str] = (".png", ".png")) -> None:
    for number in range(count):
        image, mask = draw(number)
        save(images / f"{number}{suffixes[0]}", image)
        save(masks / f"{number}{suffixes[1]}", mask)


@pytest.fixture
def cracks(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "cracks" / "images", tmp_path / "cracks" / "masks", 6)
    return tmp_path / "cracks"


# ------------------------------------------------------------------------------------------------- the data


def test_every_fifth_picture_is_held_out(cracks: Path) -> None:
    data = Delineation().open(cracks, "tiny")
    assert [pair.name for pair in data.test] == ["0", "5"]
    assert [pair.name for pair in data.train] == ["1", "2", "3", "4"]
    assert set(data.fingerprint) == {f"{part}/{number}.png" for part in ("images", "masks") for number in range(6)}


def test_folders_for_training_and_testing(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train" / "images", tmp_path / "train" / "masks", 3)
    write_pairs(tmp_path / "test" / "images", tmp_path / "test" / "masks", 2, (".jpg", ".png"))
    data = Delineation().open(tmp_path, "tiny")
    assert (len(data.train), len(data.test)) == (3, 2)
    assert data.test[1].image.name == "1.jpg"


@pytest.mark.parametrize("below", ["", "tiff"])
def test_the_massachusetts_roads(tmp_path: Path, below: str) -> None:
    for part, count in (("train", 3), ("val", 1), ("test", 2)):
        write_pairs(tmp_path / below / part, tmp_path / below / f"{part}_labels", count, (".tiff", ".tif"))
    data = Delineation().open(tmp_path, "tiny")
    assert (len(data.train), len(data.test)) == (3, 2)
    assert {pair.image.parent.name for pair in data.train} == {"train"}


def test_structures_are_what_covers_fewer_pixels(tmp_path: Path) -> None:
    for number in range(2):
        image, mask = draw(number)
        save(tmp_path / "images" / f"{number}.png", image)
        save(tmp_path / "labels" / f"{number}.png", 255 - mask)
    data = Delineation().open(tmp_path, "tiny")
    assert not data.bright
    _, mask = data.test[0].read(data.bright)
    assert torch.equal(mask[0], torch.from_numpy(draw(0)[1] > 0))


def test_masks_of_zero_and_one_of_a_palette_and_of_jpeg(tmp_path: Path) -> None:
    mask = draw(0)[1]
    save(tmp_path / "ones.png", mask // 255)
    Image.fromarray(mask).convert("1").save(tmp_path / "bits.png")
    Image.fromarray(mask).save(tmp_path / "lossy.jpg", quality=90)
    expected = torch.from_numpy(mask > 0)[None]
    assert torch.equal(read_annotation(tmp_path / "ones.png"), expected)
    assert torch.equal(read_annotation(tmp_path / "bits.png"), expected)
    assert torch.equal(read_annotation(tmp_path / "lossy.jpg"), expected)


# ------------------------------------------------------------------------------------------------- bad data


def without_images(folder: Path) -> None:
    for path in (folder / "images").iterdir():
        path.unlink()


def without_image_folder(folder: Path) -> None:
    (folder / "images").rename(folder / "pictures")


def without_mask(folder: Path) -> None:
    (folder / "masks" / "3.png").unlink()


def without_folder(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def with_two_of_a_name(folder: Path) -> None:
    save(folder / "images" / "3.bmp", draw(3)[0])


def with_mask_of_another_size(folder: Path) -> None:
    save(folder / "masks" / "3.png", draw(3, 90, 84)[1])


def with_gray_mask(folder: Path) -> None:
    save(folder / "masks" / "3.png", draw(3)[0])


def with_classes(folder: Path) -> None:
    save(folder / "masks" / "3.png", draw(3)[1] // 85)


def with_empty_masks(folder: Path) -> None:
    for path in (folder / "masks").iterdir():
        save(path, np.zeros((84, 90), dtype=np.uint8))


def with_small_pictures(folder: Path) -> None:
    for part, pixels in zip(("images", "masks"), draw(3, 60, 90), strict=True):
        save(folder / part / "3.png", pixels)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (without_images, "folder '.*images' holds no images"),
        (without_image_folder, "there is no folder '.*images'; delineation needs the folders images and masks"),
        (without_mask, "picture '.*3.png' has no mask in '.*masks'; add one of the same name"),
        (with_mask_of_another_size, "mask '.*3.png' has 90 x 84 pixels and its picture 84 x 90; they must be"),
        (with_gray_mask, "mask '.*3.png' has more than two values; save it in black and white"),
        (with_classes, "mask '.*3.png' has more than two values; save it in black and white"),
        (with_empty_masks, "masks of all 4 pictures to train on in '.*' are black; draw the structures in white"),
        (with_small_pictures, "picture '.*3.png' has 60 x 90 pixels, and delineation needs at least 80 x 80"),
        (with_two_of_a_name, "'.*3.bmp' and '3.png' differ in their suffix only; remove one of them"),
        (without_folder, "'.*cracks' is not a folder; delineation needs the folders images and masks"),
    ],
)
def test_data_that_cannot_be_used(cracks: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(cracks)
    with pytest.raises(LossmithError, match=sentence):
        Delineation().open(cracks, "tiny")


def test_one_picture_is_not_enough(tmp_path: Path) -> None:
    write_pairs(tmp_path / "images", tmp_path / "masks", 1)
    with pytest.raises(LossmithError, match="holds one picture, and delineation needs another one to test with"):
        open_pairs(tmp_path, 32)


def test_a_tolerance_is_no_negative_number() -> None:
    with pytest.raises(LossmithError, match="`tolerance` must be 0 or more pixels, not -1"):
        Delineation(tolerance=-1)


# --------------------------------------------------------------------------------------------- the training


@pytest.mark.parametrize("configuration", [Configuration(), SQUEEZENET])
def test_a_row_and_a_picture_for_each_test_picture(
    cracks: Path, tmp_path: Path, configuration: Configuration
) -> None:
    benchmark = Delineation(tolerance=2)
    data = benchmark.open(cracks, "tiny")
    rows = benchmark.run(configuration, 0, data, tmp_path / "run", "tiny")
    assert [(row.image, row.method, row.seed) for row in rows] == [(name, configuration.name, 0) for name in "05"]
    for row in rows:
        assert list(row.scores) == [metric.name for metric in benchmark.metrics]
        drawn = read_image(tmp_path / "run" / "images" / f"{row.image}.png")
        assert drawn.shape == (3, 84, 90)
        reference = skeleton(draw(int(row.image))[1] > 0)
        assert row.scores == line_scores(skeleton(drawn[0].numpy() >= 128), reference, 2)
    assert benchmark.run(configuration, 0, data, tmp_path / "again", "tiny") == rows


@pytest.mark.parametrize("scale", ["tiny", "full"])
def test_a_stopped_training_ends_as_one_that_was_not(
    cracks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: Scale
) -> None:
    """With crops that are kept, and with new ones."""
    small = replace(SETTINGS["full"], features=2, side=64, batch=2, epochs=3)
    monkeypatch.setitem(SETTINGS, "full", small)
    monkeypatch.setattr("lossmith.studies.fitting.SAVE_EVERY_S", 0.0)
    data = open_pairs(cracks, 64)

    def run(name: str) -> list[Row]:
        return Delineation().run(SQUEEZENET, 1, data, tmp_path / name, scale)

    whole = run("whole")

    calls = 0

    def interrupted(*arguments: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return torch.nn.functional.binary_cross_entropy_with_logits(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(delineation.F, "binary_cross_entropy_with_logits", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run("stopped")
    assert run("stopped") == whole
    for name in ("0", "5"):
        pictures = [read_image(tmp_path / run / "images" / f"{name}.png") for run in ("whole", "stopped")]
        assert torch.equal(*pictures)


def test_the_objective_is_cross_entropy_and_a_hundredth_of_the_features_difference(
    cracks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: list[Tensor] = []
    networks: list[nn.Module] = []

    def first_loss(network: nn.Module, objective: Callable[[int], Tensor], *_: object) -> None:
        networks.append(network)
        values.append(objective(0).detach())

    seen: list[tuple[Tensor, Tensor]] = []
    monkeypatch.setattr(delineation, "fit", first_loss)
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
    monkeypatch.setattr(
        delineation.F,
        "binary_cross_entropy_with_logits",
        lambda logits, masks: seen.append((logits.detach(), masks)) or cross_entropy(logits, masks),
    )
    data = Delineation().open(cracks, "tiny")
    for configuration in (Configuration(), SQUEEZENET):
        Delineation(normalize=None).run(configuration, 0, data, tmp_path, "tiny")
    logits, masks = seen[1]
    assert torch.equal(logits, seen[0][0])
    assert masks.shape == (2, 1, 80, 80)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    features = PerceptualLoss("squeezenet1_1", "relu1", "l2", weights="random", normalize=None, gray="repeat")
    expected = cross_entropy(logits, masks) + 0.01 * features(logits.sigmoid(), masks)
    assert values[0] == cross_entropy(logits, masks)
    assert values[1].item() == pytest.approx(expected.item(), rel=1e-6)
    assert values[1] > values[0]


def test_crops_are_of_a_picture_and_its_mask_alike(cracks: Path) -> None:
    data = open_pairs(cracks, 80)
    crop = delineation._crop_maker(data, SETTINGS["tiny"], seed=0)
    for number in range(8):
        image, mask = crop(number)
        assert image.shape == (3, 80, 80)
        lines = mask[0] > 0
        # the lines are 90 levels darker than the ground, with noise of 10
        assert image[0][lines].mean() < image[0][~lines].mean() - 0.25
    assert not torch.equal(crop(0)[0], delineation._crop_maker(data, SETTINGS["tiny"], seed=1)(0)[0])


def test_crops_are_cut_where_the_most_structure_is(cracks: Path) -> None:
    data = open_pairs(cracks, 80)
    drawn = [
        sum(float(crop(number)[1].sum()) for number in range(40))
        for places in (1, 4)
        for crop in [delineation._crop_maker(data, replace(SETTINGS["tiny"], side=32, places=places), seed=0)]
    ]
    assert drawn[1] > 1.3 * drawn[0]


def test_lines_are_learned(cracks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS["tiny"], features=4, steps=60, side=64, pool=32)
    monkeypatch.setitem(SETTINGS, "tiny", settings)
    benchmark = Delineation()
    rows = benchmark.run(Configuration(), 0, benchmark.open(cracks, "tiny"), tmp_path, "tiny")
    # lines of high contrast; untrained networks score below 0.2
    assert all(row.scores["quality"] > 0.7 for row in rows)
