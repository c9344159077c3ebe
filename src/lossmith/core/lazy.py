"""Packages whose exports are imported when they are first used, so that the package costs nothing (PEP 562)."""

import ast
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from lossmith.core.errors import missing_extra


def lazy_exports(
    package: str, requirements: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions `__getattr__` and `__dir__` of a package whose exports are imported on first use.

    Which module has a name is read from the imports under `if TYPE_CHECKING:` in the package's `__init__`, where
    type checkers and editors find them, too. Submodules are attributes as well. A name that needs a package which
    is not installed raises ImportError with the command that installs it.

    Parameters
    ----------
    package
        The `__name__` of the package, whose `__all__` lists the exports.
    requirements
        The library that a module needs, by the module's full name. `__dir__` leaves out the exports of a module
        whose library is not installed.
    """

    @cache
    def origins() -> dict[str, str]:
        """The module of every export."""
        source = Path(str(sys.modules[package].__file__)).read_text(encoding="utf-8")
        blocks = (node for node in ast.parse(source).body if isinstance(node, ast.If))
        imports = (node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom))
        return {alias.name: str(node.module) for node in imports for alias in node.names}

    def is_available(name: str) -> bool:
        library = (requirements or {}).get(origins().get(name, ""))
        return library is None or find_spec(library) is not None

    def getattr_(name: str) -> Any:
        module = origins().get(name, f"{package}.{name}")
        if name not in origins() and (name.startswith("_") or find_spec(module) is None):
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        try:
            imported = import_module(module)
        except ModuleNotFoundError as error:
            raise missing_extra(f"{package}.{name}", error) from None
        value = getattr(imported, name) if name in origins() else imported
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        exports = {name for name in sys.modules[package].__all__ if is_available(name)}
        return sorted({*exports, *_submodules(package)})

    return getattr_, dir_


class LazyModule:
    """A module that is imported when an attribute of it is first used.

    For modules that need a slow import, such as torch, in a few functions only. Type checkers get the module:

        if TYPE_CHECKING:
            import torch
        else:
            torch = LazyModule("torch")
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)


def _submodules(package: str) -> list[str]:
    """The names of the packages inside a package."""
    return [module.name for module in iter_modules(sys.modules[package].__path__) if module.ispkg]
