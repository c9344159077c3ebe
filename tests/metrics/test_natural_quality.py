"""NIQE: the fit of its distribution, the published scores, and what must hold for a measure without a target."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat, savemat
from scipy.ndimage import correlate1d
from scipy.special import gamma

from lossmith.core.errors import LossmithError
from lossmith.core.safetensors_io import load_tensors, save_tensors
from lossmith.data import sample_images
from lossmith.degradations import resize
from lossmith.metrics import NIQE, find_metric, metric_function, niqe
from lossmith.metrics.matlab_filters import halve
from lossmith.metrics.natural_quality import FORMAT, SHIPPED, fit_gaussian, load_model
from lossmith.metrics.scene_statistics import fit_asymmetric_gaussian, normalize, scene_statistics

OFFICIAL_MODEL = "niqe/niqe_pris_params.npz"


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sample_asymmetric_gaussian(shape: float, left: float, right: float, count: int) -> NDArray[np.float64]:
    """By its definition: |x / width|^shape is gamma-distributed, and a side has the probability of its width."""
    rng = np.random.default_rng(0)
    magnitude = rng.gamma(1 / shape, size=count) ** (1 / shape)
    is_left = rng.random(count) < left / (left + right)
    return np.where(is_left, -left * magnitude, right * magnitude)


@pytest.mark.parametrize(("shape", "left", "right"), [(2, 1, 1), (1, 0.5, 2), (0.6, 3, 1), (4, 0.2, 0.3)])
def test_the_fit_recovers_the_parameters_of_a_large_sample(shape, left, right):
    values = torch.from_numpy(sample_asymmetric_gaussian(shape, left, right, 400_000))
    fit = [value.item() for value in fit_asymmetric_gaussian(values)]
    # six standard errors: about 2 / sqrt(n) for the heaviest tails here
    assert fit == pytest.approx([shape, left, right], rel=0.02)


def test_the_shape_is_the_nearest_of_the_table_and_scales_with_nothing():
    values = torch.from_numpy(np.random.default_rng(1).standard_t(4, (50, 2000)))
    values[:25] *= torch.linspace(1, 2, 25, dtype=torch.float64)[:, None].where(values[:25] > 0, torch.tensor(1.0))
    table = np.arange(200, 10001) / 1000
    expected_moments = gamma(2 / table) ** 2 / (gamma(1 / table) * gamma(3 / table))
    shapes, left, right = fit_asymmetric_gaussian(values)
    for row, shape in zip(values.numpy(), shapes, strict=True):
        below, above = (math.sqrt(np.mean(row[side] ** 2)) for side in (row < 0, row > 0))
        ratio = below / above
        moments = np.mean(abs(row)) ** 2 / np.mean(row**2)
        normalized = moments * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
        assert shape.item() == table[np.argmin((expected_moments - normalized) ** 2)]
    scaled = fit_asymmetric_gaussian(4 * values)
    assert torch.equal(scaled[0], shapes)
    assert torch.allclose(scaled[1], 4 * left, rtol=1e-12)
    assert torch.allclose(scaled[2], 4 * right, rtol=1e-12)


def test_values_of_one_sign_have_no_fit():
    for values in (torch.ones(9), -torch.ones(9), torch.zeros(9)):
        assert torch.stack(fit_asymmetric_gaussian(values.double())).isnan().all()


def test_halving_is_imresize():
    image = noise(2, 1, 96, 192)
    assert torch.allclose(halve(image), resize(image, 0.5), atol=1e-14)


def test_contrast_is_normalized_in_a_gaussian_window_with_repeated_edges():
    image = 255 * noise(1, 1, 20, 24)
    window = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
    window /= window.sum()

    def smooth(values):
        return correlate1d(correlate1d(values, window, 0, mode="nearest"), window, 1, mode="nearest")

    values = image[0, 0].numpy()
    mean = smooth(values)
    deviation = np.sqrt(smooth(values**2) - mean**2)
    normalized, actual_deviation = normalize(image)
    np.testing.assert_allclose(actual_deviation[0, 0], deviation, rtol=1e-9)
    np.testing.assert_allclose(normalized[0, 0], (values - mean) / (deviation + 1), atol=1e-10)


def test_features_are_those_of_the_blocks_in_two_sizes():
    """Of blocks, products of neighbors around the block, written out for one block and one direction."""
    image = noise(1, 1, 192, 192)
    features, sharpness = scene_statistics(image)
    assert features.shape == (1, 4, 36)
    luma = (image * 255 + 0.5).floor()
    fine, deviation = normalize(luma)
    block = fine[0, 0, 96:, :96]
    products = block.numpy() * np.roll(block.numpy(), (1, -1), (0, 1))
    shape, left, right = (value.item() for value in fit_asymmetric_gaussian(torch.from_numpy(products.flatten())))
    mean = (right - left) * gamma(2 / shape) / gamma(1 / shape)
    assert features[0, 2, 14:18].tolist() == pytest.approx([shape, mean, left, right], rel=1e-12)
    coarse, _ = normalize(halve(luma))
    shape, left, right = (value.item() for value in fit_asymmetric_gaussian(coarse[0, 0, :48, 48:].flatten()))
    assert features[0, 1, 18:20].tolist() == pytest.approx([shape, (left + right) / 2], rel=1e-12)
    assert sharpness[0, 3].item() == pytest.approx(deviation[0, 0, 96:, 96:].mean().item(), rel=1e-12)


def test_pixels_beyond_the_last_whole_block_do_not_count():
    image = noise(1, 3, 192, 96)
    padded = torch.nn.functional.pad(image, (0, 50, 0, 95), value=0.3)
    assert niqe(padded).item() == pytest.approx(niqe(image).item(), rel=1e-12)


def test_the_score_is_the_distance_of_two_gaussians():
    image = noise(1, 3, 192, 192)
    features = scene_statistics(image)[0][0].numpy()
    tensors, _ = load_tensors(SHIPPED, FORMAT)
    difference = features.mean(0) - tensors["mean"].numpy()
    covariance = (np.cov(features.T) + tensors["covariance"].numpy()) / 2
    expected = math.sqrt(difference @ np.linalg.solve(covariance, difference))
    assert niqe(image).item() == pytest.approx(expected, rel=1e-6)  # an inverse of condition 1e6


def test_the_target_is_not_looked_at(photo):
    image = photo(192, 192)
    assert niqe(image, torch.rand_like(image)) == niqe(image, image) == niqe(image)


def test_noise_and_blur_score_worse_than_the_photograph(photo):
    image = photo(288, 288)
    noisy = image + 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(image, 7, stride=1, padding=3)
    clean, *damaged = (niqe(candidate, round_to_8bit=True).item() for candidate in (image, noisy, blurred))
    assert 1.3 * clean < min(damaged)


def test_flat_blocks_do_not_count_and_a_flat_picture_scores_as_far_from_nature(photo):
    image = photo(192, 192)
    image[..., :96, :96] = 0.5
    features = scene_statistics(image)[0][0]
    # the surface is flat up to its border, where the window sees the neighbors; NaN means that none is seen
    assert features.isfinite().all(1).sum() >= 3
    assert niqe(image).isfinite()
    flat = niqe(torch.full((2, 3, 192, 192), 0.5))
    assert flat[0] == flat[1]
    assert niqe(photo(192, 192)) < flat[0] < math.inf


def test_the_gaussian_is_that_of_the_finite_rows():
    features = noise(9, 36)
    broken = torch.cat([features, torch.full((1, 36), torch.nan, dtype=torch.float64)])
    mean, covariance = fit_gaussian(broken)
    np.testing.assert_allclose(mean, features.numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(features.numpy().T), atol=1e-15)
    mean, covariance = fit_gaussian(features[:1])
    assert torch.equal(mean, features[0])
    assert not covariance.any()


def test_batches_gray_images_precision_and_nan():
    images = noise(3, 1, 100, 200)
    alone = [niqe(image[None]).item() for image in images]
    assert niqe(images).tolist() == pytest.approx(alone, rel=1e-12)
    assert niqe(images.expand(-1, 3, -1, -1)).tolist() == pytest.approx(alone, rel=1e-9)
    single = niqe(images.float())
    assert single.dtype == torch.float32
    assert single.tolist() == pytest.approx(alone, rel=1e-6)
    images[1, 0, 5, 5] = torch.nan
    assert niqe(images).isnan().tolist() == [False, True, False]


def test_too_small_images_are_refused():
    assert find_metric("niqe").min_side == 96
    with pytest.raises(LossmithError, match="niqe needs at least 104 x 104 pixels with 4 cropped from each side"):
        niqe(noise(1, 3, 103, 200), border=4)


def test_niqe_is_in_the_registry_as_a_metric_without_a_reference():
    metric = find_metric("niqe")
    assert (metric.label, metric.higher_is_better, metric.compares) == ("NIQE", False, False)
    assert metric_function("niqe") is niqe
    assert find_metric("psnr").compares


def test_the_class_is_the_mean_with_and_without_targets():
    images = noise(3, 3, 96, 96)
    metric = NIQE(border=0)
    metric.update(images[:2])
    metric.update(images[2:], images[:1])
    assert metric.compute().item() == pytest.approx(niqe(images).mean().item(), rel=1e-6)
    assert not metric.is_differentiable
    assert not metric.higher_is_better


def test_models_are_read_from_every_format(tmp_path, monkeypatch):
    own = load_model(SHIPPED)
    arrays = {"mu": own.mean.numpy()[None], "cov": own.covariance.numpy()}
    np.savez(tmp_path / "a.npz", mu_pris_param=arrays["mu"], cov_pris_param=arrays["cov"])
    savemat(tmp_path / "b.mat", {"mu_prisparam": arrays["mu"], "cov_prisparam": arrays["cov"]})
    save_tensors(tmp_path / "c.safetensors", {"mean": own.mean, "covariance": own.covariance}, FORMAT, {})
    image = noise(1, 3, 96, 96)
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    for name in ("a.npz", "b.mat", "c.safetensors", str(tmp_path / "a.npz")):
        assert niqe(image, model=name) == niqe(image)


def _write_other_npz(path):
    np.savez(path, mean=np.zeros(36))


def _write_objects(path):
    np.savez(path, mu_pris_param=np.array([{}], dtype=object))


@pytest.mark.parametrize(
    ("name", "write", "complaint"),
    [
        ("absent.npz", None, r"niqe needs `model='absent.npz'`, which is not a file: put absent.npz into "),
        ("other.npz", _write_other_npz, "other.npz does not hold a model of NIQE: the mean of 36 features"),
        ("objects.npz", _write_objects, "cannot read the model of NIQE in .*objects.npz: Object arrays"),
        ("damaged.npz", lambda path: path.write_bytes(b"PK"), "cannot read the model of NIQE in"),
        ("damaged.mat", lambda path: path.write_bytes(b"no"), "cannot read the model of NIQE in"),
        ("damaged.safetensors", lambda path: path.write_bytes(b"no"), "damaged.safetensors"),
    ],
)
def test_files_that_hold_no_model_are_refused_in_a_sentence(name, write, complaint, tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    if write:
        write(tmp_path / name)
    with pytest.raises(LossmithError, match=complaint):
        niqe(noise(1, 3, 96, 96), model=name)


def test_the_card_of_the_shipped_model_names_its_photographs_and_licenses():
    tensors, card = load_tensors(SHIPPED, FORMAT)
    assert card["blocks"] == sum(photograph["blocks"] for photograph in card["photographs"]) > 5 * 36
    assert all({"name", "license", "sha256"} <= photograph.keys() for photograph in card["photographs"])
    test_images = {path.name for path in sample_images("test")}
    assert not test_images & {photograph["name"] for photograph in card["photographs"]}
    assert torch.linalg.eigvalsh(tensors["covariance"]).min() > 0


# of the first the score is exact; the others have flat surfaces, of whose rounding errors the authors' program
# counts the signs, so that a program that adds in another order is off by as much
@pytest.mark.parametrize(
    ("image", "score", "tolerance"),
    [
        ("I04", 3.65492152353770, 1e-10),
        ("I06", 3.23547743716998, 0.002),
        ("I08", 3.18403333858339, 0.02),
        ("I19", 8.63519663862637, 0.04),
        ("I03", 15.7536293917814, 0.01),
    ],
)
def test_official_scores_of_tid2013_pairs(image, score, tolerance, benchmark_data, monkeypatch):
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(benchmark_data / "weights"))
    path = benchmark_data / "iqa" / "TID2013_pairs" / "distorted" / f"{image}.bmp"
    pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].double() / 255
    assert niqe(pixels, model=OFFICIAL_MODEL).item() == pytest.approx(score, abs=tolerance)


def test_the_authors_two_files_are_one_model(benchmark_data):
    folder = benchmark_data / "weights" / "niqe"
    from_matlab = load_model(folder / "matlab" / "modelparameters.mat")
    from_numpy = load_model(folder / "niqe_pris_params.npz")
    assert torch.equal(from_matlab.mean, from_numpy.mean)
    assert torch.equal(from_matlab.covariance, from_numpy.covariance)
    assert {"mu_prisparam", "cov_prisparam"} <= loadmat(folder / "matlab" / "modelparameters.mat").keys()
