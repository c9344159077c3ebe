"""What the results of finished runs have in common: a folder, and the model in it."""

from functools import cached_property
from pathlib import Path

from torch import nn

from lossmith.models.model_file import load_model
from lossmith.training import RunFolder


class TrainedRun:
    """The result of a run, whose model is loaded when it is first asked for."""

    folder: Path
    network: str
    """The network's expression."""

    @property
    def run_folder(self) -> RunFolder:
        """The folder, with names for its files."""
        return RunFolder(self.folder)

    @property
    def model_path(self) -> Path:
        """The model's file, which holds the weights and the receipt."""
        return self.run_folder.model

    @cached_property
    def model(self) -> nn.Module:
        """The trained network in eval mode on the CPU: (N, 3, h, w) in [0, 1] to (N, 3, scale * h, scale * w).

        Raises LossmithError when its file is missing or damaged.
        """
        return load_model(self.model_path, self.network).restorer
