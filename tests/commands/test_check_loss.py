"""`lossmith check-loss`: pages and JSON of losses in files of anybody's, and what cannot be examined."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lossmith import LossmithError
from lossmith.cli import run
from lossmith.commands import LossCheck, check_loss
from lossmith.soundness import KINDS, Certificate, certificate_from_dict, tally

from ..command_line import refusal

THEIRS = '''
import json

import torch


def check_shapes(prediction, target):
    if prediction.shape != target.shape:
        raise ValueError("the shapes differ")
    if not len(prediction):
        raise ValueError("the batch is empty")
    if not prediction.is_floating_point():
        raise TypeError("the images must be of a float type")


def absolute(prediction, target):
    return (prediction - target).abs().mean()


def swallows_colors(prediction, target):
    """The first channel counts twice."""
    check_shapes(prediction, target)
    error = (prediction - target).square().mean((0, 2, 3))
    return error.mean() + error[0]


class Weighted(torch.nn.Module):
    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, prediction, target):
        check_shapes(prediction, target)
        return self.weight * (prediction.double() - target.double()).abs().mean()


class Masked(torch.nn.Module):
    def forward(self, prediction, target, mask):
        return (mask * (prediction - target)).abs().mean()


def masked(prediction, target, mask):
    return (mask * (prediction - target)).abs().mean()


def one(prediction):
    return prediction.mean()


def error_map(prediction, target):
    return (prediction - target).abs()


def several(prediction, target):
    return absolute(prediction, target), {}


def numpy_number(prediction, target):
    return absolute(prediction, target).detach().numpy().mean()


def broken(prediction, target):
    raise RuntimeError("boom")
'''
FEW = ["--cases", "12"]
"""Of the pictures: what they find is tested elsewhere."""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a user works, with a file of losses."""
    (tmp_path / "theirs.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("theirs", "faulty"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def certificate_in(path: Path) -> Certificate:
    return certificate_from_dict(json.loads(path.read_text()))


def test_a_sound_loss_and_one_with_a_fault_are_told_apart(
    theirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check-loss", "theirs:Weighted(weight=2)", "theirs:swallows_colors", *FEW]) == 1
    output = capsys.readouterr().out
    assert "theirs:Weighted(weight=2) is sound\n  " in output
    assert "theirs:swallows_colors has 1 fault\n  order of channels: " in output
    pages = sorted((theirs / "runs" / "check-loss").glob("*.html"))
    assert len(pages) == 2
    certificates = {each.loss: each for each in (certificate_in(page.with_suffix(".json")) for page in pages)}
    assert certificates["theirs:Weighted(weight=2)"].sound
    (fault,) = certificates["theirs:swallows_colors"].failures
    assert fault.check == "order of channels"
    for page in pages:
        assert f"report: {page.relative_to(theirs)}" in output
    text = next(page for page in pages if "swallows" in page.name).read_text()
    assert "has 1 fault" in text
    assert 'alt="prediction: ' in text  # the pictures of the smallest input are drawn
    assert "lossmith check-loss theirs:swallows_colors --cases 12 --out runs/check-loss" in text


def test_the_line_of_an_example_repeats_the_fault(theirs: Path) -> None:
    result = check_loss("theirs:swallows_colors", cases=12)
    (example, *_) = result.certificates[0].failures[0].examples
    process = subprocess.run([sys.executable, "-c", example.code], capture_output=True, text=True, cwd=theirs)
    assert process.stdout.strip() == example.answer, process.stderr


def test_the_status_is_that_of_the_worst_loss(theirs: Path) -> None:
    assert run(["check-loss", "l1", *FEW]) == 0
    assert run(["check-loss", "theirs:swallows_colors", *FEW]) == 1


def test_a_kind_says_what_a_loss_is_not_blamed_for(theirs: Path) -> None:
    result = check_loss("theirs:swallows_colors", kind="perceptual", cases=12)
    assert (result.sound, result.status) == (True, 0)
    assert "1 is excused" in tally(result.certificates[0])
    assert "--kind perceptual" in next(iter(result.pages.values())).read_text()


def test_the_kinds_of_the_command_are_those_of_the_room() -> None:
    from typing import get_args

    from lossmith.commands.check_loss import KindName

    assert set(get_args(KindName)) == set(KINDS)


def test_losses_may_be_objects_in_python(theirs: Path) -> None:
    import torch

    result = check_loss([torch.nn.functional.mse_loss, "l1"], cases=12, out=theirs / "out")
    assert isinstance(result, LossCheck)
    assert [certificate.loss for certificate in result.certificates] == ["torch.nn.functional:mse_loss", "l1"]
    assert all(page.exists() for page in result.pages.values())


def test_the_same_command_writes_the_same_files_again(theirs: Path) -> None:
    check_loss("theirs:absolute", cases=12)
    files = {path.name: path.read_bytes() for path in Path("runs/check-loss").iterdir() if path.suffix == ".json"}
    check_loss("theirs:absolute", cases=12)
    again = {path.name: path.read_bytes() for path in Path("runs/check-loss").iterdir() if path.suffix == ".json"}
    assert list(again) == list(files)
    outcomes = [json.loads(each)["outcomes"] for each in (*files.values(), *again.values())]
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (
            "theirs:masked",
            "loss 'theirs:masked': missing a required argument: 'mask'; it is called with a prediction",
        ),
        (
            "theirs:one",
            "loss 'theirs:one': too many positional arguments; it is called with a prediction and a target",
        ),
        ("theirs:Masked", "theirs:Masked does not take (prediction, target): missing a required argument: 'mask'"),
        ("theirs:error_map", "theirs:error_map: a loss must return one number in a tensor, not a tensor "),
        ("theirs:several", "theirs:several: a loss must return one number in a tensor, not tuple"),
        ("theirs:numpy_number", "theirs:numpy_number: a loss must return one number in a tensor, not float"),
        ("theirs:broken", "193 x 193 pixels: RuntimeError: boom"),
        ("theirs:absent", "loss 'theirs:absent': module 'theirs' has no 'absent'"),
        ("absent:loss", "loss 'absent:loss' cannot be imported: No module named 'absent'"),
        ("l1 +", "ends where the name of a loss was expected"),
    ],
)
def test_a_loss_that_cannot_be_examined_is_one_sentence(
    loss: str, sentence: str, theirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sentence in refusal(["check-loss", "l1", loss], capsys)
    assert not (theirs / "runs").exists()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "import torch\n\nWEIGHTS = torch.zeros(3).view(2)\n",
            "RuntimeError: shape '[2]' is invalid for input of ",
        ),
        ("\n\nprint(undefined)\n", "NameError: name 'undefined' is not defined (faulty.py, line 3)"),
        ("\n\nimport absent_package\n", "No module named 'absent_package' (faulty.py, line 3)"),
        ("\n\ndef f(:\n", "invalid syntax (faulty.py, line 3)"),
        ("import sys\n\nsys.exit('no')\n", "'faulty' ends the program (faulty.py, line 3)"),
        ("raise ValueError('two\\nlines')\n\n", "ValueError: two lines (faulty.py, line 1)"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_sentence_with_the_line(
    source: str, sentence: str, theirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (theirs / "faulty.py").write_text(source)
    words = refusal(["check-loss", "faulty:loss"], capsys)
    assert words.startswith("loss 'faulty:loss' cannot be imported: ")
    assert sentence in words
    assert "faulty.py, line" in words
    assert not (theirs / "runs").exists()


def test_other_mistakes_are_one_sentence(theirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "loss 'l1' is given twice" in refusal(["check-loss", "l1", "1*l1"], capsys)
    assert "check-loss needs LOSSES; for example: lossmith check-loss" in refusal(["check-loss"], capsys)
    assert "--cases must be at least 1, not 0" in refusal(["check-loss", "l1", "--cases", "0"], capsys)
    assert 'Choose from: "distance"' in refusal(["check-loss", "l1", "--kind", "metric"], capsys)
    assert "`lossmith check-loss` does that" in refusal(["doctor", "l1"], capsys)
    Path("l1.html").write_text("mine")
    assert "'l1.html' exists and is not of lossmith" in refusal(["check-loss", "l1", "--out", "."], capsys)
    with pytest.raises(LossmithError, match="name a loss"):
        check_loss([])
