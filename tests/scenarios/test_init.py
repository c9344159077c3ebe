"""Training starts from given weights, and with a range of degradations."""

from pathlib import Path

import pytest
import torch
import yaml

from lossmith.core.files import sha256_of
from lossmith.models.foreign import load_any_model
from lossmith.networks import network

from .conftest import QUICK, TINY, Lossmith

SR = ("--degradation", "bicubic(2)", "--network", TINY, *QUICK)


def test_training_starts_from_a_weights_file(lossmith: Lossmith, photos: Path, x2: Path) -> None:
    outcome = lossmith("train", photos, *SR, "--init", x2, "--learning-rate", "1e-12", "--out", "tuned")
    assert outcome.status == 0, outcome.output
    before, after = (load_any_model(path).restorer.state_dict() for path in (x2, Path("tuned/model.safetensors")))
    for name, weight in before.items():
        torch.testing.assert_close(after[name], weight, atol=1e-6, rtol=0)
    assert sha256_of(x2) in Path("tuned/run.yaml").read_text()


def test_every_loss_of_a_comparison_starts_from_the_weights_file(
    lossmith: Lossmith, photos: Path, x2: Path
) -> None:
    outcome = lossmith("compare", photos, *SR, "--losses", "l1", "l2", "--seeds", "1", "--init", x2, "--out", "c")
    assert outcome.status == 0, outcome.output
    runs = list(Path("c").rglob("run.yaml"))
    assert len(runs) == 2
    for run in runs:
        assert sha256_of(x2) in run.read_text()
        assert yaml.safe_load(run.read_text())


def test_weights_of_other_shapes_are_named(lossmith: Lossmith, photos: Path, x2: Path) -> None:
    other = ("--degradation", "bicubic(2)", "--network", "srresnet_small(features=12, blocks=1)", *QUICK)
    output = lossmith("train", photos, *other, "--init", x2, "--out", "t").refusal
    assert "conv_first" in output or "shape" in output
    assert "--init-partial" in output


def test_a_finished_run_says_how_to_go_on(lossmith: Lossmith, photos: Path) -> None:
    assert lossmith("train", photos, *SR, "--out", "run").status == 0
    longer = [word if word != "1" else "3" for word in SR]
    outcome = lossmith("train", photos, *longer, "--out", "run")
    assert outcome.status == 0 or "--init 'run/model.safetensors'" in outcome.refusal


@pytest.mark.parametrize("expression", ["noise(0..50)", "jpeg(30..95)", "blur(2)", "blur(0.2..3) | noise(5)"])
def test_degradation_strengths_can_be_a_range(expression: str, lossmith: Lossmith, photos: Path) -> None:
    outcome = lossmith("train", photos, "--degradation", expression, "--network", "fcn", *QUICK, "--out", "blind")
    assert outcome.status == 0, outcome.output
    assert load_any_model(Path("blind/model.safetensors")).receipt["degradation"] == expression


@pytest.mark.parametrize("size", [["--scale-to", "1.5"], ["--size", "200x200"]], ids=" ".join)
def test_the_size_of_a_result_can_be_chosen(size: list[str], lossmith: Lossmith, photos: Path, x2: Path) -> None:
    from PIL import Image

    assert lossmith("restore", photos / "p0.png", "--model", x2, "--out", "out", *size).status == 0
    expected = (192, 192) if "1.5" in size else (200, 200)
    assert Image.open("out/p0.png").size == expected


def test_onnx_graphs_for_older_runtimes_and_of_a_fixed_size(lossmith: Lossmith, x2: Path) -> None:
    import onnx

    assert lossmith("export", x2, "--out", "2x-old.onnx", "--opset", "17", "--size", "64x48").status == 0
    graph = onnx.load("2x-old.onnx")
    assert graph.opset_import[0].version == 17
    shape = [axis.dim_value for axis in graph.graph.input[0].type.tensor_type.shape.dim]
    assert sorted(shape[2:]) == [48, 64]


def test_the_network_is_that_of_the_weights_file(lossmith: Lossmith, photos: Path, x2: Path) -> None:
    words = ("train", photos, "--degradation", "bicubic(2)", *QUICK, "--init", x2, "--out", "t")
    assert lossmith(*words).status == 0
    expected = network(TINY, 2).state_dict()
    assert {n: w.shape for n, w in load_any_model(Path("t/model.safetensors")).restorer.state_dict().items()} == {
        name: weight.shape for name, weight in expected.items()
    }
