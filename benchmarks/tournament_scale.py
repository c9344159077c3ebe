"""The cost of a tournament beside the training itself, by the number of its runs.

Runs one job of one step as `compare` does: its folder, and its time without the training, are those of every run.
Then tables and page are made for tournaments of more and more runs that are copies of it with some noise in their
scores. Memory is read from /proc, so on Linux only.

    python benchmarks/tournament_scale.py                 # 2 losses x 2 seeds to 50 losses x 20 seeds
    python benchmarks/tournament_scale.py 100x10          # another shape
"""

import argparse
import resource
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lossmith.commands.compare.job import Job
from lossmith.commands.compare.report import TournamentResults, make_page
from lossmith.data import Data, prepare_data, sample_images
from lossmith.evaluation import DEGRADED, Row, baseline, protocol_for, read_csv, score_row, write_csv
from lossmith.losses import loss
from lossmith.training import Recipe, RunFolder, RunSettings

SHAPES = ("2x2", "10x10", "20x10", "50x20")


def megabytes(folder: Path) -> tuple[int, float]:
    """The number of files and their size in MB."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files) / 1e6


def resident() -> float:
    """The resident memory of this process, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def noisy(rows: list[Row], name: str, seed: int, rng: np.random.Generator) -> list[Row]:
    def with_noise(value: float) -> float:
        return value * (1 + 1e-3 * rng.standard_normal())

    return [
        replace(row, method=name, seed=seed, scores={key: with_noise(value) for key, value in row.scores.items()})
        for row in rows
    ]


def measure(shapes: list[str]) -> None:
    """Print the cost of one job, and of the tables and the page of every shape of tournament."""
    data, recipe = prepare_data(Data(test=sample_images("color")), None), Recipe(steps=1)
    protocol = protocol_for(data.source.scale)
    with TemporaryDirectory() as place:
        out = Path(place)
        job = Job("l1", out / "runs" / "l1" / "seed-0", recipe, RunSettings(protocol=protocol))
        for attempt in ("first in its process", "a later one"):
            job = replace(job, folder=out / "runs" / attempt.replace(" ", "-"))
            start = time.perf_counter()
            entry = job.run(loss("l1"), data)
            print(f"a run of one step, {attempt}: {time.perf_counter() - start:.1f} s", flush=True)
        files, size = megabytes(job.folder)
        states = megabytes(job.folder / "checkpoints")[1]
        print(f"its folder: {files} files, {size:.1f} MB, of which states {states:.1f} MB")
        untrained = [score_row(p.name, DEGRADED, baseline(p), p.clean, protocol) for p in data.test_pairs]
        mine = read_csv(RunFolder(entry.folder).scores)
        for shape in shapes:
            losses, seeds = map(int, shape.split("x"))
            rng, names = np.random.default_rng(0), [f"{k + 1}*l1" for k in range(losses)]
            pairs = [(name, seed) for seed in range(seeds) for name in names]
            before = resident()
            rows = [*untrained, *(row for name, seed in pairs for row in noisy(mine, name, seed, rng))]
            entries = [replace(entry, loss=name, seed=seed) for name, seed in pairs]
            target = out / shape
            target.mkdir()
            start = time.perf_counter()
            write_csv(target / "results.csv", rows, protocol)
            tournament = TournamentResults(names, entries, rows, data, recipe, protocol, seeds, "lossmith compare")
            make_page(tournament, target)
            sizes = ", ".join(
                f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sorted(target.iterdir())
            )
            print(
                f"{shape} = {len(pairs)} runs: tables and page {time.perf_counter() - start:.1f} s, "
                f"memory up by {resident() - before:.0f} MB to {resident():.0f} MB; {sizes}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", default=list(SHAPES), help="LOSSESxSEEDS, such as 10x10")
    measure(parser.parse_args().shapes)


if __name__ == "__main__":
    main()
