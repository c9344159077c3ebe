"""Seven small networks that tell the classes of images by their codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

HIDDEN_LAYERS: tuple[tuple[int, ...], ...] = ((), (32,), (64,), (32, 32), (64, 32), (64, 64), (128, 128))
"""The widths of the hidden layers of each, as Pihlgren et al. publish them with the study; the first is linear."""
BATCH = 256
VALIDATION_SHARE = 0.2
"""Of the training set, by which one of the seven, and when to stop, is chosen."""
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Classifier:
    """A trained classifier."""

    network: nn.Module
    validation_accuracy: float

    def correct(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Whether each code, (N, 64), gets its label, bool (N,), on the CPU."""
        with torch.no_grad():
            right: Tensor = self.network(codes).argmax(1) == labels
        return right.cpu()


def train_classifiers(
    codes: Tensor, labels: Tensor, classes: int, seed: int, epochs: int, patience: int
) -> list[Classifier]:
    """Train all seven on four fifths of the codes; in the order of `HIDDEN_LAYERS`.

    As published: LeakyReLU between the layers, Adam with a step of 1e-3, batches of 256, the mean squared error
    against labels as vectors of zeros and a one. Each keeps the weights of the epoch in which its error on the
    other fifth was least; all stop when none became better in `patience` epochs. Codes are first scaled to mean 0
    and variance 1, which is ours, so that codes of different size are learned equally fast.

    Parameters
    ----------
    codes, labels
        (N, 64) floats, and (N,) int64 from 0.
    classes
        How many there are.
    epochs, patience
        At most so many, and so many without any gain.
    """
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(codes))).to(codes.device)
    held_out, rest = order.tensor_split([max(1, int(VALIDATION_SHARE * len(codes)))])
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        networks = [_network(codes[rest], hidden, classes) for hidden in HIDDEN_LAYERS]
    ensemble = nn.ModuleList(networks)
    optimizer = torch.optim.Adam(ensemble.parameters(), LEARNING_RATE)
    targets = nn.functional.one_hot(labels, classes).to(codes.dtype)

    def errors(chosen: Tensor) -> Tensor:
        inputs, wanted = codes[chosen], targets[chosen]
        return torch.stack([nn.functional.mse_loss(network(inputs), wanted) for network in networks])

    best, states, gained_at = torch.full((len(networks),), torch.inf), [_copy(network) for network in networks], 0
    for epoch in range(epochs):
        shuffled = np.random.default_rng((seed, epoch)).permutation(len(rest))
        for batch in rest[torch.from_numpy(shuffled).to(rest.device)].tensor_split(-(-len(rest) // BATCH)):
            optimizer.zero_grad()
            errors(batch).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            now = errors(held_out).cpu()
        for index in (now < best).nonzero().flatten().tolist():
            best[index], states[index], gained_at = now[index], _copy(networks[index]), epoch
        if epoch - gained_at >= patience:
            break
    for network, state in zip(networks, states, strict=True):
        network.load_state_dict(state)
    return [
        Classifier(network, accuracy(Classifier(network, 0).correct(codes[held_out], labels[held_out])))
        for network in networks
    ]


def chosen(classifiers: Sequence[Classifier]) -> Classifier:
    """The one that is right most often on the validation images; of equal ones the first, which is smallest."""
    return max(classifiers, key=lambda classifier: classifier.validation_accuracy)


def accuracy(correct: Tensor) -> float:
    """The share that is right.

    >>> accuracy(torch.tensor([True, False, True, True]))
    0.75
    """
    return correct.double().mean().item()


class _Standardized(nn.Module):
    mean: Tensor
    deviation: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", codes.mean(0))
        self.register_buffer("deviation", codes.std(0, correction=0).clamp_min(1e-6))

    def forward(self, codes: Tensor) -> Tensor:
        return (codes - self.mean) / self.deviation


def _network(codes: Tensor, hidden: tuple[int, ...], classes: int) -> nn.Module:
    layers: list[nn.Module] = [_Standardized(codes)]
    for before, after in pairwise((codes.shape[1], *hidden, classes)):
        layers += [nn.Linear(before, after), nn.LeakyReLU()]
    return nn.Sequential(*layers[:-1]).to(codes.device)


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


__all__ = ["HIDDEN_LAYERS", "Classifier", "accuracy", "chosen", "train_classifiers"]
