"""A loss in a training loop of your own, with its terms logged from the same forward pass.

    python training_loop.py

Needs torch and safetensors alone: `pip install .` without extras.
"""

import torch
from torch import Tensor, nn

from lossmith.losses import loss


def train(steps: int = 80) -> list[dict[str, float]]:
    """Learn to undo a fixed change of contrast; returns the terms of the loss at each step."""
    torch.manual_seed(0)
    network = nn.Conv2d(3, 3, kernel_size=1)
    criterion = loss("0.84*ssim + 0.16*l1")
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    log = []
    for step in range(steps):
        target = torch.rand(4, 3, 6, 6).repeat_interleave(8, 2).repeat_interleave(8, 3)
        degraded = 0.5 * target + 0.25
        criterion.progress = step / steps  # for schedules such as "l1 until 50% then l2"
        terms: dict[str, Tensor] = criterion.terms(network(degraded), target)
        optimizer.zero_grad()
        sum(terms.values()).backward()  # the terms add up to the loss
        optimizer.step()
        log.append({name: value.item() for name, value in terms.items()})
    return log


if __name__ == "__main__":
    for step, terms in enumerate(train()):
        if step % 10 == 0:
            print(step, ", ".join(f"{name} {value:.4f}" for name, value in terms.items()))
