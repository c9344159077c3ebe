"""`lossmith study`: which network and which layer make the best deep perceptual loss."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from lossmith import studies
from lossmith.commands.command_line import command_line
from lossmith.commands.executors.execution import Execution
from lossmith.commands.option_types import NamesOption, PathOption, ProgressOption
from lossmith.commands.outcome import Outcome
from lossmith.commands.study.job import OpenBenchmark, StudyJob, StudyRun, find_runs
from lossmith.core.devices import device_name
from lossmith.core.errors import LossmithError, counted
from lossmith.core.files import check_folder, safe_file_name
from lossmith.core.lock import folder_lock
from lossmith.core.progress import progress_option
from lossmith.core.run_config import check, write_or_check
from lossmith.studies import Scale, Weights

if TYPE_CHECKING:
    from lossmith.studies import Selection
    from lossmith.studies.analysis import StudyAnalysis

logger = logging.getLogger(__name__)

LAYOUT = "a folder with a folder for each benchmark, similarity, sr, delineation or reduction"

TRIAL_REMARKS = ("the scale tiny only shows that everything works; what it recommends means nothing",)
EARLIER_REMARKS = ("a part of this was run by earlier commands; the one at the end of the page is the last",)


@dataclass(frozen=True, repr=False)
class StudyResult(Outcome):
    """The result of a study."""

    analysis: StudyAnalysis
    """All findings: for each benchmark a recommendation, scores and ranks, and what they say together."""
    runs: list[StudyRun]
    """Every run with its scores, those of earlier calls included, and the failed ones of this call."""
    table: Path
    """All scores."""
    report: Path
    """The page."""

    @property
    def status(self) -> int:
        """1 where a run failed."""
        return int(any(run.failure for run in self.runs))

    @property
    def recommendations(self) -> dict[str, str]:
        """Which network and layer to use, in a sentence or two, by benchmark."""
        return {benchmark.name: benchmark.recommendation for benchmark in self.analysis.benchmarks}

    def __str__(self) -> str:
        return "\n".join([*self.recommendations.values(), f"report: {self.report}"])


@progress_option
def study(
    *,
    data: PathOption,
    networks: NamesOption = None,
    layers: NamesOption = None,
    benchmarks: NamesOption = None,
    weights: Weights = "both",
    scale: Scale = "small",
    seeds: int = 1,
    out: Path = Path("runs/study"),
    execution: Execution = Execution(),
    progress: ProgressOption = True,
) -> StudyResult:
    """Find out which network and which of its layers make the best deep perceptual loss for your data.

    Each layer of each network is used as a loss, one at a time, on every benchmark; docs/study.md tells of them
    and of the layout of their data. A stopped study goes on with the same command, and where networks, layers,
    benchmarks or seeds are added later, only what is missing is run. It writes a page, `results.csv`,
    `results.json` and a folder for every run.

    Parameters
    ----------
    data
        The folder of data, with a folder for each benchmark: `similarity`, `sr`, `delineation`, `reduction`.
    networks
        Names of torchvision (vgg19), of timm (timm/resnet18), or import paths of your own
        (my_package.my_module:MyNet) [default: the fourteen of Pihlgren et al. and timm/tf_efficientnet_lite0,
        where their weights are at hand].
    layers
        Names of layers as in `features(...)`, each taken on every network that has it [default: four of each].
    benchmarks
        Some of similarity, sr, delineation and reduction, with options as in "sr(factor=8)", or import paths of
        your own [default: those with data].
    weights
        Trained weights, random ones, which tell what training brings, or both.
    scale
        How much work each run is: tiny is a trial, small takes minutes on two cores, full is as published.
    seeds
        Runs per configuration, each with its own first weights and batches.
    out
        Folder of the study.
    execution
        Where the runs are carried out.
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    from lossmith.commands.study.report import StudySettings, stored_benchmarks, write_results

    data, out = Path(data), Path(out)
    check_folder(out, "a study with its page")
    if not data.is_dir():
        raise LossmithError(f"'{data}' is not a folder; `data` is {LAYOUT}")
    executor = execution.build(1)
    _check_choices(weights, scale, seeds)
    names = {"networks": _listed(networks), "layers": _listed(layers), "benchmarks": _listed(benchmarks)}
    selection = studies.select(names["networks"], names["layers"], weights)
    opened, left_out = _open(data, names["benchmarks"], scale)
    settings = {"weights": weights, "scale": scale, "seeds": seeds}
    command = command_line("study", (), data=data, **names, **settings, out=out)
    check(out / "study.yaml", {"scale": scale})
    for spec, source in opened.items():
        check(_benchmark_file(out, source), _benchmark_config(spec, source, scale))
    stored_benchmarks(out)  # raises now what would keep the page from being written after all runs
    jobs = _jobs(selection, opened, scale, seeds, out)
    remarks = (*(TRIAL_REMARKS if scale == "tiny" else ()), *left_out, *selection.remarks)
    for remark in remarks:
        logger.warning(remark)
    with folder_lock(out):
        write_or_check(out / "study.yaml", {"scale": scale})
        for spec, source in opened.items():
            write_or_check(_benchmark_file(out, source), _benchmark_config(spec, source, scale))
        logger.info(_announcement(jobs, selection, opened, scale, out))
        failed = []
        shared = {source.benchmark.name: source for source in opened.values()}
        with closing(executor.run_jobs(jobs, shared)) as results:
            for run in results:
                if run.failure:  # the others go on, and the page names this one
                    logger.error(f"{run.name}: {run.failure}")
                    failed.append(run)
        runs = [run for path in sorted(out.glob("runs/*/benchmark.yaml")) for run in find_runs(path.parent)]
        if not runs:
            raise LossmithError(f"no run was finished: {failed[0].name}: {failed[0].failure}")
        runs = _in_order([*runs, *failed], jobs)
        if not {run.folder for run in runs} <= {job.folder for job in jobs}:
            remarks += EARLIER_REMARKS
        analysis = write_results(out, runs, StudySettings(scale, command, selection, remarks, shared))
        return StudyResult(analysis, runs, out / "results.csv", out / "report.html")


def _check_choices(weights: str, scale: str, seeds: int) -> None:
    for name, value, choices in (("weights", weights, get_args(Weights)), ("scale", scale, get_args(Scale))):
        if value not in choices:
            raise LossmithError(f"`{name}` must be {', '.join(choices[:-1])} or {choices[-1]}, not {value!r}")
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise LossmithError(f"`seeds` must be a whole number, at least 1, not {seeds!r}")


def _listed(names: str | Sequence[str] | None) -> list[str] | None:
    return [names] if isinstance(names, str) else names if names is None else list(names)


def _open(data: Path, names: Sequence[str] | None, scale: Scale) -> tuple[dict[str, OpenBenchmark], list[str]]:
    """The benchmarks by what they are called in the options, with their data, and remarks on those left out.

    Those that are not named need no data.
    """
    from lossmith.studies.benchmarks import BENCHMARKS, benchmark

    if names is None:
        specs = [name for name in BENCHMARKS if (data / name).is_dir()]
    else:
        specs = list(dict.fromkeys(names))
    chosen = {spec: benchmark(spec) for spec in specs}
    spec_of: dict[str, str] = {}
    for spec, each in chosen.items():
        if (other := spec_of.setdefault(each.name, spec)) != spec:
            raise LossmithError(
                f"benchmarks {other} and {spec} have the same name, {each.name}; rename one of them"
            )
        if not (folder := data / each.name).is_dir():
            raise LossmithError(f"'{folder}' is not a folder, and `benchmarks={spec}` needs its data there")
    # workers, which may open files by these paths, can be in another folder
    opened = {s: OpenBenchmark(each, each.open(data.absolute() / each.name, scale)) for s, each in chosen.items()}
    for spec, source in opened.items():
        if not isinstance(getattr(source.data, "fingerprint", None), Mapping):
            raise LossmithError(
                f"benchmark '{spec}': the data that its method open returns needs an attribute fingerprint, a "
                "mapping of what sets it apart from other data"
            )
    if not opened:
        raise LossmithError(f"'{data}' holds no data of any benchmark; `data` is {LAYOUT}")
    absent = BENCHMARKS.keys() - set(specs) if names is None else ()
    return opened, [f"{name} is left out, since there is no folder '{data / name}'" for name in sorted(absent)]


def _benchmark_file(out: Path, source: OpenBenchmark) -> Path:
    return out / "runs" / source.benchmark.name / "benchmark.yaml"


def _benchmark_config(spec: str, source: OpenBenchmark, scale: Scale) -> dict[str, object]:
    return {"benchmark": spec, "scale": scale, "data": dict(source.data.fingerprint)}


def _jobs(
    selection: Selection, opened: Mapping[str, OpenBenchmark], scale: Scale, seeds: int, out: Path
) -> list[StudyJob]:
    """A job for every seed, benchmark and configuration, the baselines included."""
    configurations = (studies.Configuration(), *selection.configurations)
    weights = {configuration: studies.weights_digest(configuration) for configuration in configurations}
    jobs = []
    for seed in range(seeds):
        for source in opened.values():
            name = source.benchmark.name
            fingerprint = json.dumps(source.data.fingerprint, sort_keys=True, default=str)
            for configuration in configurations:
                folder = out / "runs" / name / safe_file_name(configuration.name) / f"seed-{seed}"
                identity = {
                    "data": sha256(fingerprint.encode()).hexdigest(),
                    "weights_file": weights[configuration],
                }
                jobs.append(StudyJob(name, configuration, seed, scale, folder, identity))
    return jobs


def _announcement(
    jobs: Sequence[StudyJob], selection: Selection, opened: Mapping[str, OpenBenchmark], scale: Scale, out: Path
) -> str:
    left = sum(job.load_result() is None for job in jobs)
    networks = {configuration.network: 0 for configuration in selection.configurations}
    titles = ", ".join(source.benchmark.title for source in opened.values())
    done = f", {len(jobs) - left} of them done" if left < len(jobs) else ""
    runs = f"{counted(len(jobs), 'run')}{done}, at scale {scale}"
    return f"studying {', '.join(map(str, networks))} by {titles}; {runs}; {device_name()}; into {out}"


def _in_order(runs: Sequence[StudyRun], jobs: Sequence[StudyJob]) -> list[StudyRun]:
    """Runs in the order of this call's jobs, those of earlier calls last."""
    places = {(job.benchmark, job.configuration, job.seed): place for place, job in enumerate(jobs)}
    return sorted(runs, key=lambda run: places.get((run.benchmark, run.configuration, run.seed), len(places)))
