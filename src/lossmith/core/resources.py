"""Free memory and free disk space."""

import os
import shutil
from pathlib import Path

from lossmith.core.errors import LossmithError


def free_memory() -> int | None:
    """Bytes that this process can allocate under the limits of the machine, its control groups and `ulimit`.

    None if that is unknown.
    """
    limits = [limit for limit in (_machine_memory(), _cgroup_memory(), _ulimit_memory()) if limit is not None]
    return max(0, min(limits)) if limits else None


def free_disk(folder: Path) -> int:
    """Free bytes on the disk of `folder`, which need not exist yet."""
    return shutil.disk_usage(nearest_existing(folder)).free


def nearest_existing(folder: Path) -> Path:
    """The folder, or its nearest ancestor that exists."""
    folder = folder.absolute()
    return next((parent for parent in (folder, *folder.parents) if parent.is_dir()), Path(folder.anchor))


def check_disk(folder: Path, need: int, what: str) -> None:
    """Raise LossmithError if the disk lacks room for `need` bytes, of which the folder may hold some already."""
    if need <= (free := free_disk(folder)):
        return
    present = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
    if need - present > free:
        raise LossmithError(
            f"{what} take about {amount(need)}, and {amount(free)} are free on the disk of {folder}; make room, "
            "or choose another `out`"
        )


def amount(size: float) -> str:
    """A number of bytes with its unit.

    >>> amount(864e6), amount(5.14e9), amount(1200)
    ('864 MB', '5.1 GB', '1 kB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            value = size / unit
            return f"{value:.1f} {name}" if value < 100 and unit == 1e9 else f"{value:.0f} {name}"
    return f"{max(1.0, size / 1e3):.0f} kB"


def _machine_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None


def _cgroup_memory() -> int | None:
    """The least memory free in the control groups (version 2, or 1) of this process."""
    free_bytes = [
        free
        for root, kind in ((Path("/sys/fs/cgroup"), "0::"), (Path("/sys/fs/cgroup/memory"), ":memory:"))
        for group in _cgroup_folders(root, kind)
        if (free := _free_in_cgroup(group)) is not None
    ]
    return min(free_bytes, default=None)


def _cgroup_folders(root: Path, kind: str) -> list[Path]:
    """The folders from the group of this process up to the root; a container sees only the root."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return [root]
    inner = next((line.partition(kind)[2] for line in lines if kind in line), "").strip("/")
    return [root / inner, *(parent for parent in (root / inner).parents if parent.is_relative_to(root))]


def _free_in_cgroup(folder: Path) -> int | None:
    for limit, usage, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            max_bytes, used_bytes = int((folder / limit).read_text()), int((folder / usage).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            return max_bytes - used_bytes + int(stat.get(cache, 0))  # the kernel drops the page cache on demand
        except (OSError, ValueError):  # no such group, or one without a limit
            continue
    return None


def _ulimit_memory() -> int | None:
    """The free part of the address space under `ulimit -v`."""
    try:
        import resource

        max_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)
        if max_bytes == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return max_bytes - pages * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError, ValueError):  # Windows has no such limits
        return None
