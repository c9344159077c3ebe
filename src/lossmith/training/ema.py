"""The exponential moving average of a network's weights."""

from copy import deepcopy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class EMA(nn.Module):
    """An exponential moving average of a network: average = decay * average + (1 - decay) * weight.

    It starts from the network's first weights. Buffers, such as those of batch normalization, are copied. torch's
    `AveragedModel` is not used: it synchronizes with the device at every step, to know whether it is the first.

    Parameters
    ----------
    network
        The network to average; `module` is the copy with the averaged weights.
    decay
        From 0 to below 1, such as 0.999.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.module = deepcopy(network).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the current weights of `network`."""
        ema_update = get_ema_multi_avg_fn(self.decay)  # type: ignore[no-untyped-call]
        ema_update(list(self.module.parameters()), list(network.parameters()), None)
        for average, current in zip(self.module.buffers(), network.buffers(), strict=True):
            average.copy_(current)
