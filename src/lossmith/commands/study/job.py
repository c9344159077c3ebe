"""One run of a study, as it is handed to an executor, and what is kept of it in its folder."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from lossmith import evaluation
from lossmith.core import provenance, run_config
from lossmith.core.errors import LossmithError
from lossmith.core.files import disk_is_full, sha256_of, write_text
from lossmith.core.lock import folder_lock

if TYPE_CHECKING:
    from lossmith.evaluation import Row
    from lossmith.studies import Benchmark, Configuration, Scale

logger = logging.getLogger(__name__)


class OpenBenchmark(NamedTuple):
    """A benchmark with its data, which the runs of a study share."""

    benchmark: Benchmark
    data: Any


@dataclass(frozen=True)
class StudyRun:
    """The result of one run of a study."""

    benchmark: str
    configuration: Configuration
    seed: int
    folder: Path
    rows: tuple[Row, ...] = ()
    milliseconds_per_step: float = math.nan
    """Of its training; nan where nothing was trained."""
    failure: str | None = None
    """Why the run failed, in one sentence."""

    @property
    def name(self) -> str:
        """The benchmark, the configuration and the seed, for messages."""
        return f"{self.benchmark}, {self.configuration.name}, seed {self.seed}"

    @property
    def images(self) -> Path:
        """The folder of its pictures, where the benchmark makes some."""
        return training_folder(self.folder) / "images"


@dataclass(frozen=True)
class StudyJob:
    """What sets one run of a study apart; the benchmark and its data are passed beside it."""

    benchmark: str
    configuration: Configuration
    seed: int
    scale: Scale
    folder: Path
    identity: Mapping[str, str]
    """Digests of the data and of the weights."""

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.benchmark,)

    @property
    def _config(self) -> dict[str, Any]:
        own = {"benchmark": self.benchmark, **asdict(self.configuration), "seed": self.seed, "scale": self.scale}
        return {**own, **self.identity}

    def run(self, source: OpenBenchmark) -> StudyRun:
        """Train and judge, from where it was stopped.

        Whatever goes wrong is a result, and the others go on; but on a full disk they could not.
        """
        try:
            return self.load_result() or self._run(source)
        except Exception as error:  # a network of the user's can raise anything
            if disk_is_full(error):
                raise
            if isinstance(error, LossmithError):
                return self.failed(str(error))
            logger.debug("a run failed", exc_info=True)
            return self.failed(f"{type(error).__name__}: {' '.join(str(error).split())}")

    def _run(self, source: OpenBenchmark) -> StudyRun:
        with folder_lock(self.folder):
            run_config.write_or_check(self.folder / "run.yaml", self._config)
            started_at = time.monotonic()
            benchmark, data = source
            folder = training_folder(self.folder)
            rows = benchmark.run(self.configuration, self.seed, data, folder, self.scale)
            _finish(self.folder, rows, f"{benchmark.name}, {self.scale}", time.monotonic() - started_at)
        return self._result()

    def load_result(self) -> StudyRun | None:
        """The result of the run, if it is finished.

        Raises LossmithError when the folder holds another run.
        """
        advice = "choose another `out`, or delete this folder to run it again"
        run_config.check(self.folder / "run.yaml", self._config, advice)
        return self._result() if is_finished(self.folder) else None

    def failed(self, reason: str) -> StudyRun:
        """The result of a run that failed for this reason."""
        return StudyRun(self.benchmark, self.configuration, self.seed, self.folder, failure=reason)

    def _result(self) -> StudyRun:
        return load_run(self.folder, self.benchmark, self.configuration, self.seed)


def training_folder(folder: Path) -> Path:
    """Where the benchmark writes, within the folder of a run."""
    return folder / "training"


def _finish(folder: Path, rows: list[Row], protocol: str, seconds: float) -> None:
    """Write the scores, and then the summary, which marks the run as finished."""
    from lossmith.studies.fitting import milliseconds_per_step

    scores = folder / "scores.csv"
    evaluation.write_csv(scores, rows, protocol)
    cost = milliseconds_per_step(training_folder(folder))
    summary = {
        "seconds": round(seconds, 2),
        "milliseconds_per_step": None if math.isnan(cost) else round(cost, 3),
        "scores": sha256_of(scores),
        **provenance.provenance(),
    }
    write_text(folder / "summary.json", json.dumps(summary, indent=2) + "\n")


def is_finished(folder: Path) -> bool:
    """Whether a folder holds the scores of a finished run; if they are damaged it has to be run again."""
    summary, scores = _summary(folder), folder / "scores.csv"
    return bool(summary) and scores.is_file() and summary.get("scores") == sha256_of(scores)


def load_run(folder: Path, benchmark: str, configuration: Configuration, seed: int) -> StudyRun:
    """A finished run."""
    cost = _summary(folder).get("milliseconds_per_step")
    rows = tuple(evaluation.read_csv(folder / "scores.csv"))
    return StudyRun(benchmark, configuration, seed, folder, rows, math.nan if cost is None else float(cost))


def find_runs(folder: Path) -> list[StudyRun]:
    """The finished runs of a benchmark within its folder, by name and seed; damaged ones are left out."""
    from lossmith.studies import Configuration

    runs = []
    for path in sorted(folder.glob("*/seed-*/run.yaml")):
        if is_finished(path.parent):
            try:
                config = yaml.safe_load(path.read_text(encoding="utf-8"))
                configuration = Configuration(config["network"], config["layer"], config["random"])
                runs.append(load_run(path.parent, config["benchmark"], configuration, config["seed"]))
            except (yaml.YAMLError, ValueError, TypeError, KeyError):
                logger.warning(f"{path} is damaged, so this run is left out; delete its folder to run it again")
    return runs


def _summary(folder: Path) -> dict[str, Any]:
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}
