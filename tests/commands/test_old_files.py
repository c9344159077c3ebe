"""What lossmith 0.1 wrote before entries of files were renamed is used as it was.

`old_files/` was made with commit 074bd57, one thread and torch 2.14, in that folder, with N standing for
"srresnet_small(features=2, blocks=1)":

    train a.png b.png --test c.png --loss l1 --degradation "bicubic(4)" --network N --steps 3 --psnr-steps 2
        --patch 32 --batch 2 --critic "vgg_any(features=2)" --critic-learning-rate 0.02 --out adversarial
    compare a.png b.png --test c.png --losses l1 l2 --degradation "noise(20)" --network N --seeds 1 --steps 2
        --patch 32 --batch 2 --out comparison
    learn-loss a.png --degradation "jpeg(10)" --iterations 2 --least-side 24 --most-side 48 --width 2 --widest 3
        --sees full --against restored --penalty 1 --reconstruction 5 --crop 16 --license CC0-1.0
        --out loss.safetensors
    restore d.png --model adversarial/gan/model.safetensors --out restored
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

import lossmith
from lossmith import AdversarialRecipe, Data, LossmithError, LossRecipe, Recipe
from lossmith.core.safetensors_io import load_tensors, save_tensors
from lossmith.losses.mdf.loss_file import FORMAT as LOSS
from lossmith.losses.mdf.loss_file import load_loss
from lossmith.metrics import default_metrics
from lossmith.models import FORMAT as MODEL

NETWORK = "srresnet_small(features=2, blocks=1)"
RECIPE = Recipe(degradation="bicubic(4)", network=NETWORK, steps=3, patch=32, batch=2)
ADVERSARIAL = AdversarialRecipe(
    discriminator="vgg_any(features=2)", discriminator_learning_rate=0.02, psnr_steps=2
)
NOISE = replace(RECIPE, degradation="noise(20)", steps=2)
LEARNING = LossRecipe(
    iterations=2,
    min_side=24,
    max_side=48,
    width=2,
    max_width=3,
    input_scale="full",
    fake_samples="restored",
    gradient_penalty=1.0,
    reconstruction_weight=5.0,
    crop=16,
)
ANOTHER_MACHINE = 1e-3
"""Of the norm of all weights: above the 3e-7 that processors differ by."""
ANOTHER_ENTRY = 1e-4
"""Of the typical size of a weight, for the median weight: an ignored entry of the recipe makes 6e-4 at least.
Processors leave more than half of the weights the same, while the norm of the difference is 0.01: some gradients
are rounding alone, as those of biases before a normalization, and Adam makes whole steps of them."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the old files to work in."""
    return shutil.copytree(Path(__file__).with_name("old_files"), tmp_path / "old")


def data(old: Path) -> Data:
    return Data([old / "a.png", old / "b.png"], test=[old / "c.png"])


def test_a_finished_adversarial_run_is_not_trained_again(old: Path) -> None:
    before = (old / "adversarial/gan/model.safetensors").stat().st_mtime_ns
    result = lossmith.train(data(old), loss="l1", recipe=RECIPE, adversarial=ADVERSARIAL, out=old / "adversarial")
    assert result.summary.steps == 3
    assert result.summary.activation_mb > 0
    assert (old / "adversarial/gan/model.safetensors").stat().st_mtime_ns == before


def test_a_finished_run_does_not_pass_for_one_of_another_discriminator(old: Path) -> None:
    other = replace(ADVERSARIAL, discriminator="unet(features=2)")
    with pytest.raises(LossmithError, match=r"`discriminator` is 'vgg_any.*' there and 'unet.*' here"):
        lossmith.train(data(old), loss="l1", recipe=RECIPE, adversarial=other, out=old / "adversarial")


def use_metrics_of_this_machine(comparison: Path) -> None:
    """Let the configuration name the metrics whose weights are installed here."""
    path = comparison / "compare.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**config, "metrics": default_metrics()}, sort_keys=False), encoding="utf-8")


def test_finished_runs_of_a_comparison_are_used(old: Path) -> None:
    use_metrics_of_this_machine(old / "comparison")
    models = sorted(old.glob("comparison/runs/*/*/model.safetensors"))
    before = [model.stat().st_mtime_ns for model in models]
    result = lossmith.compare(data(old), losses=["l1", "l2"], seeds=1, recipe=NOISE, out=old / "comparison")
    assert result.report.is_file()
    assert [model.stat().st_mtime_ns for model in models] == before


def test_an_unfinished_run_is_refused_and_left_as_it_was(old: Path) -> None:
    use_metrics_of_this_machine(old / "comparison")
    run = old / "comparison/runs/l1/seed-0"
    (run / "summary.json").unlink()
    checkpoint = (run / "checkpoints/last.ckpt").read_bytes()
    with pytest.raises(LossmithError, match=r"last\.ckpt was written by another version .* delete it to start"):
        lossmith.compare(data(old), losses=["l1", "l2"], seeds=1, recipe=NOISE, out=old / "comparison")
    assert (run / "checkpoints/last.ckpt").read_bytes() == checkpoint


def test_a_learned_loss_is_not_learned_again(old: Path) -> None:
    (old / "loss.html").touch()
    before = (old / "loss.safetensors").read_bytes()
    lossmith.learn_loss(
        old / "a.png", degradation="jpeg(10)", recipe=LEARNING, license="CC0-1.0", out=old / "loss.safetensors"
    )
    assert (old / "loss.safetensors").read_bytes() == before


def test_a_restored_image_is_not_restored_again(old: Path) -> None:
    result = lossmith.restore(
        [old / "d.png"], model=[old / "adversarial/gan/model.safetensors"], out=old / "restored"
    )
    assert "0 restored, 1 done before" in str(result)


def test_the_receipt_of_a_model_is_reproduced(old: Path) -> None:
    result = lossmith.reproduce(old / "adversarial/gan/model.safetensors", images=[old], out=old / "anew")
    assert result.difference < ANOTHER_MACHINE
    assert result.changed["code"]


def test_the_receipt_of_a_learned_loss_is_reproduced(old: Path) -> None:
    result = lossmith.reproduce(old / "loss.safetensors", images=[old], out=old / "anew")
    before, _ = load_loss(old / "loss.safetensors")
    after, card = load_loss(old / "anew/loss.safetensors")
    assert LossRecipe(**card["recipe"]) == LEARNING
    kernels = [name for name, weight in before.items() if weight.ndim == 4]
    first, second = (torch.cat([of[name].flatten() for name in kernels]) for of in (before, after))
    assert (second - first).abs().median() < ANOTHER_ENTRY * first.square().mean().sqrt()
    assert result.changed["code"]


@pytest.mark.parametrize(
    ("file", "form", "part"),
    [
        ("adversarial/gan/model.safetensors", MODEL, None),
        ("adversarial/gan/model.safetensors", MODEL, "protocol"),
        ("loss.safetensors", LOSS, None),
        ("loss.safetensors", LOSS, "recipe"),
        ("loss.safetensors", LOSS, "picture"),
    ],
)
def test_an_entry_that_is_not_known_is_never_dropped(file: str, form: str, part: str | None, old: Path) -> None:
    tensors, card = load_tensors(old / file, form)
    (card[part] if part else card)["warmth"] = 3
    save_tensors(old / file, tensors, form, card)
    with pytest.raises(LossmithError, match="has the entry 'warmth', which this lossmith does not know"):
        lossmith.reproduce(old / file, images=[old], out=old / "anew")
    assert not (old / "anew").exists()


def test_an_old_entry_beside_the_new_one_is_refused(old: Path) -> None:
    path = old / "adversarial/gan/model.safetensors"
    tensors, receipt = load_tensors(path, MODEL)
    save_tensors(path, tensors, MODEL, {**receipt, "discriminator": "unet"})
    with pytest.raises(LossmithError, match="has the entry 'critic', which this lossmith does not know"):
        lossmith.reproduce(path, images=[old], out=old / "anew")
