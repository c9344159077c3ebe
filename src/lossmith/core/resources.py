"""How much room there is: in memory, and on a disk."""

import os
import shutil
from pathlib import Path

from lossmith.core.errors import LossmithError


def free_memory() -> int | None:
    """Bytes that this process may take, by the computer, its group of programs and `ulimit`; None: unknown."""
    limits = [limit for limit in (_of_computer(), _of_groups(), _of_limit()) if limit is not None]
    return max(0, min(limits)) if limits else None


def free_disk(folder: Path) -> int:
    """Bytes that are free where `folder` is, or will be."""
    return shutil.disk_usage(existing(folder)).free


def existing(folder: Path) -> Path:
    """The folder, or the nearest around it that exists."""
    folder = folder.absolute()
    return next((parent for parent in (folder, *folder.parents) if parent.is_dir()), Path(folder.anchor))


def check_disk(folder: Path, need: int, what: str) -> None:
    """Raise LossmithError when `need` bytes, less what the folder has already, are more than the disk has free."""
    if need <= (free := free_disk(folder)):
        return
    there = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
    if need - there > free:
        raise LossmithError(
            f"{what} take about {amount(need)}, and {amount(free)} are free on the disk of {folder}; make room, "
            "or choose another `out`"
        )


def amount(size: float) -> str:
    """Bytes in words.

    >>> amount(864e6), amount(5.14e9), amount(1200)
    ('864 MB', '5.1 GB', '1 kB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            value = size / unit
            return f"{value:.1f} {name}" if value < 100 and unit == 1e9 else f"{value:.0f} {name}"
    return f"{max(1.0, size / 1e3):.0f} kB"


def _of_computer() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None


def _of_groups() -> int | None:
    """The least room in the control groups (version 2, or 1) that this process is in."""
    rooms = [
        room
        for root, kind in ((Path("/sys/fs/cgroup"), "0::"), (Path("/sys/fs/cgroup/memory"), ":memory:"))
        for group in _groups(root, kind)
        if (room := _of_group(group)) is not None
    ]
    return min(rooms, default=None)


def _groups(root: Path, kind: str) -> list[Path]:
    """From the group of this process up to the root; inside a container the root is all that is seen."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return [root]
    inner = next((line.partition(kind)[2] for line in lines if kind in line), "").strip("/")
    return [root / inner, *(parent for parent in (root / inner).parents if parent.is_relative_to(root))]


def _of_group(folder: Path) -> int | None:
    for limit, usage, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            max_bytes, used_bytes = int((folder / limit).read_text()), int((folder / usage).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            return max_bytes - used_bytes + int(stat.get(cache, 0))  # the page cache is given up on demand
        except (OSError, ValueError):  # no such group, or one without a limit
            continue
    return None


def _of_limit() -> int | None:
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
