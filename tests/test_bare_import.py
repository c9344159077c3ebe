"""The bare package is light: losses, metrics and networks need torch, and importing lossmith needs nothing."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

import pytest

import lossmith

WORKBENCH = [
    "PIL",
    "cyclopts",
    "jinja2",
    "lightning_fabric",
    "plotly",
    "rich",
    "scipy",
    "skimage",
    "tensorboard",
    "torchmetrics",
    "torchvision",
    "yaml",
]


def run(program: str) -> str:
    """What a fresh interpreter prints."""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_importing_lossmith_loads_no_dependency() -> None:
    heavy = ["torch", "numpy", "lossmith.losses", *WORKBENCH]
    assert run(f"import sys, lossmith; print([name for name in {heavy} if name in sys.modules])") == "[]\n"


def test_losses_and_networks_need_only_torch_and_safetensors() -> None:
    program = f"""
import sys

class Absent:  # as in a bare installation
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {WORKBENCH}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import lossmith
import lossmith.losses
import lossmith.metrics
import lossmith.networks
import torch

image = torch.rand(1, 3, 36, 36)
restored = lossmith.network("srresnet(blocks=1, features=4)", scale=2)(image[..., ::2, ::2])
for name in lossmith.losses.LOSSES:
    options = "(levels=2)" if name == "ms_ssim" else ""
    lossmith.loss(name + options)(restored, image).item()
for name in lossmith.metrics.METRICS:
    large = torch.rand(1, 3, 170, 170)
    lossmith.metrics.metric_function(name)(large, large).item()
print([name for name in {WORKBENCH} if name in sys.modules])
"""
    assert run(program) == "[]\n"


def test_a_command_without_its_packages_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "attic.py").write_text("import a_package_of_the_workbench\n")
    monkeypatch.setattr(lossmith, "__path__", [*lossmith.__path__, str(tmp_path)])
    with pytest.raises(ImportError) as error:
        lossmith.attic  # noqa: B018
    assert str(error.value) == (
        "lossmith.attic needs 'a_package_of_the_workbench', which comes with: pip install \"lossmith[workbench]\""
    )


def test_unknown_attributes_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match=r"^module 'lossmith' has no attribute 'comparison'$"):
        lossmith.comparison  # noqa: B018
    assert not hasattr(lossmith, "comparison")


ROOMS = ["lossmith", *(f"lossmith.{room.name}" for room in iter_modules(lossmith.__path__) if room.ispkg)]


@pytest.mark.parametrize("room", ROOMS)
def test_every_export_can_be_imported_and_is_listed(room: str) -> None:
    module = import_module(room)
    exports = getattr(module, "__all__", [])
    assert set(exports) <= set(dir(module))
    for name in exports:
        assert not isinstance(getattr(module, name), ModuleType)


def test_an_export_is_the_object_of_its_room() -> None:
    assert lossmith.loss is lossmith.losses.loss
    assert lossmith.network is lossmith.networks.network


def test_subpackages_are_attributes_without_their_own_import() -> None:
    assert (
        run("import lossmith; print(lossmith.losses.L1Loss.name, lossmith.networks.__name__)")
        == "l1 lossmith.networks\n"
    )
    assert {"losses", "networks", "train", "loss", "__version__"} <= set(dir(lossmith))
    with pytest.raises(AttributeError, match="no attribute 'cellars'"):
        _ = lossmith.cellars


@pytest.mark.parametrize(
    ("package", "statement", "name"),
    [
        ("cyclopts", "lossmith.compare", "lossmith.compare"),
        ("PIL", "lossmith.report.write_report", "lossmith.report.write_report"),
    ],
)
def test_a_missing_extra_is_one_sentence_without_a_cause(package: str, statement: str, name: str) -> None:
    program = f"""
import sys
sys.modules[{package!r}] = None
import lossmith
try:
    {statement}
except ImportError as error:
    print(error, error.__cause__, error.__suppress_context__)
"""
    sentence = f"{name} needs '{package}', which comes with: pip install \"lossmith[workbench]\""
    assert run(program) == f"{sentence} None True\n"


@pytest.mark.parametrize(("package", "word"), [("cyclopts", "--help"), ("PIL", "compare")])
def test_the_command_says_which_extra_is_missing(package: str, word: str) -> None:
    program = f"""
import sys
sys.modules[{package!r}], sys.argv = None, ["lossmith", {word!r}]
from lossmith.__main__ import main
main()
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith(("lossmith: ", "the lossmith command needs"))
    assert f"needs '{package}', which comes with: pip install" in line


def test_metric_classes_without_torchmetrics_are_refused_in_one_sentence_and_not_listed() -> None:
    program = """
import sys
sys.modules["torchmetrics"] = None
import importlib.util
importlib.util.find_spec = lambda name: None
import lossmith.metrics
print("PSNR" in dir(lossmith.metrics), "psnr" in dir(lossmith.metrics))
try:
    lossmith.metrics.PSNR
except ImportError as error:
    print(error)
"""
    message = "lossmith.metrics.PSNR needs 'torchmetrics', which comes with: pip install \"lossmith[workbench]\""
    assert run(program) == f"False True\n{message}\n"
