"""Commands that are done in a second, and the place where they are run and killed."""

import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .processes import Fault, ForkServer, Outcome, fault_counts

RECIPE = (
    "{photos} --degradation noise(25) --network srresnet_small(features=4,blocks=1) --batch 2 --patch 32 "
    "--save-every 0 --out run "
)
COMMANDS = {
    "train": "train " + RECIPE + "--loss l1 --steps 8 --ema 0.9",
    "adversarial": "train " + RECIPE + "--loss l1 --steps 4 --psnr-steps 4 --discriminator vgg_any(features=2)",
    "learn-loss": "learn-loss {photos}/0.png --degradation jpeg --iterations 4 --min-side 24 --width 4 "
    "--max-width 8 --crop 24 --batch 2 --save-every 0 --out run.safetensors",
    "compare": "compare " + RECIPE + "--losses l1 l2 --seeds 1 --steps 3",
    "tune": "tune " + RECIPE + "--loss l1+W*tv --search W=0.1..1 --goals psnr --trials 3 --seeds 1 --steps 4",
}


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@dataclass(frozen=True)
class ReferenceRun:
    """A command that nobody disturbed."""

    words: list[str]
    folder: Path
    outcome: Outcome

    def fault(self, rng: random.Random) -> Fault:
        """Something that kills it at a random moment: between two touches of files, in a byte, or at any time."""
        largest = max(path.stat().st_size for path in self.folder.rglob("*.ckpt"))
        return rng.choice(
            [
                Fault(at_touch=rng.randint(1, self.outcome.touches)),
                Fault(at_touch=rng.randint(1, self.outcome.touches)),
                Fault(at_byte=rng.randrange(largest)),
                Fault(after=rng.uniform(0, self.outcome.seconds)),
                Fault(after=rng.uniform(0, self.outcome.seconds), signal=rng.choice(STOP_SIGNALS)),
            ]
        )


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def second_fork_server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def commands(photos: Path) -> dict[str, list[str]]:
    return {name: words.format(photos=photos).split() for name, words in COMMANDS.items()}


@pytest.fixture(scope="session")
def reference_runs(
    fork_server: ForkServer, commands: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ReferenceRun]:
    runs = {}
    for name, words in commands.items():
        folder = tmp_path_factory.mktemp(f"whole-{name}")
        outcome = fork_server.run(folder, *words)
        assert outcome.status == 0, outcome.errors
        runs[name] = ReferenceRun(words, folder, outcome)
    return runs


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if fault_counts:
        terminalreporter.section("commands disturbed")
        for kind, count in sorted(fault_counts.items()):
            terminalreporter.write_line(f"{count:6,}  {kind}")
        terminalreporter.write_line(f"{fault_counts.total():6,}  in all")
