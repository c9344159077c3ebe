"""How soon the command line answers, beside the import of torch.

    python benchmarks/help_time.py [--rounds 15]

Every round starts each command and `python -c "import torch"` once, one after the other, in processes of their
own, after a round that does not count. Prints the median seconds and the median of the ratios within a round.
"""

import argparse
import subprocess
import sys
import time
from statistics import median

TORCH = (sys.executable, "-c", "import torch")
ANSWERS = {
    "`lossmith --version`": ("--version", 0),
    "`lossmith --help`": ("--help", 0),
    "`lossmith train --help`": ("train --help", 0),
    "a mistyped option": ("train --stpes 3", 2),
    "a mistyped command": ("trian", 2),
}
"""What is measured: words on the command line, and the status that they end with."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = [measure() for _ in range(parser.parse_args().rounds + 1)][1:]
    print("| command | seconds | beside `import torch` |\n| --- | --- | --- |")
    print(f'| `python -c "import torch"` | {median(torch for torch, _ in rounds):.2f} | 1 |')
    for name in ANSWERS:
        seconds = median(answers[name] for _, answers in rounds)
        ratio = median(answers[name] / torch for torch, answers in rounds)
        print(f"| {name} | {seconds:.2f} | {ratio:.2f} |")


def measure() -> tuple[float, dict[str, float]]:
    """The seconds of torch's import, and of each answer."""
    torch = seconds_of(TORCH, 0)
    return torch, {
        name: seconds_of((sys.executable, "-m", "lossmith", *words.split()), status)
        for name, (words, status) in ANSWERS.items()
    }


def seconds_of(command: tuple[str, ...], status: int) -> float:
    start = time.perf_counter()
    process = subprocess.run(command, capture_output=True)
    seconds = time.perf_counter() - start
    assert process.returncode == status, process.stderr.decode()
    return seconds


if __name__ == "__main__":
    main()
