"""The extractor is a frozen module like any other: copied, moved, compiled, under autocast, in two processes."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lossmith.losses import Extractor, loss

from .feature_networks import Everywhere, Untraceable, made, picture


@pytest.mark.parametrize("kind", [Everywhere, Untraceable])
def test_the_network_is_frozen_and_yours_stays_as_it_is(kind: type[nn.Module]) -> None:
    network = made(kind).train()
    before = copy.deepcopy(network.state_dict())
    extractor = Extractor(network, ["norm"])
    extractor.train()
    extractor.requires_grad_(True)
    x = picture().requires_grad_()
    expected = extractor(x)[0]
    expected.sum().backward()
    assert x.grad is not None
    assert not list(extractor.parameters())
    assert not extractor.state_dict()
    assert not any(module.training for module in extractor.modules())
    assert all(module.training for module in network.modules())
    assert network.activation.inplace
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    nn.init.zeros_(network.first.weight)
    assert torch.equal(extractor(x)[0], expected)


@pytest.mark.parametrize("network", ["squeezenet1_1", Untraceable])
def test_it_is_copied_pickled_and_moved(network: str | type[nn.Module]) -> None:
    layers = ["fire2"] if network == "squeezenet1_1" else ["norm"]
    extractor = Extractor(network if isinstance(network, str) else made(network), layers, "random")
    (expected,) = extractor(picture())
    for twin in (copy.deepcopy(extractor), pickle.loads(pickle.dumps(extractor))):
        assert torch.equal(twin(picture())[0], expected)
    double = copy.deepcopy(extractor).double()(picture().double())[0]
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), expected, rtol=1e-4, atol=1e-5)
    assert {buffer.device.type for buffer in extractor.to("meta").buffers()} == {"meta"}


def test_it_compiles_in_one_piece() -> None:
    torch.compiler.reset()
    extractor = Extractor("squeezenet1_1", ["relu1", "fire3"], "random")
    compiled = torch.compile(extractor, fullgraph=True, backend="aot_eager")
    for found, expected in zip(compiled(picture()), extractor(picture()), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_bfloat16_when_asked_for_is_near() -> None:
    (full,) = Extractor("squeezenet1_1", ["fire3"], "random")(picture())
    (rough,) = Extractor("squeezenet1_1", ["fire3"], "random", precision="bfloat16")(picture())
    assert rough.dtype == torch.float32
    assert 0 < (rough - full).norm() < 0.02 * full.norm()  # eight bits, a few layers


def test_under_autocast_it_computes_as_without() -> None:
    extractor = Extractor("squeezenet1_1", ["fire3"], "random")
    expected = extractor(picture())[0]
    criterion = loss("features(squeezenet1_1, fire3, weights=random)")
    value = criterion(picture(), 1 - picture())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(criterion(picture(), 1 - picture()), value)
        # an extractor on its own follows autocast, as every module does
        rough = extractor(picture())[0]
    assert rough.dtype == torch.float32
    assert (rough - expected).norm() < 0.02 * expected.norm()


@pytest.mark.slow
def test_two_processes_train_with_it_as_one_would(tmp_path: Path) -> None:
    """The average of the gradients of two halves of a batch is that of the batch, and buffers stay as they are."""
    torch.multiprocessing.spawn(half, (str(tmp_path),), nprocs=2)
    network, criterion = small_restorer(), loss(IN_TWO)
    criterion(network(picture()), 1 - picture()).backward()
    for rank in range(2):
        for name, gradient in torch.load(tmp_path / f"{rank}.pt", weights_only=True).items():
            expected = network.get_parameter(name).grad
            torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-6)


IN_TWO = "features(squeezenet1_1, fire2, distance=l2, weights=random)"


def small_restorer() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 3, 3, padding=1))


class Trained(nn.Module):
    """A network and its loss in one module, as DDP must bear it: weights to share and buffers to leave alone."""

    def __init__(self) -> None:
        super().__init__()
        self.network, self.criterion = small_restorer(), loss(IN_TWO)

    def forward(self, degraded: Tensor, target: Tensor) -> Tensor:
        value: Tensor = self.criterion(self.network(degraded), target)
        return value


def half(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    module = nn.parallel.DistributedDataParallel(Trained())
    mine = slice(rank, rank + 1)
    module(picture()[mine], 1 - picture()[mine]).backward()
    gradients = {name: parameter.grad for name, parameter in module.module.network.named_parameters()}
    torch.save(gradients, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()
