"""Sample pictures of a run."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lossmith.images import write_picture


class Album:
    """A picture for every examination: crops side by side, in rows degraded, restored and clean.

    What is not a number is black: that a run has diverged is for others to say.
    """

    def __init__(self, folder: Path, most: int = 6) -> None:
        self.folder, self.most = folder, most

    def keep(self, step: int, degraded: Tensor, restored: Tensor, clean: Tensor) -> None:
        """Write the first few crops; `degraded` may be smaller than the others, (N, 3, h, w)."""
        small = interpolate(degraded.float(), size=clean.shape[-2:], mode="nearest")
        rows = [torch.cat(list(row[: self.most].float().cpu()), dim=2) for row in (small, restored, clean)]
        write_picture(self.folder / f"step-{step:07d}.png", torch.cat(rows, dim=1).nan_to_num())
