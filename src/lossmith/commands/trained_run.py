"""What the results of finished runs have in common: a folder, and the model in it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lossmith import models, training

if TYPE_CHECKING:
    from torch import nn


class TrainedRun:
    """The result of a run, whose model is loaded when it is first asked for."""

    folder: Path
    network: str
    """The network's expression."""

    @property
    def run_folder(self) -> training.RunFolder:
        """The folder, with names for its files."""
        return training.RunFolder(self.folder)

    @property
    def model_path(self) -> Path:
        """The model's file, which holds the weights and the receipt."""
        return self.run_folder.model

    @cached_property
    def model(self) -> nn.Module:
        """The trained network in eval mode on the CPU: (N, C, h, w) to (N, C, scale * h, scale * w).

        Images are on the scale of the range, which is [0, 1] for those of 8 bits.

        Raises LossmithError when its file is missing or damaged.
        """
        return models.load_model(self.model_path, self.network).restorer
