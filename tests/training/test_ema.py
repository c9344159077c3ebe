"""The moving average of the weights equals its formula, and buffers are copied."""

import torch
from torch import nn

from lossmith.training.ema import EMA


def test_buffers_are_copied_and_weights_averaged() -> None:
    network = nn.BatchNorm2d(3)
    average = EMA(network, decay=0.75)
    nn.init.constant_(network.weight, 5.0)
    network(torch.rand(2, 3, 4, 4))
    average.update(network)
    torch.testing.assert_close(average.module.weight, torch.full((3,), 0.75 * 1.0 + 0.25 * 5.0))
    assert not torch.equal(network.running_mean, torch.zeros(3))
    assert torch.equal(average.module.running_mean, network.running_mean)
    assert torch.equal(average.module.num_batches_tracked, network.num_batches_tracked)
