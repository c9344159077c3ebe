"""Which room may use which: no import from a lower room to a higher one, and no circle of modules."""

import ast
from collections.abc import Iterator
from pathlib import Path

import lossmith

HOME = Path(lossmith.__file__).parent

ROOMS = (
    "_version",
    "core",
    "expressions",
    "losses",
    "degradations",
    "networks",
    "models",
    "data",
    "restoration",
    "evaluation",
    "training",
    "loss_learning",
    "exporting",
    "report",
    "commands",
    "config_file",
    "option_synonyms",
    "cli",
    "__main__",
)
"""From the ground up; a room may use those before it."""


def modules() -> dict[str, Path]:
    """All modules of the package by their dotted names."""
    found = {}
    for path in HOME.rglob("*.py"):
        parts = list(path.relative_to(HOME).with_suffix("").parts)
        found[".".join(["lossmith", *(parts[:-1] if parts[-1] == "__init__" else parts)])] = path
    return found


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports, wherever in it, but for the sake of types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


ARROWS = {name: set(imports(path)) - {name} for name, path in MODULES.items()}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_module_is_in_a_room() -> None:
    assert {room_of(module) for module in MODULES} - {""} == set(ROOMS)


def test_nothing_is_imported_from_a_higher_room() -> None:
    upward = [
        f"{module} imports {target}"
        for module, targets in ARROWS.items()
        for target in targets
        if room_of(module) and ROOMS.index(room_of(target) or "__main__") > ROOMS.index(room_of(module))
    ]
    assert not upward


def test_no_module_imports_itself_by_way_of_others() -> None:
    done: set[str] = set()

    def walk(module: str, road: list[str]) -> None:
        assert module not in road, " -> ".join([*road[road.index(module) :], module])
        if module not in done:
            for target in sorted(ARROWS[module]):
                walk(target, [*road, module])
            done.add(module)

    for module in ARROWS:
        walk(module, [])


def test_the_ground_and_the_pure_rooms_need_only_torch_and_safetensors() -> None:
    assert (HOME / "core" / "__init__.py").read_text(encoding="utf-8") == ""
