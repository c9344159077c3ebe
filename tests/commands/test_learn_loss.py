"""From an image to a loss file: `lossmith.learn_loss`."""

import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lossmith.commands.learn_loss import learn_loss
from lossmith.core.errors import Diverged, LossmithError
from lossmith.data import write_image
from lossmith.loss_learning import LossRecipe
from lossmith.loss_learning.wgan import ScaleWGAN
from lossmith.losses.mdf.loss import MDFLoss
from lossmith.losses.mdf.loss_file import load_loss


@pytest.fixture
def image(scene: Tensor, tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    write_image(path, scene)
    return path


def weights(path: Path) -> dict[str, Tensor]:
    return load_loss(path)[0]


def are_equal(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_learned_loss_file_holds_its_provenance(image: Path, loss_recipe: LossRecipe, tmp_path: Path) -> None:
    out = tmp_path / "loss.safetensors"
    result = learn_loss(image, degradation="jpeg", recipe=loss_recipe, out=out, seed=4, license="CC0-1.0")
    card = load_loss(out)[1]
    assert result.path == out
    assert "2 scales learned" in str(result)
    assert card["task"] == "jpeg"
    assert card["degradation"] == "jpeg(10)"
    assert card["scales"] == [{"width": 4, "factor": 0.5}, {"width": 4, "factor": 1.0}]
    assert card["range"] == [-1, 1]
    assert card["recipe"] == asdict(loss_recipe)
    assert (card["seed"], card["license"]) == (4, "CC0-1.0")
    assert (card["image"]["width"], card["image"]["height"]) == (56, 48)
    assert len(card["image"]["image_sha256"]) == 64
    assert card["seconds"] > 0


def test_under_the_published_recipe_every_discriminator_gets_the_full_image(
    image: Path, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    recipe = replace(loss_recipe, input_scale="full", fake_samples="restored", balance="none", crop=0, batch=1)
    learn_loss(image, degradation="noise(25)", recipe=recipe, out=tmp_path / "loss.safetensors")
    card = load_loss(tmp_path / "loss.safetensors")[1]
    assert [scale["factor"] for scale in card["scales"]] == [1.0, 1.0]


def test_the_loss_has_no_gradient_where_there_is_nothing_to_restore(
    image: Path, scene: Tensor, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    learn_loss(image, degradation="noise(50)", recipe=loss_recipe, out=tmp_path / "loss.safetensors")
    loss = MDFLoss.load(tmp_path / "loss.safetensors")
    noisy = (scene + 0.2 * torch.randn(scene.shape, generator=torch.Generator().manual_seed(0)))[None]
    assert float(loss(scene[None], scene[None])) == 0
    assert float(loss(noisy, scene[None])) > 0


def test_a_balanced_loss_is_worth_an_l1_on_the_degradation_it_was_learned_from(
    image: Path, scene: Tensor, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    stripes = scene.clone()
    stripes[:, :, ::4] *= 0.6
    write_image(tmp_path / "striped.png", stripes)
    recipe = replace(loss_recipe, min_side=48)  # one scale, where the degraded image is the discriminator's input
    out = tmp_path / "loss.safetensors"
    learn_loss(image, degraded=tmp_path / "striped.png", recipe=recipe, out=out)
    # training degrades an image without its finest detail, so the two agree roughly
    ratio = float(MDFLoss.load(out)(stripes[None], scene[None]) / (stripes - scene).abs().mean())
    assert 0.2 < ratio < 2
    assert load_loss(out)[1]["task"] == "own"


def test_the_learned_loss_depends_on_the_seed_alone(image: Path, loss_recipe: LossRecipe, tmp_path: Path) -> None:
    outs = [tmp_path / f"{n}.safetensors" for n in range(3)]
    for out, seed in zip(outs, (1, 1, 2), strict=True):
        torch.manual_seed(len(out.name) + seed)
        learn_loss(image, degradation="noise(25)", recipe=loss_recipe, out=out, seed=seed)
    assert are_equal(outs[0], outs[1])
    assert not are_equal(outs[0], outs[2])


def at_iteration(number: int, action: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something happen at the beginning of an iteration, counted over all scales."""
    train_iteration, calls = ScaleWGAN.train_iteration, []

    def interrupt(self: ScaleWGAN, *arguments: Any) -> dict[str, float]:
        calls.append(self)
        if len(calls) == number:
            action()
        return train_iteration(self, *arguments)

    monkeypatch.setattr(ScaleWGAN, "train_iteration", interrupt)


def crash() -> None:
    raise RuntimeError("power cut")


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("save_every", [0.0, 1e9])
def test_a_run_killed_at_any_iteration_ends_with_the_same_weights(
    number: int,
    save_every: float,
    image: Path,
    loss_recipe: LossRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def go(out: Path) -> None:
        learn_loss(image, degradation="noise(25)", recipe=loss_recipe, out=out, save_every=save_every)

    reference_run, killed_run = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    go(reference_run)
    with monkeypatch.context() as patch:
        at_iteration(number, crash, patch)
        with pytest.raises(RuntimeError, match="power cut"):
            go(killed_run)
    assert not killed_run.exists()
    go(killed_run)
    assert are_equal(reference_run, killed_run)


def test_ctrl_c_ends_the_run_after_the_iteration_with_a_checkpoint(
    image: Path, loss_recipe: LossRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, listener = tmp_path / "loss.safetensors", signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        at_iteration(2, lambda: signal.raise_signal(signal.SIGINT), patch)
        with pytest.raises(KeyboardInterrupt):
            learn_loss(image, degradation="jpeg", recipe=loss_recipe, out=out)
    assert signal.getsignal(signal.SIGINT) is listener
    checkpoint = torch.load(tmp_path / "loss.learning" / "state.ckpt", weights_only=True)
    assert [row["iteration"] for row in checkpoint["rows"]] == [1, 2]
    learn_loss(image, degradation="jpeg", recipe=loss_recipe, out=out)
    assert out.exists()


def test_a_finished_loss_is_not_learned_again(
    image: Path, loss_recipe: LossRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "loss.safetensors"
    first = learn_loss(image, degradation="jpeg", recipe=loss_recipe, out=out)
    at_iteration(1, crash, monkeypatch)
    assert learn_loss(image, degradation="jpeg", recipe=loss_recipe, out=out) == first
    with pytest.raises(
        LossmithError, match=r"another configuration: `seed` is 0 there and 1 here; choose another"
    ):
        learn_loss(image, degradation="jpeg", recipe=loss_recipe, out=out, seed=1)


def test_a_file_made_by_another_program_is_never_overwritten(
    image: Path, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    out = tmp_path / "loss.safetensors"
    out.write_text("precious")
    with pytest.raises(LossmithError, match="exists already; choose another `out`"):
        learn_loss(image, degradation="jpeg", recipe=loss_recipe, out=out)
    assert out.read_text() == "precious"
    page = tmp_path / "report.html"
    page.write_text("precious")
    with pytest.raises(LossmithError, match=r"report\.html exists already; choose another `out`"):
        learn_loss(image, degradation="jpeg", recipe=loss_recipe, out=page.with_suffix(".safetensors"))
    assert page.read_text() == "precious"


def test_the_page_shows_enough_of_the_image_for_a_discriminator_of_a_tiny_scale(
    loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    # downscaled by 32, 352 pixels are the 11 that it needs, and the 256 that are shown would be too few
    write_image(tmp_path / "large.png", torch.rand(3, 352, 352, generator=torch.Generator().manual_seed(0)))
    recipe = replace(loss_recipe, min_side=11, iterations=1)
    result = learn_loss(
        tmp_path / "large.png", degradation="noise(25)", recipe=recipe, out=tmp_path / "loss.safetensors"
    )
    assert MDFLoss.load(result.path).min_side > 256
    assert "Frequency response" in result.page.read_text(encoding="utf-8")


def test_the_page_shows_every_scale_and_is_complete(image: Path, loss_recipe: LossRecipe, tmp_path: Path) -> None:
    result = learn_loss(image, degradation="jpeg", recipe=loss_recipe, out=tmp_path / "a <b>.safetensors")
    page = result.page.read_text(encoding="utf-8")
    assert page.count("<img ") == 5 * 2
    assert page.count("<polyline ") == 4 * 2
    assert page.count("<td style=") == 3 * 7  # the frequency response, by color and frequency
    assert "--degradation &#39;jpeg(10)&#39;" in page
    assert "a &lt;b&gt;" in page
    assert "http://" not in page
    assert "https://" not in page


def test_a_damaged_checkpoint_is_named(image: Path, loss_recipe: LossRecipe, tmp_path: Path) -> None:
    out, state = tmp_path / "loss.safetensors", tmp_path / "loss.learning" / "state.ckpt"
    state.parent.mkdir()
    for content in (b"", b"PK\x03\x04 not a checkpoint"):
        state.write_bytes(content)
        with pytest.raises(LossmithError, match=r"state\.ckpt is damaged; delete it"):
            learn_loss(image, degradation="jpeg", recipe=loss_recipe, out=out)


def test_a_diverged_loss_is_reported_and_not_saved(image: Path, loss_recipe: LossRecipe, tmp_path: Path) -> None:
    recipe = replace(loss_recipe, learning_rate=1e38)
    with pytest.raises(Diverged, match=r"are not finite after iteration \d; no state .*rate"):
        learn_loss(image, degradation="jpeg", recipe=recipe, out=tmp_path / "loss.safetensors")
    assert not (tmp_path / "loss.safetensors").exists()


def test_images_that_cannot_be_learned_from_are_refused_in_one_sentence(
    image: Path, scene: Tensor, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    write_image(tmp_path / "tiny.png", scene[:, :12])
    for arguments, sentence in [
        ({}, "either `degradation` or `degraded`"),
        ({"degradation": "jpeg", "degraded": image}, "either `degradation` or `degraded`"),
        ({"degradation": "jpek"}, "degradation 'jpek' is not known; did you mean 'jpeg'?"),
        ({"degraded": image}, "are the same image, so there is no degradation to learn"),
        ({"degraded": tmp_path / "tiny.png"}, "must be of one size, not 48x56 and 12x56 pixels"),
        ({"degraded": tmp_path / "none.png"}, "does not exist"),
        ({"degradation": "jpeg", "out": tmp_path / "loss.pth"}, "call it loss.safetensors"),
        ({"degradation": "jpeg", "out": Path()}, "call it my-loss.safetensors"),
        ({"degradation": "jpeg", "seed": -1}, "seed must be 0 to"),
        ({"degradation": "jpeg", "seed": 2**64}, "seed must be 0 to"),
        (
            {"degradation": "jpeg", "recipe": replace(loss_recipe, max_side=11)},
            "has 9x11 pixels at its finest scale",
        ),
    ]:
        with pytest.raises(LossmithError, match=sentence.replace("?", r"\?")):
            learn_loss(image, **{"recipe": loss_recipe, "out": tmp_path / "loss.safetensors", **arguments})
    with pytest.raises(LossmithError, match="has 12x56 pixels, too few to learn a loss from"):
        learn_loss(
            tmp_path / "tiny.png", degradation="jpeg", recipe=loss_recipe, out=tmp_path / "loss.safetensors"
        )
    assert not (tmp_path / "loss.learning").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"iterations": 0}, "iterations must be a whole number, 1 or more, not 0"),
        ({"factor": 1.0}, "`factor` must be between 0 and 1, not 1.0"),
        ({"crop": 10}, "`crop` must be 0 or at least 11, not 10"),
        ({"min_side": 10}, "must be at least 11"),
        ({"width": 64}, "`max_width` must be at least `width`, 64, not 32"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number, 0 or more, not nan"),
        ({"input_scale": "half"}, "`input_scale` must be scale or full, not 'half'"),
    ],
)
def test_invalid_loss_recipes_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LossmithError, match=sentence):
        LossRecipe(**options)
