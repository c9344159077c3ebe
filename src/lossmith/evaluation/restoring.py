"""A restorer applied to whole test pictures."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from lossmith.degradations import resize_8bit
from lossmith.errors import LossmithError
from lossmith.evaluation.protocol import Protocol, protocol_for
from lossmith.images import Pair


def restore_pictures(restorer: nn.Module, pairs: Sequence[Pair]) -> Iterator[Tensor]:
    """Each degraded picture restored whole, (3, H, W) on the CPU, in float32."""
    device = next(restorer.parameters()).device
    for pair in pairs:
        try:
            with torch.inference_mode():
                restored = restorer(pair.degraded[None].to(device))[0].float().cpu()
        except Exception as error:  # whatever a network of one's own may raise
            size, kind = f"{pair.degraded.shape[1]}x{pair.degraded.shape[2]}", type(error).__name__
            raise LossmithError(
                f"the network fails on '{pair.name}', {size} pixels, with {kind}: {error}"
            ) from error
        if restored.shape != pair.clean.shape:
            raise LossmithError(
                f"the network makes {tuple(restored.shape)} of '{pair.name}', whose target is "
                f"{tuple(pair.clean.shape)}; does it enlarge by {pair.scale}?"
            )
        yield restored


def protocol_of(pairs: Sequence[Pair]) -> Protocol:
    """The protocol of papers for these pictures."""
    return protocol_for(pairs[0].scale, [pair.damage for pair in pairs], any(pair.gray for pair in pairs))


def baseline(pair: Pair) -> Tensor:
    """What one has without a network: the degraded picture, enlarged as MATLAB does it where it is smaller."""
    return pair.degraded if pair.scale == 1 else resize_8bit(pair.degraded, pair.scale)
