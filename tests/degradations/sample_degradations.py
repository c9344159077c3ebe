"""Functions such as a user might write, for the tests to import by path."""

import numpy as np
import torch
from torch import Tensor


def darker(clean: Tensor, by: float = 0.5) -> Tensor:
    return clean * by


def speckle(clean: Tensor, rng: np.random.Generator, amount: float = 0.1) -> Tensor:
    return clean * (1 + amount * torch.from_numpy(rng.standard_normal(clean.shape)))


def unnamed_generator(clean: Tensor, source: np.random.Generator) -> Tensor:
    return clean + source.random()


def needs_amount(clean: Tensor, amount: float) -> Tensor:
    return clean * amount


def halve(clean: Tensor) -> Tensor:
    return clean[:, ::2, ::2]


halve.scale = 2  # type: ignore[attr-defined]
halve.margin = 0  # type: ignore[attr-defined]


def in_place(clean: Tensor) -> Tensor:
    return clean.zero_()


def wrong_shape(clean: Tensor) -> Tensor:
    return clean[:, 1:]


def wrong_type(clean: Tensor) -> Tensor:
    return (clean * 255).to(torch.uint8)


def not_a_tensor(clean: Tensor) -> np.ndarray:
    return clean.numpy()


def not_finite(clean: Tensor) -> Tensor:
    return clean / 0


def raises(clean: Tensor) -> Tensor:
    raise KeyError("blur")


def nothing_at_all(clean: Tensor) -> None: ...


def bad_scale(clean: Tensor) -> Tensor:
    return clean


bad_scale.scale = 0.5  # type: ignore[attr-defined]


class Blur:
    """Not a function."""


def ready() -> None: ...
