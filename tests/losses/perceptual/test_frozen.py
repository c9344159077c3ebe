"""FeatureExtractor as a frozen module: copied, moved, compiled, under autocast, in two processes."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lossmith.losses import FeatureExtractor, loss

from .feature_networks import Everywhere, Untraceable, build_network, image


@pytest.mark.parametrize("kind", [Everywhere, Untraceable])
def test_the_backbone_is_a_frozen_copy(kind: type[nn.Module]) -> None:
    network = build_network(kind).train()
    before = copy.deepcopy(network.state_dict())
    extractor = FeatureExtractor(network, ["norm"])
    extractor.train()
    extractor.requires_grad_(True)
    x = image().requires_grad_()
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
def test_a_frozen_backbone_is_copied_pickled_and_moved(network: str | type[nn.Module]) -> None:
    layers = ["fire2"] if network == "squeezenet1_1" else ["norm"]
    extractor = FeatureExtractor(network if isinstance(network, str) else build_network(network), layers, "random")
    (expected,) = extractor(image())
    for twin in (copy.deepcopy(extractor), pickle.loads(pickle.dumps(extractor))):
        assert torch.equal(twin(image())[0], expected)
    double = copy.deepcopy(extractor).double()(image().double())[0]
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), expected, rtol=1e-4, atol=1e-5)
    assert {buffer.device.type for buffer in extractor.to("meta").buffers()} == {"meta"}


def test_a_frozen_backbone_compiles_without_graph_breaks() -> None:
    torch.compiler.reset()
    extractor = FeatureExtractor("squeezenet1_1", ["relu1", "fire3"], "random")
    compiled = torch.compile(extractor, fullgraph=True, backend="aot_eager")
    for actual, expected in zip(compiled(image()), extractor(image()), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def test_a_bfloat16_backbone_is_close() -> None:
    (full,) = FeatureExtractor("squeezenet1_1", ["fire3"], "random")(image())
    (rough,) = FeatureExtractor("squeezenet1_1", ["fire3"], "random", precision="bfloat16")(image())
    assert rough.dtype == torch.float32
    assert 0 < (rough - full).norm() < 0.02 * full.norm()  # eight bits, a few layers


def test_autocast_does_not_change_a_frozen_backbone() -> None:
    extractor = FeatureExtractor("squeezenet1_1", ["fire3"], "random")
    expected = extractor(image())[0]
    criterion = loss("features(squeezenet1_1, fire3, weights=random)")
    value = criterion(image(), 1 - image())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(criterion(image(), 1 - image()), value)
        # an extractor on its own follows autocast, as every module does
        rough = extractor(image())[0]
    assert rough.dtype == torch.float32
    assert (rough - expected).norm() < 0.02 * expected.norm()


@pytest.mark.slow
def test_ddp_with_a_frozen_backbone_equals_one_process(tmp_path: Path) -> None:
    """The average of the gradients of two halves of a batch is that of the batch, and buffers stay as they are."""
    torch.multiprocessing.spawn(half, (str(tmp_path),), nprocs=2)
    network, criterion = small_restorer(), loss(IN_TWO)
    criterion(network(image()), 1 - image()).backward()
    for rank in range(2):
        for name, gradient in torch.load(tmp_path / f"{rank}.pt", weights_only=True).items():
            expected = network.get_parameter(name).grad
            torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-6)


IN_TWO = "features(squeezenet1_1, fire2, distance=l2, weights=random)"


def small_restorer() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 3, 3, padding=1))


class TrainingNetwork(nn.Module):
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
    module = nn.parallel.DistributedDataParallel(TrainingNetwork())
    own_images = slice(rank, rank + 1)
    module(image()[own_images], 1 - image()[own_images]).backward()
    gradients = {name: parameter.grad for name, parameter in module.module.network.named_parameters()}
    torch.save(gradients, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()
