"""One at a time in a folder, and nothing left behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from lossmith.core.errors import LossmithError
from lossmith.core.lock import folder_lock


def test_a_second_process_is_refused_and_accepted_afterwards(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        sentence = r"is in use by another lossmith \(process \d+ on .+\); wait"
        with pytest.raises(LossmithError, match=sentence), folder_lock(tmp_path):
            pass
        with pytest.raises(LossmithError):  # the refusal has not set it free
            folder_lock(tmp_path).__enter__()
    with folder_lock(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_unused_folders_are_removed(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not list(tmp_path.iterdir())
    with folder_lock(tmp_path / "a" / "b"):
        (tmp_path / "a" / "mine").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "mine"]


def test_the_lock_holder_removes_partial_files_and_nothing_else(tmp_path: Path) -> None:
    for name in (".run.yaml.123.part", "mine.part", ".mine"):
        (tmp_path / name).touch()
    with folder_lock(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine", "mine.part"]


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from lossmith.core.lock import folder_lock\n"
        "with folder_lock(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, tmp_path], check=False).returncode == -9
    assert (tmp_path / ".lock").is_file()
    with folder_lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_created_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sentence = r"^cannot write .*file/folder/\.lock: Not a directory$"
    with pytest.raises(LossmithError, match=sentence), folder_lock(tmp_path / "file" / "folder"):
        pass
