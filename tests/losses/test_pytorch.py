"""The losses under PyTorch's transforms, tracers, precisions and containers: every row of docs/pytorch.md."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, grad, hessian, jacrev, jvp, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.checkpoint import checkpoint

from lossmith import losses
from lossmith.core.errors import LossmithError
from lossmith.losses import Loss
from lossmith.losses.perceptual import dists
from lossmith.losses.structural.backends import dispatch, torch_backend

STRUCTURAL = [
    "l1",
    "charbonnier",
    "ssim",
    "ssim(padding=reflect)",
    "ms_ssim(levels=2)",
    "ms_ssim_sigmas(form=center)",
    "mix",
    "2*(ssim + 0.5*tv) + l2",
]
NETWORK = "squeezenet1_1, relu1, weights=random"
DEEP = [
    f"features({NETWORK})",
    "lpips(squeeze, linear=false, weights=random)",
    f"style({NETWORK})",
    f"style_w2({NETWORK})",
    f"contextual({NETWORK})",
    f"contextual({NETWORK}, distance=l2)",
    f"contextual({NETWORK}, distance=l1)",
    "mdf(jpeg)",
    "dists(weights=random)",
]
EVERY = [*STRUCTURAL, *DEEP]


@pytest.fixture(autouse=True)
def heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of DISTS's own for each of its channels, as their file does not come with it."""

    def equal(file: str | None, widths: list[int]) -> list[tuple[Tensor, Tensor]]:
        share = 0.5 / sum(widths)
        heads = [torch.full((2, width), share, dtype=torch.float32) for width in widths]
        return [(texture.clone(), structure.clone()) for texture, structure in heads]

    monkeypatch.setattr(dists, "read_heads", equal)


@cache
def made_once(expression: str, reduction: str) -> Loss:
    return losses.loss(expression, reduction=reduction)


def loss(expression: str, *, reduction: str = "mean") -> Loss:
    """A copy, which a test may change; to draw a network's weights takes longer than most tests."""
    return deepcopy(made_once(expression, reduction))


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "backend_for", lambda x: torch_backend)


def pair(batch: int = 2, height: int = 43, width: int = 45, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A prediction and its target; odd sides, which have a middle and halve to unequal parts."""
    generator = torch.Generator("cpu").manual_seed(seed)
    target, noise = torch.rand(2, batch, 3, height, width, generator=generator, dtype=torch.float32)
    return 0.7 * target + 0.3 * noise, target


def gradient(criterion: Callable[[Tensor, Tensor], Tensor], prediction: Tensor, target: Tensor) -> Tensor:
    leaf = prediction.clone().requires_grad_()
    return torch.autograd.grad(criterion(leaf, target).sum(), leaf)[0]


def close(actual: Tensor, expected: Tensor, share: float = 1e-4) -> None:
    """To a share of the largest number: the plain formulas round differently from the loops, in float32."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=share * expected.abs().max().item())


# --- reductions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", EVERY)
def test_every_reduction_is_made_of_the_values_of_the_images(expression: str) -> None:
    x, y = pair(3)
    values = loss(expression, reduction="none")(x, y)
    assert values.shape == (3,)
    for reduction, expected in {"mean": values.mean(), "sum": values.sum(), "none": values}.items():
        criterion = loss(expression, reduction=reduction)
        close(criterion(x, y), expected)
        close(criterion.with_target(y)(x), expected)
        close(sum(criterion.terms(x, y).values(), torch.zeros(())), expected)
    gradients = [gradient(loss(expression, reduction=reduction), x, y) for reduction in ("sum", "none")]
    close(*gradients, 1e-6)


# --- torch.func ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", EVERY)
def test_func_grad_and_jvp_equal_autograd(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    usual, direction = gradient(criterion, x, y), torch.randn_like(x)
    close(grad(criterion)(x, y), usual)
    value, slope = jvp(lambda p: criterion(p, y), (x,), (direction,))
    close(value, criterion(x, y))
    assert abs(slope - (usual * direction).sum()) < 1e-4 * usual.norm() * direction.norm()


@pytest.mark.parametrize("expression", EVERY)
def test_vmap_goes_over_stacks_of_images_and_over_single_ones(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    predictions, targets = torch.stack([x, x.flip(0), 0.9 * y]), torch.stack([y, y.flip(0), y])
    each = torch.stack([criterion(*both) for both in zip(predictions, targets, strict=True)])
    close(vmap(criterion)(predictions, targets), each)
    close(vmap(criterion, in_dims=(0, None))(predictions, y)[0], each[0])
    close(vmap(criterion, in_dims=(None, 0))(x, targets)[0], each[0])
    with torch.no_grad():
        close(vmap(criterion)(predictions, targets), each)
    slopes = torch.stack([gradient(criterion, *both) for both in zip(predictions, targets, strict=True)])
    close(vmap(grad(criterion))(predictions, targets), slopes)
    of_one = vmap(grad(lambda p, t: criterion(p[None], t[None])))(x, y)
    close(of_one, 2 * gradient(criterion, x, y))
    with pytest.raises(LossmithError, match=r"images must be \(N, C, H, W\), not \(3, 43, 45\)$"):
        vmap(criterion)(x, y)


@pytest.mark.parametrize("expression", EVERY)
def test_jacrev_has_the_gradient_of_every_images_value(expression: str) -> None:
    x, y = pair()
    jacobian = jacrev(loss(expression, reduction="none"))(x, y)
    close(jacobian.sum(0) / 2, gradient(loss(expression), x, y))


@pytest.mark.parametrize("expression", ["ssim", "mix", f"contextual({NETWORK})", "mdf(jpeg)"])
def test_second_derivatives_are_differences_of_first_ones(expression: str) -> None:
    criterion, (x, y) = loss(expression).double(), (each.double() for each in pair(1))
    one, step = torch.zeros_like(x).index_fill_(2, torch.tensor([20]), 1.0), 1e-5
    (_, along) = jvp(lambda p: grad(criterion)(p, y), (x,), (one,))
    differences = (grad(criterion)(x + step * one, y) - grad(criterion)(x - step * one, y)) / (2 * step)
    close(along, differences, 1e-2)  # which are of float32 where a network is


FIRST_ONLY = [f"contextual({NETWORK})", f"contextual({NETWORK}, distance=l2)", "mdf(jpeg)"]
"""What has no second derivative but by `torch.func`."""


@pytest.mark.parametrize("expression", EVERY)
def test_a_graph_of_the_gradient_gives_the_second_derivative(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair(1)
    leaf = x.clone().requires_grad_()
    if expression in FIRST_ONLY:
        with pytest.raises(LossmithError, match="first derivative only: call backward without create_graph"):
            torch.autograd.grad(criterion(leaf, y), leaf, create_graph=True)
        return
    (first,) = torch.autograd.grad(criterion(leaf, y), leaf, create_graph=True)
    direction = torch.cos(x)
    (second,) = torch.autograd.grad((first * direction).sum() + 0 * leaf.sum(), leaf)
    # l1 and tv are straight but for their kinks: both are 0
    close(second, grad(lambda p: (grad(criterion)(p, y) * direction).sum())(x), 1e-3)


def test_hessian_of_a_few_parameters() -> None:
    criterion, (x, y) = loss("ssim").double(), (each.double() for each in pair(1, 13, 13))
    actual = hessian(lambda shift: criterion(x + shift, y))(torch.zeros((), dtype=torch.float64))
    steps = torch.tensor([1e-5, -1e-5], dtype=torch.float64)
    first = [grad(lambda shift: criterion(x + shift, y))(step) for step in steps]
    torch.testing.assert_close(actual, (first[0] - first[1]) / 2e-5, rtol=1e-4, atol=0)


@pytest.mark.parametrize("expression", EVERY)
def test_functional_call_trains_one_network_and_an_ensemble(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Conv2d(3, 3, 3, padding=1)
    usual = torch.autograd.grad(criterion(network(x), y), network.weight)[0]

    def lost(parameters: dict[str, Tensor]) -> Tensor:
        return criterion(functional_call(network, parameters, (x,)), y)

    parameters = {name: each.detach() for name, each in network.named_parameters()}
    close(grad(lost)(parameters)["weight"], usual)
    ensemble = {name: torch.stack([each, 1.1 * each]) for name, each in parameters.items()}
    close(vmap(grad(lost))(ensemble)["weight"][0], usual)
    close(functional_call(criterion, dict(criterion.named_buffers()), (x, y)), criterion(x, y))


# --- tracers ---------------------------------------------------------------------------------------------------

OTHERS = [pair(1, 47, 51, seed=1), pair(3, 57, 43, seed=2)]
"""Images of other sizes, and more or fewer of them."""


@pytest.mark.parametrize("expression", EVERY)
@pytest.mark.filterwarnings("error::torch.jit.TracerWarning", "ignore:.*deprecated")
def test_a_traced_loss_takes_other_sizes(expression: str) -> None:
    criterion = loss(expression)
    traced = torch.jit.trace(criterion, pair(), check_trace=False)
    for x, y in [pair(), *OTHERS]:
        close(traced(x, y), criterion(x, y))
        close(gradient(traced, x, y), gradient(criterion, x, y), 1e-3)


@pytest.mark.parametrize("expression", EVERY)
def test_an_exported_loss_gives_equal_values(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    exported = torch.export.export(criterion, (x, y), strict=False).module()
    other = pair(seed=1)
    close(exported(*other), criterion(*other))
    close(gradient(exported, *other), gradient(criterion, *other), 1e-3)


SIZES = [
    "l1",
    "ssim",
    "ms_ssim(levels=2)",
    f"style({NETWORK})",
    pytest.param("mix", marks=pytest.mark.slow),
    pytest.param("mdf(jpeg)", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("expression", SIZES)
def test_an_exported_loss_takes_all_sizes(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair(2, 62, 69)
    height, width = (torch.export.Dim(name, min=48, max=512) for name in ("height", "width"))
    sizes = {0: torch.export.Dim("number", min=1, max=64), 2: height, 3: width}
    exported = torch.export.export(criterion, (x, y), dynamic_shapes=(sizes, sizes), strict=False).module()
    for other in [pair(3, 57, 64, seed=1), pair(2, 80, 53, seed=2)]:
        close(exported(*other), criterion(*other))


def test_dispatch_modes_see_the_operations() -> None:
    criterion, (x, y) = loss("mix"), pair()
    recorded = make_fx(criterion)(x, y)
    other = pair(seed=1)
    close(recorded(*other), criterion(*other))


@pytest.mark.parametrize("expression", EVERY)
def test_fake_tensors_give_shapes(expression: str) -> None:
    criterion, each = loss(expression, reduction="none"), pair()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert criterion(*map(mode.from_tensor, each)).shape == (2,)


@pytest.mark.parametrize(
    "expression",
    [
        "l1",
        f"style({NETWORK})",
        *(pytest.param(dear, marks=pytest.mark.slow) for dear in ("mix", "ms_ssim(levels=2)")),
    ],
)
def test_losses_compile_with_dynamic_shapes(expression: str) -> None:
    torch.compiler.reset()
    criterion = loss(expression)
    compiled = torch.compile(criterion, dynamic=True, fullgraph=True, backend="eager")
    for x, y in [pair(), *OTHERS]:
        close(compiled(x, y), criterion(x, y))
        close(gradient(compiled, x, y), gradient(criterion, x, y), 1e-3)


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("expression", ["l1", "mix + l1", "mdf(jpeg)"])
def test_torchscript_is_refused_in_one_sentence(expression: str) -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.criterion = loss(expression)

    for module in (loss(expression), Holder()):
        with pytest.raises(LossmithError, match=r"torch\.jit\.script cannot read losses; torch\.compile"):
            torch.jit.script(module)


# --- precision, devices, containers ----------------------------------------------------------------------------


@pytest.mark.parametrize("expression", EVERY)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_on_a_model_leaves_its_loss_in_float32(expression: str, dtype: torch.dtype) -> None:
    x, y = pair()
    usual = loss(expression)
    held = nn.ModuleDict({"loss": loss(expression), "fixed": loss(expression).with_target(y)}).to(dtype)
    assert torch.equal(held["loss"](x, y), usual(x, y))
    low = x.to(dtype), y.to(dtype)
    assert torch.equal(gradient(held["loss"], *low), gradient(usual, *low))
    assert torch.equal(held["fixed"](x), usual.with_target(y)(x))


@pytest.fixture
def restored_default() -> Iterator[None]:
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("expression", EVERY)
@pytest.mark.parametrize("default", [torch.float64, torch.float16])
@pytest.mark.usefixtures("restored_default")
def test_the_default_dtype_changes_nothing(expression: str, default: torch.dtype) -> None:
    x, y = pair()
    usual = loss(expression)
    expected, slope = usual(x, y), gradient(usual, x, y)
    torch.set_default_dtype(default)
    criterion = losses.loss(expression)
    actual = criterion(x, y)
    assert actual.dtype == torch.float32
    close(actual, expected, 1e-6)
    close(gradient(criterion, x, y), slope, 1e-5)


@pytest.mark.parametrize("expression", EVERY)
def test_the_meta_device_gives_shapes(expression: str) -> None:
    x, y = (each.to("meta") for each in pair())
    actual = loss(expression, reduction="none").to("meta")(x.requires_grad_(), y)
    assert actual.shape == (2,)
    (slope,) = torch.autograd.grad(actual.sum(), x)
    assert slope.shape == x.shape


@pytest.mark.parametrize("expression", EVERY)
@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpointing_gives_the_same_gradient(expression: str, reentrant: bool) -> None:
    criterion, (x, y) = loss(expression), pair()
    leaf = x.clone().requires_grad_()
    checkpoint(criterion, leaf, y, use_reentrant=reentrant).backward()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, gradient(criterion, x, y))


@pytest.mark.parametrize("expression", EVERY)
def test_gradients_in_usual_training_loops_are_correct(expression: str) -> None:
    """Accumulated over batches, seen by hooks, asked for again and again by LBFGS."""
    criterion, (x, y) = loss(expression), pair()
    leaf, heard = x.clone().requires_grad_(), []
    leaf.register_hook(heard.append)
    criterion.register_forward_hook(lambda module, given, value: heard.append(value.detach()))
    for _ in range(2):
        criterion(leaf, y).backward()
    assert leaf.grad is not None
    close(leaf.grad, 2 * gradient(loss(expression), x, y))
    assert torch.equal(heard[0], criterion(x, y))
    optimizer = torch.optim.LBFGS([leaf], lr=1e-3, max_iter=2)

    def closure() -> Tensor:
        optimizer.zero_grad()
        value: Tensor = criterion(leaf, y)
        value.backward()
        return value

    before = criterion(leaf, y)
    optimizer.step(closure)
    assert criterion(leaf, y) <= before


@pytest.mark.parametrize("expression", EVERY)
def test_a_target_of_inference_mode_is_cloned_to_train_against_it(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    with torch.inference_mode():
        target = 1 * y
        assert torch.equal(criterion(x, target), criterion(x, y))
    assert torch.equal(gradient(criterion, x, target.clone()), gradient(criterion, x, y))


SHARED = """
import sys, torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from lossmith.losses import loss

class Held(nn.Module):
    def __init__(self, expression):
        super().__init__()
        torch.manual_seed(0)
        self.network, self.criterion = nn.Conv2d(3, 3, 3, padding=1), loss(expression)
    def forward(self, x, y):
        return self.criterion(self.network(x), y)

folder, rank = sys.argv[1], int(sys.argv[2])
distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
y, noise = torch.rand(2, 2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
x, mine = 0.7 * y + 0.3 * noise, slice(rank, rank + 1)
for expression in ("mix", "l1 + mdf(jpeg)"):
    alone = Held(expression)
    alone(x, y).backward()
    for wrap in (DistributedDataParallel, lambda held: fully_shard(held, mesh=init_device_mesh("cpu", (2,)))):
        held = wrap(Held(expression))
        held(x[mine], y[mine]).backward()
        (found,) = (each.grad for name, each in held.named_parameters() if name.endswith("weight"))
        found = found.full_tensor() if hasattr(found, "full_tensor") else found
        torch.testing.assert_close(found, alone.network.weight.grad, rtol=1e-4, atol=1e-6)
        assert len(held.state_dict()) == 2
distributed.barrier()  # neither process may end while the other still talks to it
distributed.destroy_process_group()
"""


def test_two_processes_that_share_a_batch_get_the_gradient_of_one(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", SHARED, str(tmp_path), rank] for rank in "01"]
    pair_of_them = [subprocess.Popen(each, stderr=subprocess.PIPE, text=True) for each in commands]
    errors = [each.communicate(timeout=300)[1] for each in pair_of_them]
    assert [each.returncode for each in pair_of_them] == [0, 0], errors


@pytest.mark.parametrize("expression", EVERY)
def test_autocast_changes_nothing(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    leaf = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = criterion(leaf, y)
    assert torch.equal(value, criterion(x, y))
    assert torch.equal(torch.autograd.grad(value, leaf)[0], gradient(criterion, x, y))


@pytest.mark.parametrize("expression", EVERY)
def test_a_loss_adds_nothing_to_the_state_dict_of_its_module(expression: str) -> None:
    assert not loss(expression).state_dict()


def test_a_checkpoint_from_when_critics_were_saved_still_loads() -> None:
    criterion = loss("mdf(jpeg)")
    old = {name: torch.zeros_like(tensor) for name, tensor in criterion.named_buffers()}
    holder = nn.ModuleDict({"loss": criterion})
    holder.load_state_dict({f"loss.{name}": tensor for name, tensor in old.items()}, strict=True)
    for name, tensor in loss("mdf(jpeg)").named_buffers():
        assert torch.equal(criterion.get_buffer(name), tensor)  # those of the file
    with pytest.raises(RuntimeError, match="Unexpected key"):
        holder.load_state_dict({"loss.other": torch.zeros(1)}, strict=True)


@pytest.mark.parametrize("expression", DEEP)
def test_gray_images_are_repeated_when_asked(expression: str) -> None:
    x, y = (each[:, :1] for each in pair())
    default = loss(expression)
    with pytest.raises(LossmithError, match=r"of 3 channels, not 1; gray images are repeated with gray=repeat$"):
        default(x, y)
    repeating = losses.loss(expression.replace(")", ", gray=repeat)"))
    assert isinstance(repeating, Loss)
    assert losses.loss(str(repeating)).gray == "repeat"
    close(repeating(x, y), default(x.expand(-1, 3, -1, -1), y.expand(-1, 3, -1, -1)), 1e-6)
    assert gradient(repeating, x, y).shape == x.shape
    assert torch.equal(repeating(*pair()), default(*pair()))


@pytest.mark.parametrize("expression", ["ssim", "ms_ssim(levels=2)", "mix"])
@pytest.mark.usefixtures("without_numba")
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_function_transforms_and_tracing_work_without_numba(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    close(grad(criterion)(x, y), gradient(criterion, x, y))
    close(vmap(criterion)(x[None], y[None])[0], criterion(x, y))
    close(torch.jit.trace(criterion, (y, y), check_trace=False)(x, y), criterion(x, y))
