"""What happens on a bad day: full and read-only disks, damaged states, two processes in one folder, odd clocks."""

import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from .conftest import ReferenceRun
from .processes import Fault, ForkServer
from .sameness import assert_same

# --- a full disk ------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(place: Path) -> Iterator[Callable[[int], None] | None]:
    """A file system in memory, and what makes it larger, to kilobytes; None where mounting is not allowed."""
    place.mkdir(parents=True, exist_ok=True)
    is_mounted = _mount(place, "size=4k") == 0

    def grow(kilobytes: int) -> None:
        assert _mount(place, f"remount,size={kilobytes}k") == 0

    try:
        yield grow if is_mounted else None
    finally:
        if is_mounted:
            subprocess.run(["umount", place], check=True)


def _mount(place: Path, options: str) -> int:
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    return subprocess.run(mount, capture_output=True, check=False).returncode


OTHER_COMMANDS = ("adversarial", "learn-loss", "compare")
FULL = re.compile(
    r"lossmith: cannot write \S+/?([\w.-]+): (No space left on device|File too large); "
    r"make room, and the same command goes on"
    r"|lossmith: (the results)(?: of \d runs)? take about \S+ [kM]B, and \S+ [kM]B are free on the disk of \S+; "
    r"make room, or choose another --out"
)


@pytest.mark.parametrize(
    "name", ["train", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHER_COMMANDS)]
)
def test_a_repeatedly_full_disk_loses_nothing(
    name: str, fork_server: ForkServer, reference_runs: dict[str, ReferenceRun], tmp_path: Path
) -> None:
    """It grows a little whenever the command has ended for want of room, until there is enough."""
    reference, place = reference_runs[name], tmp_path / "disk"
    met = set()
    with small_disk(place) as grow:
        for kilobytes in (round(4 * 1.3**n) for n in range(30)):
            if grow:
                grow(kilobytes)
            outcome = fork_server.run(
                place, *reference.words, fault=Fault(largest=None if grow else 1024 * kilobytes)
            )
            if outcome.status == 0:
                break
            assert outcome.status == 2, outcome
            match = FULL.fullmatch(outcome.errors.splitlines()[-1])
            assert match, outcome.errors
            assert "Traceback" not in outcome.errors
            met.add(match[1] or match[3])
        assert outcome.status == 0
        assert_same(reference.folder, place)
    assert met, "it was full at least once"


SORTS = {
    "train": "run.yaml events metrics.csv last.ckpt model.safetensors 4.png scores.csv summary.json",
    "adversarial": "psnr/.run.yaml samples/.step-0000002.png gan/.run.yaml gan/.model.safetensors",
    "learn-loss": "learn.yaml state.ckpt run.html run.safetensors",
    "compare": "compare.yaml results.csv results.json report.html",
}
"""In the order in which they are written."""
FILL = """
import pathlib
plain = pathlib.Path.open
def full(path, mode="r", *arguments, **options):
    if {sort!r} in str(path) and set(mode) & set("wa+"):
        return plain(pathlib.Path("/dev/full"), "wb", *arguments, **options)
    return plain(path, mode, *arguments, **options)
pathlib.Path.open = full
"""
"""The system's device that is always full stands in the place of one sort of file."""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("name", SORTS)
def test_a_full_disk_for_each_kind_of_file_is_one_sentence_and_loses_nothing(
    name: str, fork_server: ForkServer, reference_runs: dict[str, ReferenceRun], tmp_path: Path
) -> None:
    reference = reference_runs[name]
    for sort in SORTS[name].split():
        outcome = fork_server.run(tmp_path, *reference.words, fault=Fault(preparation=FILL.format(sort=sort)))
        assert outcome.status == 2, outcome.errors
        match = FULL.fullmatch(outcome.errors.splitlines()[-1])
        assert match, outcome.errors
        assert sort.rpartition("/.")[2] in match[0]
        assert "Traceback" not in outcome.errors
    outcome = fork_server.run(tmp_path, *reference.words)
    assert outcome.status == 0, outcome.errors
    assert_same(reference.folder, tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize(
    ("words", "sort"),
    [
        ("export run/model.safetensors --out 1x-a.safetensors", "1x-a.safetensors"),
        ("export run/model.safetensors --out 1x-a.json", "1x-a.json"),
        ("evaluate run/model.safetensors --test {photos} --out scores.csv", "scores.csv"),
    ],
)
def test_a_full_disk_for_exports_is_one_sentence_and_loses_nothing(
    words: str, sort: str, fork_server: ForkServer, reference_runs: dict[str, ReferenceRun], photos: Path
) -> None:
    folder = reference_runs["train"].folder
    arguments = words.format(photos=photos).split()
    outcome = fork_server.run(folder, *arguments, fault=Fault(preparation=FILL.format(sort=f".{sort}.")))
    assert outcome.status == 2, outcome.errors
    assert FULL.fullmatch(outcome.errors.splitlines()[-1]), outcome.errors
    assert not (folder / sort).exists()


# --- a disk that may not be written, a damaged state ------------------------------------------------------------


@pytest.mark.parametrize("name", ["train", "learn-loss", "compare"])
def test_a_read_only_folder_is_one_sentence(
    name: str, fork_server: ForkServer, reference_runs: dict[str, ReferenceRun], tmp_path: Path
) -> None:
    with read_only_folder(tmp_path) as place:
        outcome = fork_server.run(place, *reference_runs[name].words)
        assert not list(place.glob("run*"))
    assert outcome.status == 2
    message = r"Read-only file system|Permission denied|Operation not permitted"
    assert re.fullmatch(rf"lossmith: cannot write \S+: ({message})\n", outcome.errors), outcome.errors


@contextmanager
def read_only_folder(near: Path) -> Iterator[Path]:
    """One that is so for whoever runs this: mounted, or protected, or for root where it may not mount, /sys."""
    place = near / "disk"
    place.mkdir()
    if _mount(place, "ro") == 0:
        try:
            yield place
        finally:
            subprocess.run(["umount", place], check=True)
    elif os.geteuid():
        place.chmod(0o500)
        yield place
    else:
        yield Path("/sys")


def states(folder: Path) -> tuple[Path, Path]:
    """The latest state of a command that was killed, and the one before it."""
    (previous,) = folder.rglob("*.previous.ckpt")
    return previous.with_name(previous.name.replace(".previous", "")), previous


def truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def flip(content: bytes, rng: random.Random) -> bytes:
    position, bit = rng.randrange(len(content)), rng.randrange(8)
    return content[:position] + bytes([content[position] ^ 1 << bit]) + content[position + 1 :]


def empty(content: bytes, rng: random.Random) -> bytes:
    return b""


def kill_half_way(reference: ReferenceRun, fork_server: ForkServer, folder: Path) -> None:
    fault = Fault(at_touch=int(0.6 * reference.outcome.touches))
    assert fork_server.run(folder, *reference.words, fault=fault).status < 0


@pytest.mark.parametrize(
    ("name", "damage"), [("train", truncate), ("train", flip), ("train", empty), ("learn-loss", flip)]
)
def test_a_damaged_checkpoint_is_detected_and_the_previous_one_used(
    name: str,
    damage: Callable[[bytes, random.Random], bytes],
    fork_server: ForkServer,
    reference_runs: dict[str, ReferenceRun],
    tmp_path: Path,
) -> None:
    reference = reference_runs[name]
    kill_half_way(reference, fork_server, tmp_path)
    latest, _ = states(tmp_path)
    latest.write_bytes(damage(latest.read_bytes(), random.Random(5)))
    outcome = fork_server.run(tmp_path, *reference.words)
    assert outcome.status == 0, outcome.errors
    path = latest.relative_to(tmp_path)
    sentence = (
        f"lossmith: {path} is damaged (its checksum is wrong), so this goes on from the state saved before it"
    )
    assert outcome.errors.splitlines().count(sentence) == 1
    assert_same(reference.folder, tmp_path)


@pytest.mark.parametrize("name", ["train", "learn-loss"])
def test_two_damaged_checkpoints_are_one_sentence_with_advice(
    name: str, fork_server: ForkServer, reference_runs: dict[str, ReferenceRun], tmp_path: Path
) -> None:
    reference = reference_runs[name]
    kill_half_way(reference, fork_server, tmp_path)
    files = states(tmp_path)
    for path in files:
        path.write_bytes(flip(path.read_bytes(), random.Random(6)))
    outcome = fork_server.run(tmp_path, *reference.words)
    assert outcome.status == 2
    names = " and ".join(str(path.relative_to(tmp_path)) for path in files)
    anew = "start this run anew" if name == "train" else "learn this loss anew"
    assert outcome.errors.splitlines()[-1] == f"lossmith: {names} are damaged; delete both to {anew}"
    for path in files:
        path.unlink()
    assert fork_server.run(tmp_path, *reference.words).status == 0
    assert_same(reference.folder, tmp_path)


# --- two processes, odd clocks, lost images -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train", "adversarial", "learn-loss", "compare"])
def test_a_second_process_is_refused_and_harms_nothing(
    name: str,
    fork_server: ForkServer,
    second_fork_server: ForkServer,
    reference_runs: dict[str, ReferenceRun],
    tmp_path: Path,
) -> None:
    """The first waits in a step until the second has ended; both were given the same command."""
    reference, go = reference_runs[name], tmp_path / "go"
    first = fork_server.begin(tmp_path, *reference.words, fault=Fault(preparation=WAIT.format(go=str(go))))
    start = time.monotonic()
    while not list(tmp_path.rglob(".lock")):
        assert time.monotonic() < start + 120, "the first process has taken no lock"
        time.sleep(0.01)
    try:
        refusal = second_fork_server.run(tmp_path, *reference.words)
    finally:
        go.touch()
        outcome = first()
    assert refusal.status == 2, refusal.errors
    assert re.fullmatch(
        r"lossmith: \S+ is in use by another lossmith \(process \d+ on \S+\); "
        r"wait until it has ended, or choose another --out\n",
        refusal.errors,
    )
    assert outcome.status == 0, outcome.errors
    go.unlink()
    assert not list(tmp_path.rglob(".lock"))
    assert_same(reference.folder, tmp_path)


WAIT = """
import pathlib, time
from lossmith.loss_learning.wgan import ScaleWGAN
from lossmith.training.supervised import SupervisedModule
for kind, name in ((SupervisedModule, "training_step"), (ScaleWGAN, "train_iteration")):
    def waiting(self, *arguments, plain=getattr(kind, name)):
        while not pathlib.Path({go!r}).exists():
            time.sleep(0.01)
        return plain(self, *arguments)
    setattr(kind, name, waiting)
"""


JUMP = """
import itertools, random, time
rng = random.Random(8)
time.time = lambda: rng.uniform(0, 4e9)
time.time_ns = lambda: int(1e9 * time.time())
"""


@pytest.mark.parametrize("name", ["train", "learn-loss", "compare"])
def test_a_clock_that_jumps_changes_nothing(
    name: str, fork_server: ForkServer, reference_runs: dict[str, ReferenceRun], tmp_path: Path
) -> None:
    """Between 1970 and 2096, to and fro at every look, also from one sitting to the next."""
    reference = reference_runs[name]
    stop = Fault(preparation=JUMP, at_touch=int(0.6 * reference.outcome.touches))
    assert fork_server.run(tmp_path, *reference.words, fault=stop).status < 0
    outcome = fork_server.run(tmp_path, *reference.words, fault=Fault(preparation=JUMP))
    assert outcome.status == 0, outcome.errors
    assert_same(reference.folder, tmp_path)


LOSE = """
import pathlib
from lossmith.loss_learning.wgan import ScaleWGAN
from lossmith.training.supervised import SupervisedModule
for kind, name in ((SupervisedModule, "training_step"), (ScaleWGAN, "train_iteration")):
    def losing(self, *arguments, plain=getattr(kind, name)):
        for path in pathlib.Path("photos").iterdir():
            path.write_bytes(path.read_bytes()[:100])
        return plain(self, *arguments)
    setattr(kind, name, losing)
"""


@pytest.mark.parametrize("name", ["train", "learn-loss", "compare"])
def test_images_that_become_unreadable_are_named(
    name: str, fork_server: ForkServer, reference_runs: dict[str, ReferenceRun], photos: Path, tmp_path: Path
) -> None:
    """A run that has begun does not miss them; one that is to go on says which, and goes on when it is back."""
    reference = reference_runs[name]
    words = [word.replace(str(photos), "photos") for word in reference.words]
    shutil.copytree(photos, tmp_path / "photos")
    half = Fault(preparation=LOSE, at_touch=int(0.6 * reference.outcome.touches))
    assert fork_server.run(tmp_path, *words, fault=half).status < 0
    outcome = fork_server.run(tmp_path, *words)
    assert outcome.status == 2
    assert re.fullmatch(r"lossmith: image 'photos/0\.png' is truncated or damaged \(.*\)\n", outcome.errors)
    shutil.copytree(photos, tmp_path / "photos", dirs_exist_ok=True)
    outcome = fork_server.run(tmp_path, *words, fault=Fault(preparation=LOSE))
    assert outcome.status == 0, outcome.errors
    shutil.rmtree(tmp_path / "photos")
    assert_same(
        reference.folder, tmp_path, ignored={"report.html", "results.json", "run.html"}
    )  # which name the folder


# --- memory -----------------------------------------------------------------------------------------------------


EXHAUST = """
import resource
import torch
from lossmith.loss_learning.wgan import ScaleWGAN
from lossmith.training.supervised import SupervisedModule
for kind, name in ((SupervisedModule, "forward_backward"), (ScaleWGAN, "train_iteration")):
    def exhausting(self, *arguments, plain=getattr(kind, name), calls=[]):
        calls.append(self)
        given = plain(self, *arguments)
        if len(calls) == 3:
            soft, hard = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (8 << 30, hard))
            try:
                torch.empty(64 << 30, dtype=torch.uint8)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        return given
    setattr(kind, name, exhausting)
"""


@pytest.mark.parametrize(
    ("name", "subject", "sentence", "lower"),
    [
        ("train", r"for steps of 2 patches of 32 pixels .* any more", "step 2", "--batch or --patch, or .*"),
        ("adversarial", r"for steps of 2 patches of 32 pixels .* any more", "step 2", "--batch or --patch, or .*"),
        ("learn-loss", "to learn this loss", "iteration 2 of scale 1", "--batch, --crop or --width,"),
    ],
)
def test_out_of_memory_in_the_middle_of_a_step_loses_nothing(
    name: str,
    subject: str,
    sentence: str,
    lower: str,
    fork_server: ForkServer,
    reference_runs: dict[str, ReferenceRun],
    tmp_path: Path,
) -> None:
    """By the system's limit, which torch's allocator meets in the third step, when gradients are there already."""
    reference = reference_runs[name]
    seldom = "99" if name != "learn-loss" else "0"  # an iteration that fails has changed something
    words = [seldom if before == "--save-every" else word for before, word in pairwise(["", *reference.words])]
    outcome = fork_server.run(tmp_path, *words, fault=Fault(preparation=EXHAUST))
    assert outcome.status == 2, outcome.errors
    assert re.fullmatch(
        rf"lossmith: there is not enough memory {subject}; the state after {sentence} is saved: end what else "
        rf"uses the device, and the same command goes on; or lower {lower} with another --out",
        outcome.errors.splitlines()[-1],
    )
    outcome = fork_server.run(tmp_path, *reference.words)
    assert outcome.status == 0, outcome.errors
    assert_same(reference.folder, tmp_path)
