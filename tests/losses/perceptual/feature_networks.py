"""Small networks that are difficult to cut, and the features that they should give."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional


def image(height: int = 40, width: int = 48, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0))


class Everywhere(nn.Module):
    """It computes in place wherever one can."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.activation = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.drop = nn.Dropout(0.5, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        norm = self.norm(first)
        relu = self.activation(norm)
        second = self.second(relu)
        second += relu
        hard = functional.hardtanh(second, -0.1, 0.1, inplace=True)
        output = self.activation(hard)
        return self.drop(output)


class Untraceable(Everywhere):
    """Which way it goes, its input decides; and it has an operation that only changes its input."""

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        if x.mean() > 100:
            return self.second(first)
        norm = self.norm(first)
        norm.relu_()
        return self.drop(norm)


class Methodical(Everywhere):
    """It can be traced, and its input is changed by a method whose result nobody takes."""

    def forward(self, x: Tensor) -> Tensor:
        norm = self.norm(self.first(x))
        norm.relu_()
        return self.drop(norm)


class Two(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def build_network(kind: type[nn.Module] = Everywhere) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = kind()
        for tensor in network.buffers():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
    return network


def pairing(network: nn.Module) -> nn.Module:
    """A network whose last layer gives two things."""
    network = copy.deepcopy(network)
    network.drop = Two()
    return network


def out_of_place(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """All that `Everywhere` computes, by name."""
    actual: dict[str, Tensor] = {}
    with torch.no_grad():
        actual["first"] = network.first(x)
        actual["norm"] = copy.deepcopy(network.norm).eval()(actual["first"])
        actual["activation"] = actual["norm"].clamp(min=0)
        actual["second"] = network.second(actual["activation"])
        actual["add"] = actual["second"] + actual["activation"]
        actual["hardtanh"] = actual["add"].clamp(-0.1, 0.1)
        actual["activation_1"] = actual["hardtanh"].clamp(min=0)
        actual["drop"] = actual["activation_1"]
    return actual
