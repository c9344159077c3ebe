"""One part of `on_gpu.py`, in a process of its own: python -m gpu.part NAME TABLE [--tiny]."""

import argparse
import sys
import types
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gpu.tables import Page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("table", type=Path)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    stand_in_for_cyclopts()
    if options.tiny:
        sys.modules["numba"] = None  # type: ignore[assignment]  # it compiles for longer than everything takes
    page = Page(options.table)
    import_module(f"gpu.{options.name}").run(page, options.tiny)
    if page.faults:
        sys.exit("\n".join(page.faults))


def stand_in_for_cyclopts() -> None:
    """Let commands be imported where the command line's parser is missing: they name it in annotations only."""
    if find_spec("cyclopts") is None:
        module: Any = types.ModuleType("cyclopts")
        module.Parameter = module.Token = lambda *_, **__: None
        sys.modules["cyclopts"] = module


if __name__ == "__main__":
    main()
