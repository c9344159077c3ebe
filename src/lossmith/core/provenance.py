"""The versions of the code and the device, which receipts and reports record."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmith._version import __version__
from lossmith.core.devices import device_name
from lossmith.core.lazy import LazyModule

if TYPE_CHECKING:
    import torch
else:
    torch = LazyModule("torch")


@cache
def code_digest() -> str:
    """The start of the SHA-256 of all modules, which identifies the code more exactly than its version."""
    home, digest = Path(__file__).parents[1], sha256()
    for path in sorted(home.rglob("*.py")):
        digest.update(path.relative_to(home).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def versions() -> dict[str, str]:
    """Versions on which the last bits of a result depend."""
    return {
        "lossmith": __version__,
        "code": code_digest(),
        "torch": version("torch"),
        "python": platform.python_version(),
    }


def environment(*packages: str) -> dict[str, str]:
    """Device, system and versions, as reports show them; `packages` names further packages to list."""
    releases = {**versions(), **{name: version(name) for name in packages}}
    return {
        "Device": device_name(),
        "System": f"{platform.system()} {platform.machine()}",
        "Versions": ", ".join(f"{name} {release}" for name, release in releases.items()),
    }


def provenance(devices: int = 1) -> dict[str, Any]:
    """Entries of a receipt: versions, device, number of devices and threads."""
    threads = torch.get_num_threads()
    return {"versions": versions(), "device": device_name(devices), "devices": devices, "threads": threads}


@contextmanager
def receipt_threads(receipt: dict[str, Any]) -> Iterator[None]:
    """Use as many threads as a receipt names, if it does: the last bits of sums depend on their number."""
    previous, threads = torch.get_num_threads(), receipt.get("threads")
    torch.set_num_threads(threads if isinstance(threads, int) and 0 < threads <= 1024 else previous)
    try:
        yield
    finally:
        torch.set_num_threads(previous)
