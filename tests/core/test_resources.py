"""Free memory and disk space, and one sentence where it does not suffice."""

from pathlib import Path

import pytest

from lossmith.core import resources
from lossmith.core.errors import LossmithError


def test_a_full_disk_is_reported_beforehand_and_existing_files_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "free_disk", lambda folder: 5_000)
    resources.check_disk(tmp_path / "new", 5_000, "the results")
    with pytest.raises(LossmithError, match="the results take about 9 kB, and 5 kB are free on the disk"):
        resources.check_disk(tmp_path / "new", 9_000, "the results")
    (tmp_path / "model").write_bytes(bytes(4_000))
    resources.check_disk(tmp_path, 9_000, "the results")


def test_free_disk_is_that_of_the_nearest_existing_folder(tmp_path: Path) -> None:
    assert resources.nearest_existing(tmp_path / "a" / "b") == tmp_path
    assert resources.free_disk(tmp_path / "a" / "b") > 0


def test_free_memory_is_the_smallest_of_all_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"_machine_memory": 3_000, "_cgroup_memory": None, "_ulimit_memory": 2_000}
    for name, value in limits.items():
        monkeypatch.setattr(resources, name, lambda value=value: value)
    assert resources.free_memory() == 2_000
    monkeypatch.setattr(resources, "_ulimit_memory", lambda: -1)  # the limit was lowered below what is in use
    assert resources.free_memory() == 0


def test_the_file_cache_of_a_cgroup_counts_as_free(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 300\n")
    assert resources._free_in_cgroup(tmp_path) == 400
    (tmp_path / "memory.max").write_text("max\n")
    assert resources._free_in_cgroup(tmp_path) is None
