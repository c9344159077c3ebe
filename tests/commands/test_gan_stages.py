"""`lossmith train` against a discriminator: two stages, named recipes, what is announced, and stopping."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

import lossmith
from lossmith.cli import run
from lossmith.commands.train import FALLBACK_LOSS, PUBLISHED_LOSS, content_loss
from lossmith.losses import loss
from lossmith.models.model_file import load_model
from lossmith.training.presets import PRESETS

QUICK = {
    "--network": "srresnet_small(features=8, blocks=1)",
    "--discriminator": "vgg_any(features=2)",
    "--batch": "2",
    "--patch": "32",
    "--steps": "2",
    "--psnr-steps": "3",
    "--loss": "l1",
}


def words(photos: Path, out: Path, **changes: str) -> list[str]:
    options = {**QUICK, **{f"--{name.replace('_', '-')}": value for name, value in changes.items()}}
    option_words = [word for option in options.items() for word in option]
    return ["train", str(photos), "--preset", "esrgan_small", *option_words, "--out", str(out)]


def read_yaml(path: Path) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load(path.read_text())
    return content


def test_two_stages_share_a_folder_and_options_override_the_preset(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(photos, tmp_path, ema="0.5")) == 0
    output, notes = capsys.readouterr()
    assert "against vgg_any(features=2) (after 3 steps under l1), 2 steps" in notes
    psnr, gan = tmp_path / "psnr" / "model.safetensors", tmp_path / "gan" / "model.safetensors"
    assert output.index(str(psnr)) < output.index(str(gan))
    first, second = (read_yaml(path.with_name("run.yaml")) for path in (psnr, gan))
    assert (first["loss"], first["steps"], first["learning_rate"]) == ("l1", 3, 1e-3)
    assert (second["loss"], second["steps"], second["learning_rate"]) == ("l1", 2, 2e-4)
    assert first["ema"] == second["ema"] == 0.5
    assert first["degradation"] == second["degradation"] == "bicubic(4)"
    assert second["discriminator"] == "vgg_any(features=2)"
    assert read_yaml(tmp_path / "run.yaml")["psnr_steps"] == 3
    receipt = load_model(gan).receipt
    assert (receipt["adversarial"], receipt["adversarial_weight"]) == ("ragan", 5e-3)
    assert {path.name for path in (tmp_path / "gan" / "samples").iterdir()} >= {
        "step-0000000.png",
        "step-0000002.png",
    }
    # two steps of 2e-4 move no weight by more than a little: it began where the first stage had ended
    weights = load_file(psnr), load_file(gan)
    max_change = max(float((weights[0][name] - weights[1][name]).abs().max()) for name in weights[0])
    assert 0 < max_change < 1e-3


def test_the_disk_must_hold_both_stages_before_the_first_begins(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lossmith.core.resources.free_disk", lambda folder: 1000)
    assert run(words(photos, tmp_path / "run")) == 2
    assert "the results of 2 runs take about" in capsys.readouterr().err
    assert not (tmp_path / "run" / "run.yaml").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"discriminator": "vgg"}, "vgg: size must be 128 or 256, not 32; vgg_any takes any"),
        ({"discriminator": "vgh"}, "discriminator 'vgh' is not known; did you mean 'vgg'?"),
        ({"adversarial": "ragn"}, "adversarial loss 'ragn' is not known; did you mean 'ragan'?"),
        ({"patch": "16"}, "loss 'l1 + 0.005*ragan' needs patches of at least 32 pixels, not 16"),
        ({"psnr_loss": "l3"}, "loss 'l3' is not known"),
        ({"recipe": "esrgan"}, "--preset may be given once"),
    ],
)
def test_conflicting_gan_options_are_one_sentence_before_anything_is_written(
    changes: dict[str, str], sentence: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(photos, tmp_path / "out", **changes)) == 2
    message = capsys.readouterr().err
    assert message.startswith("lossmith: ")
    assert sentence in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option_words", "sentence"),
    [
        (["train", "--preset", "esrgn"], "recipe 'esrgn' is not known; did you mean 'esrgan'?"),
        (["train", "--preset"], "--preset needs a name"),
        (["compare", "--preset", "esrgan"], "--preset esrgan is an option of train"),
        (
            ["train", "--psnr-steps", "3"],
            "--psnr-steps is for training against a discriminator, and none is named",
        ),
    ],
)
def test_invalid_presets_are_one_sentence(
    option_words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(option_words) == 2
    assert capsys.readouterr().err == f"lossmith: {sentence}\n"


def test_a_folder_is_not_continued_with_another_discriminator(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(photos, tmp_path)) == 0
    assert run(words(photos, tmp_path, discriminator="vgg_any(features=3)")) == 2
    assert (
        "--discriminator is 'vgg_any(features=2)' there and 'vgg_any(features=3)' here" in capsys.readouterr().err
    )


def test_options_of_a_yaml_file_override_the_preset(photos: Path, tmp_path: Path) -> None:
    lines = [f"{option.removeprefix('--').replace('-', '_')}: {value}" for option, value in QUICK.items()]
    config = tmp_path / "mine.yaml"
    config.write_text("\n".join(["preset: esrgan_small", f"images: {photos}", *lines]) + "\n")
    assert run(["train", "--config", str(config), "--steps", "1", "--out", str(tmp_path / "out")]) == 0
    stored = read_yaml(tmp_path / "out" / "run.yaml")
    assert (stored["steps"], stored["psnr_steps"], stored["discriminator_learning_rate"]) == (1, 3, 1e-4)


def test_the_esrgan_preset_is_the_papers() -> None:
    recipe, adversarial = (lossmith.preset("esrgan")[part] for part in ("recipe", "adversarial"))
    assert sum(weight.numel() for weight in lossmith.network(recipe.network, 4).parameters()) == 16_697_987
    assert (recipe.degradation, recipe.patch, recipe.batch, recipe.learning_rate) == ("bicubic(4)", 128, 16, 1e-4)
    assert (recipe.steps, adversarial.psnr_steps, adversarial.psnr_learning_rate) == (400_000, 1_000_000, 2e-4)
    assert (adversarial.adversarial, adversarial.adversarial_weight, adversarial.psnr_loss) == (
        "ragan",
        5e-3,
        "l1",
    )


@pytest.mark.parametrize("name", [name for name, settings in PRESETS.items() if "adversarial" in settings])
def test_presets_have_a_discriminator_that_takes_their_patches(name: str) -> None:
    from lossmith.networks import discriminator

    recipe, adversarial = (PRESETS[name][part] for part in ("recipe", "adversarial"))
    judge = discriminator(str(adversarial.discriminator), recipe.patch).eval()
    logits = judge(torch.zeros(1, 3, recipe.patch, recipe.patch))
    assert logits.shape in ((1, 1), (1, 1, recipe.patch, recipe.patch)), "one of the image, or of every pixel"


# --- the perceptual term ---------------------------------------------------------------------------------------


def test_without_vgg19_weights_the_fallback_loss_is_used_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    assert content_loss() == FALLBACK_LOSS
    log = caplog.text
    assert f"the loss is '{FALLBACK_LOSS}' instead of the paper's '{PUBLISHED_LOSS}'" in log
    assert str(tmp_path / "hub" / "checkpoints") in log
    assert str(loss(FALLBACK_LOSS)) == FALLBACK_LOSS, "it ships with us"
    caplog.clear()
    (tmp_path / "vgg19-dcbb9e9d.pth").touch()
    assert content_loss() == PUBLISHED_LOSS
    assert caplog.text == ""


def test_the_fallback_loss_is_in_the_receipt(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    option_words = words(photos, tmp_path / "out", steps="1", psnr_steps="1", patch="48")
    at = option_words.index("--loss")
    assert run([*option_words[:at], *option_words[at + 2 :]]) == 0
    assert "instead of the paper's" in capsys.readouterr().err
    assert load_model(tmp_path / "out" / "gan" / "model.safetensors").receipt["loss"] == FALLBACK_LOSS


# --- stopping --------------------------------------------------------------------------------------------------

STEPS = 20


def to_stop(photos: Path, out: Path, save_every: float) -> list[str]:
    return words(photos, out, steps=str(STEPS), psnr_steps=str(STEPS), ema="0.9", save_every=str(save_every))


def start(photos: Path, out: Path) -> subprocess.Popen[bytes]:
    """In a process of its own, which saves after every step."""
    program = "import sys, torch; torch.set_num_threads(1); from lossmith.cli import run; run(sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", program, *to_stop(photos, out, 0.0)], stderr=subprocess.PIPE)


def steps_done(stage: Path) -> int:
    metrics = stage / "metrics.csv"
    return len(metrics.read_text().splitlines()) - 2 if metrics.exists() else 0


def metrics_without_time(out: Path) -> list[list[str]]:
    return [line.split(",")[:1] + line.split(",")[2:] for line in (out / "metrics.csv").read_text().splitlines()]


@pytest.fixture(scope="module")
def uninterrupted_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    assert run(to_stop(photos, out, 60.0)) == 0
    return out


@pytest.mark.parametrize("stage", [pytest.param("psnr", marks=pytest.mark.slow), "gan"])
def test_a_killed_gan_run_ends_with_exactly_the_weights_of_an_uninterrupted_one(
    stage: str, photos: Path, uninterrupted_run: Path, tmp_path: Path
) -> None:
    process = start(photos, tmp_path)
    checkpoint = tmp_path / stage / "checkpoints" / "last.ckpt"
    while not (steps_done(tmp_path / stage) >= STEPS // 3 and checkpoint.exists()) and process.poll() is None:
        time.sleep(0.005)
    assert process.poll() is None, f"it ended by itself: {process.communicate()[1].decode()}"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / stage / "summary.json").exists(), "the stage was over before it could be stopped"
    assert 0 < torch.load(checkpoint, weights_only=True)["train_state"]["step"] < STEPS

    assert run(to_stop(photos, tmp_path, 60.0)) == 0

    for part in ("psnr", "gan"):
        expected, actual = uninterrupted_run / part, tmp_path / part
        assert (actual / "model.safetensors").read_bytes() == (expected / "model.safetensors").read_bytes()
        assert metrics_without_time(actual) == metrics_without_time(expected)
        samples = sorted(path.name for path in (expected / "samples").iterdir())
        assert samples == sorted(path.name for path in (actual / "samples").iterdir())
        for name in samples:
            assert (actual / "samples" / name).read_bytes() == (expected / "samples" / name).read_bytes()
    states = [
        torch.load(out / "gan" / "checkpoints" / "last.ckpt", weights_only=True)["module"]["modules"]
        for out in (uninterrupted_run, tmp_path)
    ]
    assert any("discriminator" in name for name in states[0])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
