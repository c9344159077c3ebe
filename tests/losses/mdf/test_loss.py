"""MDFLoss: the published formula, its gradient, options, and its behavior as a module."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lossmith import LossmithError
from lossmith.degradations import TASKS
from lossmith.losses import MDFLoss, loss
from lossmith.losses.mdf.loss_file import SHIPPED

from .samples import SCALES, discriminators_of, pair, write

KINDS: dict[str, list[dict[str, Any]]] = {
    "as published": SCALES,
    "at fractions of the resolution": [{"width": 4, "factor": 0.5}, {"width": 6, "factor": 0.75}],
    "strided": [{"width": 4, "factor": 1.0, "stride": 2}, {"width": 4, "factor": 0.8, "stride": 3}],
    "three layers and six": [{"width": 4, "factor": 1.0, "layers": 3}, {"width": 4, "factor": 1.0, "layers": 6}],
}


def formula(scales: list[dict[str, Any]], prediction: Tensor, target: Tensor, to_signed: bool = False) -> Tensor:
    """What the paper's code computes: whole modules, in float64, one value per image."""
    total = prediction.new_zeros(len(prediction))
    for discriminator, scale in zip(discriminators_of(scales), scales, strict=True):
        feature_pairs = []
        for image in (prediction, target):
            size = [int(side * scale["factor"] + 0.5) for side in image.shape[2:]]
            small = interpolate(image, size, mode="bilinear", antialias=True)
            feature_pairs.append(discriminator.double().features(2 * small - 1 if to_signed else small))
        for prediction_features, target_features in zip(*feature_pairs, strict=True):
            total = total + (prediction_features - target_features).square().mean((1, 2, 3))
    return total


@pytest.fixture
def mdf(tmp_path: Path) -> MDFLoss:
    return MDFLoss.load(write(tmp_path / "loss.safetensors"))


# --- value and gradient ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("to_signed", [False, True])
def test_mdf_equals_the_published_formula(tmp_path: Path, kind: str, to_signed: bool) -> None:
    file = write(tmp_path / "loss.safetensors", KINDS[kind], range=[-1, 1] if to_signed else [0, 1])
    criterion = MDFLoss.load(file, reduction="none")
    prediction, target = pair(criterion.min_side + 6)
    prediction.requires_grad_()
    expected = formula(KINDS[kind], prediction, target, to_signed)
    actual = criterion(prediction, target)
    # the folded weights are kept in float32
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=0)
    slopes = [torch.autograd.grad(value.sum(), prediction)[0] for value in (actual, expected)]
    assert (slopes[0] - slopes[1]).norm() < 1e-6 * slopes[1].norm()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extra", [0, 1, 2, 3])
def test_mdf_gradient_equals_finite_differences(tmp_path: Path, kind: str, extra: int) -> None:
    """At every remainder of the sides by the stride, since what a stride leaves over gets no gradient."""
    criterion = MDFLoss.load(write(tmp_path / "loss.safetensors", KINDS[kind]), reduction="none")
    prediction, target = pair(criterion.min_side + extra)
    assert torch.autograd.gradcheck(
        lambda x: criterion(x, target), prediction.requires_grad_(), fast_mode=True, eps=1e-7, atol=1e-6
    )


def test_data_range_scales_the_images_of_mdf(tmp_path: Path) -> None:
    file = write(tmp_path / "loss.safetensors")
    prediction, target = pair()
    for words, to_signed in [("0..1", False), ("-1..1", True)]:
        actual = loss(f"mdf({file}, range={words})")(prediction, target)
        expected = formula(SCALES, prediction, target, to_signed).mean()
        torch.testing.assert_close(actual, expected, rtol=1e-6, atol=0)


def test_mdf_in_float32_is_close_to_float64(mdf: MDFLoss) -> None:
    prediction, target = pair()
    actual = mdf(prediction.float(), target.float())
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual.double(), mdf(prediction, target), rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mdf_computes_half_precision_and_autocast_in_float32(mdf: MDFLoss, dtype: torch.dtype) -> None:
    prediction, target = pair(dtype=dtype)
    prediction.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = mdf(prediction, target)
    assert torch.equal(actual, mdf(prediction.float(), target.float()))
    assert torch.autograd.grad(actual, prediction)[0].dtype == dtype


def test_mdf_in_bfloat16_is_close(tmp_path: Path) -> None:
    file = write(tmp_path / "loss.safetensors")
    prediction, target = pair(dtype=torch.float32)
    actual = loss(f"mdf({file}, precision=bfloat16)")(prediction, target)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, loss(f"mdf({file})")(prediction, target), rtol=0.05, atol=0)  # eight bits


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_mdf_of_equal_images_is_exactly_zero(mdf: MDFLoss, layout: torch.memory_format) -> None:
    image = pair(dtype=torch.float32)[1].to(memory_format=layout).requires_grad_()
    value = mdf(image, image.detach().clone())
    assert value == 0
    assert not torch.autograd.grad(value, image)[0].any()


# --- what else it gives ------------------------------------------------------------------------------------------


def test_mdf_of_a_batch_is_that_of_each_image(mdf: MDFLoss) -> None:
    prediction, target = pair(batch=3)
    per_image = MDFLoss.load(mdf.file, reduction="none")
    values = [mdf(prediction[i : i + 1], target[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(per_image(prediction, target), torch.stack(values), rtol=1e-12, atol=0)


def test_mdf_terms_are_its_discriminators_and_add_up(mdf: MDFLoss) -> None:
    prediction, target = pair()
    terms = mdf.terms(prediction, target)
    assert list(terms) == [f"mdf(loss) scale {k}" for k in range(3)]
    torch.testing.assert_close(torch.stack([*terms.values()]).sum(), mdf(prediction, target), rtol=1e-12, atol=0)


def test_the_coarsest_discriminators_are_used_first(tmp_path: Path) -> None:
    file = write(tmp_path / "loss.safetensors", used=2)
    prediction, target = pair()
    parts = [*MDFLoss.load(file, scales=3).terms(prediction, target).values()]
    torch.testing.assert_close(MDFLoss.load(file)(prediction, target), parts[0] + parts[1], rtol=1e-12, atol=0)
    torch.testing.assert_close(MDFLoss.load(file, scales=1)(prediction, target), parts[0], rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_mdf_with_a_precomputed_target_gives_the_same_value_and_gradient(tmp_path: Path, kind: str) -> None:
    criterion = MDFLoss.load(write(tmp_path / "loss.safetensors", KINDS[kind]))
    prediction, target = pair(criterion.min_side + 3, dtype=torch.float32)
    fixed_loss = criterion.with_target(target)
    target_was = target.clone()
    target.zero_()  # the features of the target were copied
    prediction.requires_grad_()
    values = fixed_loss(prediction), criterion(prediction, target_was)
    assert torch.equal(*values)
    assert torch.equal(*(torch.autograd.grad(value, prediction)[0] for value in values))
    assert not fixed_loss.state_dict().keys() - {f"loss.{name}" for name in criterion.state_dict()}
    with pytest.raises(LossmithError, match=r"differ in shape"):
        fixed_loss(prediction[:1])


# --- a module like any other -------------------------------------------------------------------------------------


def test_the_discriminators_are_moved_copied_and_pickled_with_it_and_not_saved(
    mdf: MDFLoss, tmp_path: Path
) -> None:
    prediction, target = pair()
    expected = mdf(prediction, target)
    assert not list(mdf.parameters())
    other = MDFLoss.load(write(tmp_path / "other.safetensors", SCALES[::-1]), scales=3)
    assert other(prediction, target) != expected
    assert not mdf.state_dict()
    for twin in (copy.deepcopy(mdf), pickle.loads(pickle.dumps(mdf))):
        assert torch.equal(twin(prediction, target), expected)
        assert str(twin) == f"mdf({mdf.file})"
    assert {buffer.device.type for buffer in mdf.to("meta").buffers()} == {"meta"}


@pytest.mark.parametrize("kind", KINDS)
def test_mdf_compiles_without_graph_breaks(tmp_path: Path, kind: str) -> None:
    torch.compiler.reset()
    criterion = MDFLoss.load(write(tmp_path / "loss.safetensors", KINDS[kind]))
    prediction, target = pair(criterion.min_side, dtype=torch.float32)
    prediction.requires_grad_()
    compiled = torch.compile(criterion, fullgraph=True, backend="aot_eager")
    values = compiled(prediction, target), criterion(prediction, target)
    # the compiler may reduce in another order
    torch.testing.assert_close(*values, rtol=1e-6, atol=0)
    torch.testing.assert_close(*(torch.autograd.grad(value, prediction)[0] for value in values))


def test_mdf_saves_one_image_per_discriminator_for_backward(mdf: MDFLoss) -> None:
    prediction, target = pair(dtype=torch.float32)
    saved_tensors: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        saved_tensors.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        mdf(prediction.requires_grad_(), target)
    assert sum(tensor.numel() for tensor in saved_tensors) <= len(SCALES) * prediction.numel()


def test_mdf_backward_can_be_repeated(mdf: MDFLoss) -> None:
    prediction, target = pair()
    prediction.requires_grad_()
    before = prediction.detach().clone(), target.detach().clone()
    value = mdf(prediction, target)
    (2 * value).backward(retain_graph=True)
    once = prediction.grad.clone()
    value.backward()
    torch.testing.assert_close(prediction.grad, 1.5 * once, rtol=1e-12, atol=0)
    assert torch.equal(prediction, before[0])
    assert torch.equal(target, before[1])
    with torch.no_grad():
        assert not mdf(prediction, target).requires_grad


def test_mdf_second_derivatives_are_refused(mdf: MDFLoss) -> None:
    prediction, target = pair()
    value = mdf(prediction.requires_grad_(), target)
    with pytest.raises(LossmithError, match=r"^mdf has a first derivative only"):
        torch.autograd.grad(value, prediction, create_graph=True)


# --- as an expression --------------------------------------------------------------------------------------------


def test_mdf_expressions_name_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a folder" / "my-loss.v2.safetensors")
    for expression in ("mdf(a folder/my-loss.v2.safetensors)", "0.5*mdf(a folder/my-loss.v2.safetensors, 2) + l1"):
        assert str(loss(str(loss(expression)))) == str(loss(expression))
    assert str(loss('mdf("a folder/my-loss.v2.safetensors")')) == "mdf(a folder/my-loss.v2.safetensors)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (", scales=4", "mdf: scales must be 1 to 3, as many as FILE has, not 4"),
        (", scales=0", "mdf: scales must be 1 to 3, as many as FILE has, not 0"),
        (", range=255", "loss 'mdf': range must be text or none, not 255"),
        (", range=0..255", "mdf: range must be 0..1 or -1..1, not '0..255'"),
        (", precision=float16", "mdf: precision must be 'full' or 'bfloat16', not 'float16'"),
        (", scale=3", "option of loss mdf: 'scale' is not known; did you mean 'scales'?"),
    ],
)
def test_invalid_mdf_options_are_refused(tmp_path: Path, options: str, message: str) -> None:
    file = write(tmp_path / "loss.safetensors")
    with pytest.raises(LossmithError) as error:
        loss(f"mdf({file}{options})")
    assert str(error.value) == message.replace("FILE", str(file))


def test_images_that_mdf_cannot_take_are_refused(tmp_path: Path) -> None:
    criterion = MDFLoss.load(write(tmp_path / "loss.safetensors", KINDS["at fractions of the resolution"]))
    assert criterion.min_side == 21  # half of it, rounded, is 11
    gray = torch.rand(1, 1, 30, 30)
    with pytest.raises(
        LossmithError, match=r"takes images of 3 channels, not 1; gray images are repeated with gray=repeat$"
    ):
        criterion(gray, gray)
    small = torch.rand(1, 3, 20, 30)
    with pytest.raises(LossmithError, match=r"needs at least 21 x 21 pixels, not 20 x 30$"):
        criterion(small, small)


def test_mdf_without_a_file_or_with_an_unknown_name_is_refused() -> None:
    with pytest.raises(LossmithError, match=r"^loss 'mdf': missing a required argument: 'file'; `lossmith "):
        loss("mdf")
    with pytest.raises(
        LossmithError, match=r"^shipped loss 'nosuch' is not known; .*; files end in \.safetensors$"
    ):
        loss("mdf(nosuch)")


@pytest.mark.parametrize("name", TASKS)
def test_a_shipped_loss_is_small_and_works(name: str) -> None:
    assert (SHIPPED / f"{name}.safetensors").stat().st_size <= 3 * 10**6
    criterion = MDFLoss(name)
    assert criterion.card["degradation"]
    prediction, target = pair(criterion.min_side, dtype=torch.float32)
    assert criterion(prediction, target) > criterion(target, target) == 0
