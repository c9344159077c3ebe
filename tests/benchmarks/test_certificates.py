"""The certificates of other packages' losses: pages in docs/ are made of the JSON files, and the command works."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from lossmith.soundness import CHECKS, certificate_from_dict, verdict

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def certificates() -> ModuleType:
    """The script, as a module; it examines nothing when it is imported."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return import_module("certificates")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def test_the_pages_in_docs_are_made_of_the_certificates_beside_them(certificates: ModuleType) -> None:
    results = certificates.read_results(DOCS)
    again = "; run `python benchmarks/certificates.py --pages`"
    assert certificates.reliability_page(results) == (DOCS / "reliability.md").read_text("utf-8"), again
    assert certificates.index_page(results) == (DOCS / "certificates.md").read_text("utf-8"), again


def test_every_file_is_the_certificate_of_a_loss_and_has_its_page(certificates: ModuleType) -> None:
    pages = {certificates.page_of(DOCS, *key) for key in certificates.read_results(DOCS)}
    assert len(pages) > 20
    assert {*(DOCS / "certificates").glob("*.html")} == pages
    assert {*(DOCS / "certificates").glob("*.json")} == {page.with_suffix(".json") for page in pages}


def test_a_page_tells_what_its_json_tells() -> None:
    for path in (DOCS / "certificates").glob("*.json"):
        certificate = certificate_from_dict(json.loads(path.read_text("utf-8")))
        page = path.with_suffix(".html").read_text("utf-8")
        assert f"{verdict(certificate)}." in page
        assert len(page) < 150_000


def test_ours_are_sound_and_the_known_faults_of_others_are_found(certificates: ModuleType) -> None:
    results = certificates.read_results(DOCS)
    assert not [title for (title, package), each in results.items() if package == "lossmith" and not each.sound]
    for package in ("pytorch-msssim", "piq", "torchmetrics"):
        failed = {outcome.check for outcome in results["MS-SSIM", package].failures}
        assert "live gradient" in failed, package


def test_the_page_lists_every_check() -> None:
    rows = [line.split(" | ") for line in (DOCS / "check_loss.md").read_text("utf-8").splitlines()]
    listed = [row[0].removeprefix("| ") for row in rows if len(row) == 2]
    assert [name for name in listed if name not in ("check", "---")] == [check.name for check in CHECKS]


@pytest.mark.slow
def test_the_command_examines_the_losses_of_a_package(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/certificates.py", "--only", "pytorch-msssim", "--cases", "3"]
    process = subprocess.run([*command, "--out", tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "SSIM, pytorch-msssim: has " in process.stdout
    index = (tmp_path / "certificates.md").read_text("utf-8")
    assert "| SSIM | pytorch-msssim | has " in index
    assert "| MS-SSIM | pytorch-msssim | " in index
    assert "### MS-SSIM" in (tmp_path / "reliability.md").read_text("utf-8")
    assert (tmp_path / "certificates" / "pytorch-msssim-ssim.html").exists()
