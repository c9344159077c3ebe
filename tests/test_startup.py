"""Help and corrections answer at once: none of them imports torch, or anything else that takes long."""

import subprocess
import sys

import pytest

from lossmith.cli import COMMANDS

SLOW_IMPORTS = {"torch", "numpy", "PIL", "scipy", "jinja2", "lightning_fabric", "safetensors", "skimage"}
LISTS = ("losses", "networks", "degradations", "metrics", "models")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("--help", 0),
        ("--version", 0),
        *((f"{command} --help", 0) for command in [*COMMANDS, *LISTS]),
        ("trian", 2),
        ("train --stpes 3", 2),
        ("restore", 2),
        ("compare --seeds many", 2),
        ("train --preset esrgn", 2),
        ("compare --config missing.yaml", 2),
    ],
)
def test_an_answer_needs_no_slow_import(words: str, status: int) -> None:
    program = (
        "import sys; from lossmith.cli import run; status = run(sys.argv[1:]);"
        f"print('status', status, 'imported', sorted({SLOW_IMPORTS} & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, *words.split()], capture_output=True, text=True, timeout=60
    )
    assert process.stdout.splitlines()[-1] == f"status {status} imported []", process.stdout + process.stderr
