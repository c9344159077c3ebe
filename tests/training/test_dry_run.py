"""What cannot be trained is refused in one sentence before anything is written."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.data import Data, PreparedData, prepare_data, write_image, write_picture
from lossmith.evaluation import Protocol, Row, protocol_for, score_row
from lossmith.losses import CallableLoss, loss
from lossmith.training import Recipe, RunSummary
from lossmith.training.dry_run import dry_run
from lossmith.training.memory import out_of_memory

Train = Callable[..., RunSummary]

MODULE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(x)

class Pair(Net):
    def forward(self, x):
        return self.conv(x), x

class Half(Net):
    def forward(self, x):
        return self.conv(x)[..., ::2]

class Whole(Net):
    def forward(self, x):
        return (self.conv(x) * 255).to(torch.uint8)

class Bare(nn.Module):
    def forward(self, x):
        return x

class Averaged(Net):
    \"\"\"Batch normalization of one value per image, which a batch of one has not enough of.\"\"\"
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        return self.conv(x) + self.norm(x.mean((2, 3)))[..., None, None]

class Unshuffled(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(48, 48, 3, padding=1)

    def forward(self, x):
        return nn.functional.pixel_shuffle(self.conv(nn.functional.pixel_unshuffle(x, 4)), 4)

class Backwards(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise ArithmeticError("no way back")

class OneWay(Net):
    def forward(self, x):
        return Backwards.apply(self.conv(x))

def late(clean, rng):
    raise OSError("the dust has settled")

def wrong(clean, rng):
    return clean[:1]
"""


@pytest.fixture(autouse=True)
def my_things(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("code")
    (folder / "my_things.py").write_text(MODULE)
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("my_things", None)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Pair", "network 'my_things:Pair' returned tuple instead of a tensor"),
        (
            "Half",
            r"network 'my_things:Half' returned torch.float32 \(2, 3, 32, 16\) for patches \(2, 3, 32, 32\)",
        ),
        ("Whole", r"network 'my_things:Whole' returned torch.uint8 \(2, 3, 32, 32\) for patches"),
        ("Bare", "network 'my_things:Bare' has no parameters to train"),
        (
            "OneWay",
            r"network 'my_things:OneWay' fails on patches \(2, 3, 32, 32\) with ArithmeticError: no way back",
        ),
    ],
)
def test_an_untrainable_network_is_refused(
    name: str, sentence: str, train: Train, small: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(LossmithError, match=f"^{sentence}"):
        train(tmp_path / "run", recipe=replace(small, network=f"my_things:{name}"))
    assert not (tmp_path / "run").exists()


def test_a_network_that_cannot_be_told_the_number_of_channels_is_refused(small: Recipe, tmp_path: Path) -> None:
    pixels = PixelFormat(8, "uint16", 0, 4095)
    for seed in range(2):
        image = torch.rand(8, 40, 40, generator=torch.Generator().manual_seed(seed))
        write_picture(tmp_path / "images" / f"{seed}.tif", image, pixels)
    recipe = replace(small, network="my_things:Net", degradation="poisson(100)")
    prepared = prepare_data(Data([tmp_path / "images"]), recipe.degradation)
    sentence = r"^network 'my_things:Net' takes no argument 'channels', which would make it for 8 channels, and"
    with pytest.raises(LossmithError, match=sentence):
        dry_run([loss("l1")], recipe, prepared, Protocol(pixels=prepared.pixels))


def test_a_network_that_fails_only_in_train_mode_at_this_batch_is_refused(
    train: Train, small: Recipe, tmp_path: Path
) -> None:
    recipe = replace(small, network="my_things:Averaged", batch=1)
    with pytest.raises(
        LossmithError, match=r"'my_things:Averaged' fails on patches .* with ValueError: Expected more"
    ):
        train(tmp_path / "run", recipe=recipe)
    assert not (tmp_path / "run").exists()
    assert train(tmp_path / "run", recipe=replace(recipe, batch=2)).steps == 12


@pytest.mark.parametrize("name", ["late", "wrong"])
def test_a_failing_degradation_is_refused(name: str, photos: Path, small: Recipe) -> None:
    kind = "noise(5) | my_things:" + name  # not first, so that it is done patch by patch
    with pytest.raises(LossmithError, match=rf"^degradation 'my_things:{name}' (fails on|gave)"):
        dry_run([loss("l1")], small, prepare_data(Data([photos]), kind), protocol_for(1))


# --- losses ----------------------------------------------------------------------------------------------------


def misshapen(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target[..., :-1]).abs().mean()


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (misshapen, r"loss 'my:own' fails on patches \(2, 3, 32, 32\) with RuntimeError"),
        (lambda prediction, target: target.mean(), "loss 'my:own' gives no gradient"),
        (lambda prediction, target: prediction.detach().mean(), "loss 'my:own' gives no gradient"),
    ],
)
def test_an_untrainable_loss_is_refused(function: Any, sentence: str, train: Train, tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=f"^{sentence}"):
        train(tmp_path / "run", CallableLoss(function, "my:own"))
    assert not (tmp_path / "run").exists()


def test_every_stage_of_a_schedule_is_tried(train: Train, tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match="ms_ssim' needs patches of at least 161 pixels"):
        train(tmp_path / "run", "l1 until 50% then ms_ssim")
    from lossmith.losses import Schedule

    schedule = Schedule([loss("l1"), CallableLoss(misshapen, "my:own")], [0.5])
    with pytest.raises(LossmithError, match="loss 'l1 until 50% then my:own' fails on patches"):
        train(tmp_path / "run", schedule)
    assert not (tmp_path / "run").exists()


def test_a_dry_run_leaves_losses_and_generators_unchanged(prepared_photos: PreparedData, small: Recipe) -> None:
    class Counts(torch.nn.Module):
        calls = 0

        def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
            self.calls += 1
            return (prediction - target).abs().mean()

    counts, before = Counts(), torch.get_rng_state()
    schedule = loss("l1 until 50% then l2")
    dry_run([CallableLoss(counts, "my:Counts"), schedule], small, prepared_photos, protocol_for(1))
    assert counts.calls == 0
    assert schedule.progress == 0
    assert torch.equal(torch.get_rng_state(), before)


def test_a_dry_run_scores_a_small_part_even_where_the_border_is_wide(
    small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        write_image(tmp_path / f"{name}.png", torch.rand(3, 300, 330))
    data = prepare_data(Data([tmp_path / "one.png"], test=[tmp_path / "two.png"]), small.degradation)
    sizes: list[tuple[int, ...]] = []

    def recorded(name: str, method: str, restored: Tensor, *others: Any) -> Row:
        sizes.append(tuple(restored.shape))
        return score_row(name, method, restored, *others)

    monkeypatch.setattr("lossmith.training.dry_run.score_row", recorded)
    dry_run([loss("l1")], small, data, Protocol(border=70))
    assert len(sizes) == 1
    assert max(sizes[0]) < 128


# --- size ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "criterion", "sentence"),
    [
        ({"patch": 50}, "l1", "too few for a patch of 50"),
        ({"patch": 10**6}, "l1", "too few for a patch of 1000000"),
        ({}, "ms_ssim", "'ms_ssim' needs patches of at least 161 pixels, not 32"),
        ({"network": "unett"}, "l1", "network 'unett' is not known"),
        ({"network": "torch.nn:Identity"}, "l1", "has no parameters to train"),
        (
            {"batch": 10**10},
            "l1",
            "not enough memory for steps of 10000000000 patches .*; lower `batch` or `patch`",
        ),
        ({"batch": 10**18}, "l1", "not enough memory for steps of"),
        ({"network": "srresnet_small(features=1000000)"}, "l1", "features must be at most 1024, not 1000000"),
    ],
)
def test_recipes_that_do_not_fit_images_network_or_loss_are_refused(
    recipe: dict[str, Any], criterion: str, sentence: str, train: Train, small: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(LossmithError, match=sentence):
        train(tmp_path / "run", criterion, replace(small, **recipe))
    assert not (tmp_path / "run").exists()


def test_other_errors_are_not_reported_as_out_of_memory() -> None:
    lacking = [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000 bytes"),
        RuntimeError("MPS backend out of memory"),
    ]
    others = [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("unsupported memory format option"),
        LossmithError("the network fails on 'a' of 9x9 pixels: CUDA out of memory"),
    ]
    assert all(map(out_of_memory, lacking))
    assert not any(map(out_of_memory, others))


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "3", None])
def test_invalid_seeds_are_refused(seed: Any, train: Train, tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=r"^train: seed must be 0 to 9223372036854775807, not"):
        train(tmp_path / "run", seed=seed)
    assert not (tmp_path / "run").exists()


def test_the_largest_seed_trains(train: Train, tmp_path: Path) -> None:
    assert train(tmp_path, seed=2**63 - 1).steps == 12


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), "soon"])
def test_an_invalid_save_every_is_refused(seconds: Any, train: Train, tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=r"^train: save_every must be a number, 0 or more, not"):
        train(tmp_path / "run", save_every=seconds)
    assert not (tmp_path / "run").exists()


def test_a_patch_size_that_the_network_refuses_is_answered_with_one_it_takes(
    train: Train, small: Recipe, tmp_path: Path
) -> None:
    recipe = replace(small, network="my_things:Unshuffled", patch=30)
    sentence = "takes patches whose side is a multiple of 4, at least 4, and 30 is not; set patch to 32"
    with pytest.raises(LossmithError, match=sentence):
        train(tmp_path / "run", recipe=recipe)
    assert not (tmp_path / "run").exists()


def test_a_disk_without_room_is_reported_before_the_start(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lossmith.core.resources.free_disk", lambda folder: 1000)
    with pytest.raises(LossmithError, match=r"the results take about .* and 1 kB are free"):
        train(tmp_path / "run")
    assert not (tmp_path / "run" / "run.yaml").exists()
