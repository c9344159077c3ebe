"""Training that begins with weights: whose, which of them, and that the receipt says so."""

from pathlib import Path

import pytest
import torch
import yaml

from lossmith import AdversarialRecipe, Data, LossmithError, Recipe, compare, reproduce, train
from lossmith.core.files import sha256_of
from lossmith.models.model_file import load_model, save_model
from lossmith.networks import network

NETWORK = "srresnet_small(features=6, blocks=1)"
SMALL = {"degradation": "bicubic(2)", "patch": 24, "batch": 2, "steps": 1, "learning_rate": 1e-9}
"""A rate at which no weight moves visibly, so that what comes out is what went in."""


@pytest.fixture
def start(tmp_path: Path) -> Path:
    path = tmp_path / "start" / "2x.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(5)
        save_model(path, network(NETWORK, 2), {"network": NETWORK, "scale": 2})
    return path


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(path).restorer.state_dict())


def is_from(run_folder: Path, start: Path) -> bool:
    """Whether training started from these weights: rounding and a rate of 1e-9 change less than 1e-6."""
    pairs = zip(weights(run_folder).values(), weights(start).values(), strict=True)
    return all(torch.allclose(one, other, rtol=0, atol=1e-6) for one, other in pairs)


def start_digest(folder: Path) -> object:
    return yaml.safe_load((folder / "run.yaml").read_text()).get("begins_with")


def test_a_run_starts_with_the_weights_and_network_of_the_init_file(
    photos: Path, start: Path, tmp_path: Path
) -> None:
    run = train(Data([photos]), recipe=Recipe(init=start, **SMALL), out=tmp_path / "run")
    model = run.folder / "model.safetensors"
    assert is_from(model, start)
    assert load_model(model).receipt["network"] == NETWORK
    assert load_model(model).receipt["begins_with"] == start_digest(run.folder) == sha256_of(start)
    fresh_run = train(Data([photos]), recipe=Recipe(network=NETWORK, **SMALL), out=tmp_path / "fresh")
    assert not is_from(fresh_run.folder / "model.safetensors", start)
    assert "begins_with" not in load_model(fresh_run.folder / "model.safetensors").receipt


def test_a_run_starts_from_weights_of_other_programs(photos: Path, tmp_path: Path) -> None:
    expression = "rrdbnet(scale=2, features=4, blocks=1, growth=2)"
    state = network(expression).state_dict()
    torch.save({"state_dict": {f"net_g.{name}": t for name, t in state.items()}, "epoch": 3}, tmp_path / "a.ckpt")
    run = train(Data([photos]), recipe=Recipe(init=tmp_path / "a.ckpt", **SMALL), out=tmp_path / "run")
    assert load_model(run.folder / "model.safetensors").receipt["network"] == (
        "rrdbnet(features=4, blocks=1, growth=2)"
    )


def test_a_spandrel_network_is_trained_and_opened_again(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("spandrel")
    from spandrel.architectures.Compact import Compact

    from lossmith.models.foreign import load_any_model

    net = Compact(num_in_ch=3, num_out_ch=3, num_feat=4, num_conv=1, upscale=2)
    torch.save({"params": net.state_dict()}, tmp_path / "compact.pth")
    run = train(Data([photos]), recipe=Recipe(init=tmp_path / "compact.pth", **SMALL), out=tmp_path / "run")
    weights = load_any_model(run.folder / "model.safetensors").restorer.state_dict()
    assert all(
        torch.allclose(weights[name], tensor, rtol=0, atol=1e-6) for name, tensor in net.state_dict().items()
    )


def test_weights_of_other_shapes_are_named_unless_partial_init_is_allowed(
    photos: Path, start: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    larger = {**SMALL, "degradation": "bicubic(3)"}
    with pytest.raises(LossmithError) as error:
        train(Data([photos]), recipe=Recipe(init=start, **larger), out=tmp_path / "run")
    assert str(error.value) == (
        f"{start} does not hold the weights of srresnet_small(scale=3, features=6, blocks=1): 'conv_last.weight' "
        "is [12, 6, 3, 3] in it and [27, 6, 3, 3] in the network, 'conv_last.bias' is [12] in it and [27] in the "
        "network; `init_partial` loads what fits"
    )
    assert not (tmp_path / "run").exists()
    caplog.set_level("INFO", "lossmith")
    run = train(Data([photos]), recipe=Recipe(init=start, init_partial=True, **larger), out=tmp_path / "run")
    assert "6 of the network's 8 weights come from" in caplog.text
    assert "fresh are 'conv_last.weight', 'conv_last.bias'" in caplog.text
    after, before = weights(run.folder / "model.safetensors"), weights(start)
    assert torch.allclose(after["conv_first.weight"], before["conv_first.weight"], rtol=0, atol=1e-6)
    assert load_model(run.folder / "model.safetensors").receipt["begins_with_part"] is True


def test_every_loss_of_a_comparison_starts_from_the_init_file(photos: Path, start: Path, tmp_path: Path) -> None:
    compare(Data([photos]), losses=["l1", "l2"], seeds=1, recipe=Recipe(init=start, **SMALL), out=tmp_path / "out")
    models = list((tmp_path / "out" / "runs").glob("*/seed-0/model.safetensors"))
    assert len(models) == 2
    assert all(is_from(model, start) for model in models)
    assert yaml.safe_load((tmp_path / "out" / "compare.yaml").read_text())["begins_with"] == sha256_of(start)


def test_the_first_stage_of_adversarial_training_starts_from_the_init_file(
    photos: Path, start: Path, tmp_path: Path
) -> None:
    adversarial = AdversarialRecipe(discriminator="unet(features=2)", psnr_steps=1)
    out = tmp_path / "run"
    train(Data([photos]), loss="l1", recipe=Recipe(init=start, **SMALL), adversarial=adversarial, out=out)
    assert is_from(out / "psnr" / "model.safetensors", start)
    assert start_digest(out) == start_digest(out / "psnr") == sha256_of(start)
    assert start_digest(out / "gan") == sha256_of(out / "psnr" / "model.safetensors")


def test_reproduce_needs_the_same_init_file(photos: Path, start: Path, tmp_path: Path) -> None:
    recipe = Recipe(init=start, **{**SMALL, "learning_rate": 1e-3})
    model = train(Data([photos]), recipe=recipe, out=tmp_path / "run").folder / "model.safetensors"
    assert reproduce(model, images=[photos], init_from=start, out=tmp_path / "anew").status == 0
    for other in (None, model):
        with pytest.raises(
            LossmithError, match=f"began with a file that is not here, of the SHA-256 {start_digest(model.parent)}"
        ):
            reproduce(model, images=[photos], init_from=other, out=tmp_path / "other")


def test_a_run_is_resumed_only_with_the_same_init_file(photos: Path, start: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(Data([photos]), recipe=Recipe(init=start, **SMALL), out=out)
    repeat = train(Data([photos]), recipe=Recipe(init=start, **SMALL), out=out)
    assert repeat.summary.steps == 1
    model = out / "model.safetensors"
    advice = f"choose another `out`, where training can begin with its model, `init='{model}'`$"
    with pytest.raises(LossmithError, match=f"it began with other weights; {advice}"):
        train(Data([photos]), recipe=Recipe(network=NETWORK, **SMALL), out=out)
    with pytest.raises(LossmithError, match=f"`steps` is 1 there and 2 here; {advice}"):
        train(Data([photos]), recipe=Recipe(init=start, **{**SMALL, "steps": 2}), out=out)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.pth", "'none.pth' does not exist; a model is the model.safetensors in the folder of a run"),
        ("a.onnx", "a.onnx is an ONNX graph, which cannot be trained; `init` takes weights"),
        ("text.pth", "text.pth is neither a safetensors file nor a checkpoint of PyTorch"),
    ],
)
def test_invalid_init_files_are_one_sentence(
    name: str, message: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("a.onnx", "text.pth"):
        Path(path).write_text("no weights")
    with pytest.raises(LossmithError) as error:
        train(Data([photos]), recipe=Recipe(init=Path(name), **SMALL), out=tmp_path / "run")
    assert str(error.value) == message
    with pytest.raises(LossmithError, match=r"^`init_partial` goes with `init`"):
        Recipe(init_partial=True)
