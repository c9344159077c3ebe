"""The rooms of the package: that `make lint` sees imports that should not be, and what it does not look at."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import lossmith

PACKAGE = Path(lossmith.__file__).parent
CONFIG = Path(__file__).parents[1] / "pyproject.toml"
LAYERS, CIRCLES = "A room imports only the rooms below it", "Nothing imports itself by way of its neighbors"
MAX_LINES = 400


def lint_imports(home: Path) -> str:
    """What the import linter says of the package in a folder."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-P", "-c", command, "--config", CONFIG, "--no-cache"],
        env={**os.environ, "PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == int("BROKEN" in result.stdout), result.stderr
    return result.stdout


def test_rooms_import_only_those_below_them_and_none_in_a_circle() -> None:
    assert "BROKEN" not in lint_imports(PACKAGE.parent)


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("core/errors.py", "import lossmith.training.run", LAYERS),
        ("core/errors.py", "def late():\n    from lossmith.losses import loss", LAYERS),
        ("networks/fcn.py", "from lossmith.degradations import degradation", LAYERS),
        ("a_room_that_nobody_knows.py", "import lossmith.core.errors", LAYERS),
        ("training/ema.py", "def late():\n    from lossmith.training.loop import fit", CIRCLES),
        ("losses/mdf/discriminator.py", "from lossmith.losses.registry import loss", CIRCLES),
    ],
)
def test_an_import_upward_or_in_a_circle_breaks_the_lint(
    module: str, line: str, contract: str, tmp_path: Path
) -> None:
    copy = shutil.copytree(PACKAGE, tmp_path / "lossmith", ignore=shutil.ignore_patterns("__pycache__", "shipped"))
    with (copy / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    assert f"{contract} BROKEN" in lint_imports(tmp_path)


def test_no_module_imports_a_package_that_holds_it() -> None:
    graph = grimp.build_graph("lossmith", exclude_type_checking_imports=True, cache_dir=None)
    inward = [
        f"{module} imports {package}"
        for module in graph.modules
        for package in graph.find_modules_directly_imported_by(module)
        if module.startswith(f"{package}.")
    ]
    assert not inward


def test_no_file_is_longer_than_one_reads_at_a_time() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not [f"{path}: {count} lines" for path, count in lines.items() if count > MAX_LINES]


def test_importing_a_module_of_core_loads_no_other() -> None:
    assert (PACKAGE / "core" / "__init__.py").read_text(encoding="utf-8") == ""
