"""A command that is killed at any moment, and given again until it ends, has made what one undisturbed makes."""

import random
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from .conftest import COMMANDS, STOP_SIGNALS, ReferenceRun
from .processes import Fault, ForkServer
from .sameness import assert_same


def kill_until(
    kills: int, reference: ReferenceRun, fork_server: ForkServer, rng: random.Random, tmp_path: Path
) -> int:
    """Kill a command that often, in folder after folder; how many of these came to their end and are the same."""
    kill_count = folders = 0
    while kill_count < kills:
        folder, folders = tmp_path / str(folders), folders + 1
        while kill_count < kills:
            fault = reference.fault(rng)
            outcome = fork_server.run(folder, *reference.words, fault=fault)
            assert "Error" not in outcome.errors, (fault, outcome)
            if outcome.status == 0:
                break
            number = signal.SIGXFSZ if fault.at_byte is not None else fault.signal
            assert outcome.status in (-number, 128 + number if number in STOP_SIGNALS else -number), (
                fault,
                outcome,
            )
            kill_count += 1
        outcome = fork_server.run(folder, *reference.words)
        assert outcome.status == 0, outcome.errors
        assert_same(reference.folder, folder)
    return folders


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("train", Fault(at_byte=20_000)),
        ("train", Fault(at_touch=60)),
        ("adversarial", Fault(at_touch=130)),
        ("learn-loss", Fault(at_touch=30)),
        ("compare", Fault(at_touch=101)),
        ("tune", Fault(at_touch=140)),
    ],
)
def test_a_command_killed_once_ends_with_the_same_files(
    name: str, fault: Fault, fork_server: ForkServer, reference_runs: dict[str, ReferenceRun], tmp_path: Path
) -> None:
    reference = reference_runs[name]
    assert fork_server.run(tmp_path, *reference.words, fault=fault).status < 0
    outcome = fork_server.run(tmp_path, *reference.words)
    assert outcome.status == 0, outcome.errors
    assert_same(reference.folder, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_fifty_times_ends_with_the_same_files(
    name: str,
    fork_server: ForkServer,
    reference_runs: dict[str, ReferenceRun],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kills = {"train": 13, "adversarial": 13, "learn-loss": 12, "compare": 12, "tune": 8}[name]
    rng = random.Random(f"{name} 2")
    folders = kill_until(kills, reference_runs[name], fork_server, rng, tmp_path)
    with capsys.disabled():
        print(f"\n{name}: {kills} kills in {folders} folders, nothing lost, nothing doubled")


TELL = """
import signal
from lossmith.loss_learning.wgan import ScaleWGAN
from lossmith.training.supervised import SupervisedModule
for kind, name in ((SupervisedModule, "training_step"), (ScaleWGAN, "train_iteration")):
    def told(self, *arguments, plain=getattr(kind, name), calls=[]):
        calls.append(self)
        if len(calls) == 2:
            signal.raise_signal({number:d})
        return plain(self, *arguments)
    setattr(kind, name, told)
"""


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *(("train", number) for number in STOP_SIGNALS),
        ("adversarial", signal.SIGUSR1),
        ("learn-loss", signal.SIGTERM),
        ("compare", signal.SIGUSR1),
    ],
)
def test_a_stop_signal_saves_and_says_so(
    name: str,
    number: signal.Signals,
    fork_server: ForkServer,
    reference_runs: dict[str, ReferenceRun],
    tmp_path: Path,
) -> None:
    reference = reference_runs[name]
    rarely = ["1000" if before == "--save-every" else word for before, word in pairwise(["", *reference.words])]
    outcome = fork_server.run(tmp_path, *rarely, fault=Fault(preparation=TELL.format(number=number)))
    assert outcome.status == 128 + number, outcome.errors
    assert outcome.errors.splitlines()[-1] == "lossmith: stopped; the same command goes on from here"
    assert "Traceback" not in outcome.errors
    assert any(tmp_path.rglob("*.ckpt")), "the state was saved, though it was not yet time"
    outcome = fork_server.run(tmp_path, *reference.words)
    assert outcome.status == 0, outcome.errors
    assert_same(reference.folder, tmp_path)
