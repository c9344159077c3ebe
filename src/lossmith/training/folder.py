"""A run is a folder; this is what its files are called and how it is recognised."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from lossmith.errors import LossmithError
from lossmith.files import file_name, write_text


@dataclass(frozen=True)
class Summary:
    """What a finished run cost."""

    steps: int
    seconds: float
    kept_mb: float
    """Megabytes that one step keeps for its backward pass: activations of the network and the loss."""
    device: str
    precision: str

    @property
    def milliseconds_per_step(self) -> float:
        return 1000 * self.seconds / max(1, self.steps)


@dataclass(frozen=True)
class RunFolder:
    """Where everything of one run lies."""

    path: Path

    @property
    def configuration(self) -> Path:
        return self.path / "run.yaml"

    @property
    def journal(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    def picture(self, name: str) -> Path:
        """Where the restored test picture of that name lies."""
        return self.path / "pictures" / f"{file_name(name)}.png"

    @property
    def scores(self) -> Path:
        return self.path / "scores.csv"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    def claim(self, configuration: dict[str, Any]) -> None:
        """Write `run.yaml`, or make sure that the one there says the same.

        Raises LossmithError when the folder belongs to another configuration.
        """
        if not self.configuration.exists() and (self.checkpoint.exists() or self.summary.exists()):
            raise LossmithError(f"{self.path} holds a run but no run.yaml that says which; choose another --out")
        claim(self.configuration, configuration)

    def finish(self, summary: Summary) -> None:
        """Mark the run as finished; this file is written last."""
        write_text(self.summary, json.dumps(asdict(summary), indent=2) + "\n")

    def finished(self) -> Summary | None:
        """What the run cost, if it is finished."""
        if not self.summary.is_file():
            return None
        try:
            return Summary(**json.loads(self.summary.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise LossmithError(
                f"{self.summary} is damaged; delete it, and the same command writes it anew"
            ) from error


def claim(path: Path, configuration: dict[str, Any]) -> None:
    """Write a configuration as YAML, or make sure that the file there holds the same one."""
    if not path.exists():
        write_text(path, yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True))
        return
    try:
        there = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LossmithError(f"{path} cannot be read as YAML; was it edited?") from error
    if there == configuration:
        return
    there = there if isinstance(there, dict) else {}
    keys = [k for k in [*configuration, *there] if there.get(k) != configuration.get(k)]
    key = keys[0] if keys else next(k for k in {**configuration, **there} if (k in there) != (k in configuration))
    raise LossmithError(
        f"{path.parent} belongs to another configuration: {key} is {there.get(key)!r} there and "
        f"{configuration.get(key)!r} here; choose another --out"
    )
