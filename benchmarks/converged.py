"""Losses at a budget that counts: trained until little is gained any more, and judged by what they did not see.

    python benchmarks/converged.py train sr --losses l1 l2 mix ssim --seeds 0:2   # minutes a run on one core
    python benchmarks/converged.py train sr --list                                # all losses, cheap ones first
    python benchmarks/converged.py train sr --race 2:5   # of all losses; more seeds where they decide something
    python benchmarks/converged.py join OTHER/docs/converged                      # runs of another machine
    python benchmarks/converged.py cost sr                                        # CPU time of each loss
    python benchmarks/converged.py page                                           # from the tables alone

`train` needs LOSSMITH_DATA, or --data: a folder with train/BSDS500_train, train/free_photos, train/BSDS500_test,
test/Set5 and so on; and LOSSMITH_WEIGHTS for the judges. Every run goes into the tables of docs/converged as it
ends; a stopped run continues with the same command, and one that the tables have is not trained again.
"""

import argparse
import math
import time
from pathlib import Path

import torch

import run_tables as tables
from converged_page import write_page
from long_runs import BATCH, PATCH, RATES, TASKS, LongRuns, catalogue, data_folder, seeds_of
from lossmith.evaluation import Race
from lossmith.losses import loss

FOLDER = Path(__file__).parents[1] / "docs" / "converged"
PAGE = FOLDER.with_suffix(".md")
STEPS = 6000


def race_of(text: str) -> Race:
    """A race from A to B seeds."""
    least, _, most = text.partition(":")
    return Race(int(least), int(most))


def cpu_seconds(expression: str, rounds: int = 6) -> float:
    """CPU time of a loss forward and backward on a batch of the trainings, the least of several rounds."""
    torch.set_num_threads(1)
    criterion, clean = loss(expression), torch.rand(BATCH, 3, PATCH, PATCH)
    times = []
    for _ in range(rounds):
        restored = (clean + 0.05 * torch.randn_like(clean)).requires_grad_()
        begin = time.process_time()
        criterion(restored, clean).backward()
        times.append(time.process_time() - begin)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, default=FOLDER, help="folder of the tables")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train, and put every run into the tables")
    train.add_argument("task", choices=TASKS)
    train.add_argument("--list", action="store_true", help="print the losses of the task, and stop")
    train.add_argument("--losses", nargs="+", help="default: all of --list")
    train.add_argument("--seeds", type=seeds_of, default=range(2), help="A:B, from A to below B [default: 0:2]")
    train.add_argument("--race", type=race_of, help="A:B, from A to B seeds of each loss, as far as they decide")
    train.add_argument("--steps", type=int, default=STEPS)
    train.add_argument("--rates", type=float, nargs="+", default=RATES, help="learning rates to choose from")
    train.add_argument("--data", type=Path, default=data_folder(), help="default: LOSSMITH_DATA")
    train.add_argument("--first", type=int, help="of each test folder at most, for a trial")
    train.add_argument("--out", type=Path, default=Path("runs/converged"))
    train.add_argument("--at-most", type=float, metavar="MINUTES", help="begin no run after so long")
    train.add_argument("--again", action="store_true", help="also runs that the tables have")
    join = commands.add_parser("join", help="merge the tables of another folder into these")
    join.add_argument("folder", type=Path)
    commands.add_parser("page", help="write the page and its charts from the tables")
    cost = commands.add_parser("cost", help="what each loss of a task takes, on one thread")
    cost.add_argument("task", choices=TASKS)
    options = parser.parse_args()
    if options.command == "join":
        print(*tables.join(options.folder, options.tables), sep="\n")
    elif options.command == "page":
        write_page(PAGE, options.tables)
    elif options.command == "cost":
        for expression in catalogue(options.task):
            print(f"{1000 * cpu_seconds(expression):6.0f} ms  {expression}", flush=True)
    elif options.list:
        print(*catalogue(options.task), sep="\n")
    elif options.data is None:
        parser.error("name the folder of the pictures by --data or LOSSMITH_DATA")
    else:
        runs = LongRuns(
            options.task,
            options.steps,
            options.data,
            options.out,
            options.tables,
            options.rates,
            options.first,
        )
        losses = options.losses or catalogue(options.task)
        race, seeds = options.race, options.seeds
        end = time.monotonic() + 60 * (options.at_most or math.inf)
        for sentence in runs.race(losses, race) if race else runs.carry_out(losses, seeds, options.again):
            print(sentence, flush=True)
            if time.monotonic() > end:
                break


if __name__ == "__main__":
    main()
