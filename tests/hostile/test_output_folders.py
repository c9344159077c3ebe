"""Nothing is ever written outside the folder that was named, whatever things are called or links lead to."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lossmith.commands import blend, export, restore
from lossmith.core.files import safe_file_name
from lossmith.exporting import model_name
from lossmith.models.model_file import save_model
from lossmith.networks import network

from .amounts import count_fuzzed
from .corruption import result_or_refusal

NAMES = (
    *(
        "..",
        "...",
        "....",
        ". .",
        "-",
        "--",
        "~",
        "$HOME",
        "%2e%2e",
        "..\\..\\x",
        "C:",
        "con",
        "a\nb",
        "<b>",
        "'",
        '"',
    ),
    *("..%2f..%2fx", "*", "?", "[a]", "name.pth", " ", "\u202e", "\x1b[2J", "é" * 60, "x" * 120),
)
"""What files may be called, without their endings."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Path]:
    """A folder with a folder `here` in which things may happen, and one `there` that nothing may touch."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    (tmp_path / "there" / "precious").write_text("mine")
    yield tmp_path
    assert everything(tmp_path / "there") == {"precious"}
    assert (tmp_path / "there" / "precious").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"here", "there"}


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(path, "PNG")
    return path


def model(path: Path, scale: int = 1) -> Path:
    expression = f"srresnet(scale={scale}, features=2, blocks=1)"
    save_model(path, network(expression), {"network": expression, "scale": scale})
    return path


@pytest.mark.parametrize("name", NAMES)
def test_results_of_images_of_any_name_stay_in_the_folder(name: str, world: Path) -> None:
    folder = world / "here"
    source, tool = image(folder / "in" / f"{name}.png"), model(folder / "m.safetensors")
    outcome = result_or_refusal(lambda: restore([source], model=[tool], out=folder / "out"))
    assert isinstance(outcome, str) or not outcome.failures
    assert {path for path in everything(folder) if not path.startswith("out/")} <= {
        *("in", f"in/{name}.png", "m.safetensors", "out")
    }
    count_fuzzed("names of files")


@pytest.mark.parametrize("name", [*NAMES[:4], "..\\..\\x", "a\nb", "<b>", "*", "é" * 60])
def test_results_of_models_of_any_name_stay_in_the_folder(name: str, world: Path) -> None:
    folder = world / "here"
    source = image(folder / "in" / "a.png")
    tools = [model(folder / "in" / f"{name}.safetensors"), model(folder / "in" / "other.safetensors")]
    result_or_refusal(lambda: restore([source], model=tools, out=folder / "deep" / "out"))
    assert {path for path in everything(folder) if not path.startswith(("in", "deep/out/"))} <= {
        "deep",
        "deep/out",
    }
    count_fuzzed("names of files")


@pytest.mark.parametrize("name", ["../there/x", "/there/x", ".."])
def test_an_export_name_with_a_path_is_refused(name: str, world: Path) -> None:
    tool = model(world / "here" / "m.safetensors")
    result_or_refusal(lambda: export(tool, out=world / "here" / "out", name=name))
    assert all("/" not in path for path in everything(world / "here" / "out"))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=30) | st.text("./\\~ -", max_size=8))
def test_safe_file_name_of_any_text_has_no_folder(text: str) -> None:
    for name in (safe_file_name(text), model_name(Path("m.pth"), 2, text)):
        assert Path(name).name == name
        assert name not in ("", ".", "..")
    count_fuzzed("names of files")


# --- links ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "to"),
    [
        ("a.png", "there/precious"),
        ("a.png", "there/new"),
        (".a.png.unfinished", "there"),
        (".a.png.unfinished/source", "there/precious"),
        (".a.png.unfinished/state.json", "there/new"),
        (".verify", "there"),
        (".a.png.{pid}.part", "there/precious"),
        (".a.png.{pid}.part", "there/new"),
        ("one", "there"),
        ("side-by-side.html", "there/precious"),
    ],
)
def test_restore_follows_no_symlink_out_of_its_folder(link: str, to: str, world: Path) -> None:
    folder, out = world / "here", world / "here" / "out"
    out.mkdir()
    place = out / link.format(pid=os.getpid())
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(world / to)
    source = image(folder / "in" / "a.png")
    tools = [model(folder / "in" / "one.safetensors"), model(folder / "in" / "two.safetensors")]
    result_or_refusal(lambda: restore([source], model=tools[:1], out=out, verify=True))
    result_or_refusal(lambda: restore([source], model=tools, out=out))


@pytest.mark.parametrize("link", ["2x-m{ending}", ".2x-m{ending}.{pid}.part"])
@pytest.mark.parametrize(
    ("ending", "to"),
    [
        (".safetensors", "there/precious"),
        (".safetensors", "there/new"),
        (".json", "there/precious"),
        (".json", "there/new"),
        (".onnx", "there/new"),
    ],
)
def test_export_and_blend_follow_no_symlink_out_of_their_folder(
    ending: str, link: str, to: str, world: Path
) -> None:
    folder, out = world / "here", world / "here" / "out"
    if ending == ".onnx":
        pytest.importorskip("onnxscript")
    out.mkdir()
    (out / link.format(ending=ending, pid=os.getpid())).symlink_to(world / to)
    tool, other = model(folder / "m.safetensors", 2), model(folder / "n.safetensors", 2)
    result_or_refusal(lambda: export(tool, out=out / f"2x-m{ending}"))
    if ending == ".safetensors":
        result_or_refusal(lambda: blend(tool, other, alpha="0.5", out=out / "2x-m.safetensors"))


def test_the_output_folder_itself_can_be_a_symlink(world: Path) -> None:
    """As those are that lead to a larger disk."""
    folder = world / "here"
    (folder / "disk").mkdir()
    (folder / "out").symlink_to(folder / "disk")
    outcome = restore(
        [image(folder / "in" / "a.png")], model=[model(folder / "m.safetensors")], out=folder / "out"
    )
    assert outcome.results == [folder / "out" / "a.png"]
    assert everything(folder / "disk") == {"a.png"}
