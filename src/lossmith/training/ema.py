"""The weights of a network, averaged over the run."""

from copy import deepcopy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class EMA(nn.Module):
    """A copy of a network, which follows it slowly: average = decay * average + (1 - decay) * weight.

    It begins with the network's first weights. Buffers, as batch normalization has them, are copied. torch's own
    `AveragedModel` asks the device at every step whether it is the first, and waits for the answer.
    """

    def __init__(self, of: nn.Module, decay: float) -> None:
        super().__init__()
        self.module = deepcopy(of).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take one step towards the weights of `network`."""
        ema_update = get_ema_multi_avg_fn(self.decay)  # type: ignore[no-untyped-call]
        ema_update(list(self.module.parameters()), list(network.parameters()), None)
        for mine, given in zip(self.module.buffers(), network.buffers(), strict=True):
            mine.copy_(given)
