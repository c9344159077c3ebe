"""The losses in modules: precisions, checkpoints, training loops, processes: rows of docs/pytorch.md."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lossmith import losses
from lossmith.core.errors import LossmithError
from lossmith.losses import Loss

from .samples import DEEP, EXPRESSIONS, close, gradient, loss, pair


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_on_a_model_leaves_its_loss_in_float32(expression: str, dtype: torch.dtype) -> None:
    x, y = pair()
    criterion = loss(expression)
    module = nn.ModuleDict({"loss": loss(expression), "fixed": loss(expression).with_target(y)}).to(dtype)
    assert torch.equal(module["loss"](x, y), criterion(x, y))
    low = x.to(dtype), y.to(dtype)
    assert torch.equal(gradient(module["loss"], *low), gradient(criterion, *low))
    assert torch.equal(module["fixed"](x), criterion.with_target(y)(x))


@pytest.fixture
def restore_default_dtype() -> Iterator[None]:
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("default", [torch.float64, torch.float16])
@pytest.mark.usefixtures("restore_default_dtype")
def test_the_default_dtype_changes_nothing(expression: str, default: torch.dtype) -> None:
    x, y = pair()
    reference = loss(expression)
    expected, slope = reference(x, y), gradient(reference, x, y)
    torch.set_default_dtype(default)
    criterion = losses.loss(expression).train(reference.training)
    actual = criterion(x, y)
    assert actual.dtype == torch.float32
    close(actual, expected, 1e-6)
    close(gradient(criterion, x, y), slope, 1e-5)


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpointing_gives_the_same_gradient(expression: str, reentrant: bool) -> None:
    criterion, (x, y) = loss(expression), pair()
    leaf = x.clone().requires_grad_()
    checkpoint(criterion, leaf, y, use_reentrant=reentrant).backward()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, gradient(criterion, x, y))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_gradients_in_usual_training_loops_are_correct(expression: str) -> None:
    """Accumulated over batches, seen by hooks, asked for again and again by LBFGS."""
    criterion, (x, y) = loss(expression), pair()
    leaf, records = x.clone().requires_grad_(), []
    leaf.register_hook(records.append)
    criterion.register_forward_hook(lambda module, inputs, value: records.append(value.detach()))
    for _ in range(2):
        criterion(leaf, y).backward()
    assert leaf.grad is not None
    close(leaf.grad, 2 * gradient(loss(expression), x, y))
    assert torch.equal(records[0], criterion(x, y))
    optimizer = torch.optim.LBFGS([leaf], lr=1e-3, max_iter=2)

    def closure() -> Tensor:
        optimizer.zero_grad()
        value: Tensor = criterion(leaf, y)
        value.backward()
        return value

    before = criterion(leaf, y)
    optimizer.step(closure)
    assert criterion(leaf, y) <= before


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_target_of_inference_mode_is_cloned_to_train_against_it(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    with torch.inference_mode():
        target = 1 * y
        assert torch.equal(criterion(x, target), criterion(x, y))
    assert torch.equal(gradient(criterion, x, target.clone()), gradient(criterion, x, y))


TWO_PROCESSES = """
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
    commands = [[sys.executable, "-c", TWO_PROCESSES, str(tmp_path), rank] for rank in "01"]
    processes = [subprocess.Popen(process, stderr=subprocess.PIPE, text=True) for process in commands]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_autocast_changes_nothing(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    leaf = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = criterion(leaf, y)
    assert torch.equal(value, criterion(x, y))
    assert torch.equal(torch.autograd.grad(value, leaf)[0], gradient(criterion, x, y))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_loss_adds_nothing_to_the_state_dict_of_its_module(expression: str) -> None:
    """But for the means by which percentages find their factors."""
    assert set(loss(expression).state_dict()) == (
        {"means", "mean_weights", "steps"} if "%*" in expression else set()
    )


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
    x, y = (image[:, :1] for image in pair())
    default = loss(expression)
    with pytest.raises(LossmithError, match=r"of 3 channels, not 1; gray images are repeated with gray=repeat$"):
        default(x, y)
    repeating = losses.loss(expression.replace(")", ", gray=repeat)"))
    assert isinstance(repeating, Loss)
    assert losses.loss(str(repeating)).gray == "repeat"
    close(repeating(x, y), default(x.expand(-1, 3, -1, -1), y.expand(-1, 3, -1, -1)), 1e-6)
    assert gradient(repeating, x, y).shape == x.shape
    assert torch.equal(repeating(*pair()), default(*pair()))
