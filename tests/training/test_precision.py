"""In bfloat16 the layers of a network compute, and nothing else."""

import pytest
import torch
from torch import Tensor, nn

from lossmith.training import Recipe
from lossmith.training.distributed.environment import single_process_fabric


class Probe(nn.Module):
    """A convolution that records the types of what it gets and what its layer makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.dtypes: tuple[torch.dtype, ...] = ()
        self.images = torch.empty(0)

    def forward(self, images: Tensor) -> Tensor:
        self.images, restored = images, self.conv(images)
        self.dtypes = images.dtype, restored.dtype
        return images + restored


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_network_gets_its_images_to_the_last_bit(precision: str) -> None:
    fabric = single_process_fabric(Recipe(precision=precision))  # type: ignore[arg-type]
    probe = Probe()
    wrapped, _ = fabric.setup(probe, torch.optim.SGD(probe.parameters(), lr=0.1))
    images = torch.rand(1, 3, 8, 8).to(fabric.device)
    restored = wrapped(images)
    assert probe.dtypes == (torch.float32, getattr(torch, precision))
    assert torch.equal(probe.images, images)
    assert restored.dtype == torch.float32
    # in half precision the image, which the network passes on, loses nothing: only the branch is rounded
    branch = nn.functional.conv2d(images, probe.conv.weight, probe.conv.bias, padding=1)
    torch.testing.assert_close(restored, images + branch, rtol=0, atol=2**-7 if precision == "bfloat16" else 1e-6)
