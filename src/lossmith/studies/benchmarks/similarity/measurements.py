"""What a run has measured so far, kept on disk until it is finished."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lossmith.core.files import safe_file_name
from lossmith.core.state_file import CheckpointFile

FORMAT = "lossmith similarity 1"


@dataclass(frozen=True)
class Measurements:
    """Tensors by name in a folder of a run, so that a stopped run goes on where it was."""

    folder: Path

    def path(self, name: str) -> Path:
        """The file of what has this name."""
        return self.folder / "measured" / f"{safe_file_name(name)}.ckpt"

    def once(self, name: str, measure: Callable[[], Tensor]) -> Tensor:
        """What was measured under this name, now or by a run that was stopped."""
        file = CheckpointFile(self.path(name), FORMAT, "measure it again")
        if (state := file.load()) is not None:
            values: Tensor = state["values"]
            return values
        values = measure()
        file.save({"values": values})
        return values

    def forget(self) -> None:
        """Remove the files, which take much space where there are many patches."""
        shutil.rmtree(self.folder / "measured", ignore_errors=True)


__all__ = ["Measurements"]
