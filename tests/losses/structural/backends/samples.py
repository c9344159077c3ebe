"""A backend that fails, to be put in a working one's place."""

from torch import Tensor

from lossmith.losses.structural.backends import torch_backend
from lossmith.losses.structural.formulas import SSIMSpec


class BrokenBackend:
    """A backend whose compiler is missing."""

    downsample2x, upsample2x_add = (
        staticmethod(torch_backend.downsample2x),
        staticmethod(torch_backend.upsample2x_add),
    )

    def dissimilarity_and_grad(
        self, x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
    ) -> tuple[Tensor, Tensor | None]:
        raise RuntimeError("first line\nFailed to find C compiler")
