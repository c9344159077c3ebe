"""`lossmith stylize` on image files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import lossmith
from lossmith.cli import run
from lossmith.core.errors import LossmithError
from lossmith.models.model_file import save_model
from lossmith.networks import network

STYLE = "transform_net(width=0.125, blocks=1)"


def style(path: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    save_model(path, network(STYLE, 1), {"network": STYLE, "scale": 1})
    return path


def photo(path: Path, channels: int = 3, size: tuple[int, int] = (40, 32)) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    Image.fromarray(values.squeeze()).save(path)
    return path


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path)).astype(float)


def painted(image: Path, *models: Path, out: Path, **options: Any) -> Path:
    (result,) = lossmith.stylize([image], model=list(models), out=out, **options).results
    return result


def test_a_photograph_is_painted_and_skipped_the_second_time(tmp_path: Path) -> None:
    image, model = photo(tmp_path / "a.png", channels=4), style(tmp_path / "waves.safetensors")
    first = lossmith.stylize([image], model=[model], out=tmp_path / "out")
    assert str(first) == "1 painted"
    assert np.array_equal(pixels(first.results[0])[..., 3], pixels(image)[..., 3])
    assert np.abs(pixels(first.results[0]) - pixels(image)).mean() > 10
    again = lossmith.stylize([image], model=[model], out=tmp_path / "out")
    assert again.skipped == first.results
    assert len(lossmith.stylize([image], model=[model], out=tmp_path / "out", strength=0.5).results) == 1


def test_strength_goes_from_the_photograph_to_the_painting(tmp_path: Path) -> None:
    image, model = photo(tmp_path / "a.png"), style(tmp_path / "waves.safetensors")
    at = {
        strength: pixels(painted(image, model, out=tmp_path / f"{strength}.png", strength=strength))
        for strength in (0.0, 0.25, 1.0)
    }
    assert np.array_equal(at[0.0], pixels(image))
    assert np.abs(at[0.25] - (0.75 * at[0.0] + 0.25 * at[1.0])).max() <= 1  # rounding, twice


def test_strength_between_two_styles_is_that_of_their_weights(tmp_path: Path) -> None:
    image = photo(tmp_path / "a.png")
    models = [style(tmp_path / f"{name}.safetensors", seed) for seed, name in enumerate(["one", "two"])]
    between = tmp_path / "1x-between.safetensors"  # as blend wants it
    lossmith.blend(*models, alpha=0.25, out=between)
    mixed = painted(image, *models, out=tmp_path / "mixed.png", strength=0.25)
    assert np.array_equal(pixels(mixed), pixels(painted(image, between, out=tmp_path / "blend.png")))
    with pytest.raises(LossmithError, match="one style, or two to paint between, not 3"):
        lossmith.stylize([image], model=[*models, models[0]], out=tmp_path / "out", strength=0.5)


def test_the_color_of_the_photograph_can_be_kept(tmp_path: Path) -> None:
    values = np.full((32, 40, 3), (150, 120, 110), np.uint8)
    values[8:24] = (120, 140, 135)
    Image.fromarray(values).save(tmp_path / "a.png")
    model = style(tmp_path / "waves.safetensors")
    result = pixels(painted(tmp_path / "a.png", model, out=tmp_path / "b.png", keep_color=True))
    inside = ((result > 0) & (result < 255)).all(-1)  # what is clipped loses its color
    assert inside.mean() > 0.3
    for first, second in ((0, 1), (1, 2)):
        chroma = values[..., first].astype(float) - values[..., second]
        assert np.abs(result[..., first] - result[..., second] - chroma)[inside].max() <= 1
    assert np.abs(result - values).mean() > 2


def test_gray_photographs_get_colors_unless_theirs_are_kept(tmp_path: Path) -> None:
    image, model = photo(tmp_path / "a.png", channels=1), style(tmp_path / "waves.safetensors")
    assert Image.open(painted(image, model, out=tmp_path / "colored.png")).mode == "RGB"
    assert Image.open(painted(image, model, out=tmp_path / "gray.png", keep_color=True)).mode == "L"


def test_a_size_is_that_at_which_the_network_paints(tmp_path: Path) -> None:
    image, model = photo(tmp_path / "a.png", size=(80, 64)), style(tmp_path / "waves.safetensors")
    small = painted(image, model, out=tmp_path / "small.png", size=40)
    assert Image.open(small).size == (40, 32)
    assert Image.open(painted(image, model, out=tmp_path / "large.png", size="100x60")).size == (100, 60)
    reduced = painted(image, model, out=tmp_path / "reduced.png", size=40, strength=0)
    assert np.array_equal(pixels(painted(reduced, model, out=tmp_path / "again.png")), pixels(small))


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (32, 40), dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    model = style(tmp_path / "waves.safetensors")
    result = painted(tmp_path / "a.png", model, out=tmp_path / "b.png", strength=0, keep_color=True)
    assert np.abs(pixels(result) - values).max() <= 1


def test_several_styles_make_a_page(tmp_path: Path) -> None:
    image = photo(tmp_path / "a.png")
    models = [style(tmp_path / f"{name}.safetensors", seed) for seed, name in enumerate(["one", "two"])]
    done = lossmith.stylize([image], model=models, out=tmp_path / "out")
    assert done.page is not None
    assert "painted 40 × 32" in done.page.read_text()
    assert [path.relative_to(tmp_path).as_posix() for path in done.results] == ["out/one/a.png", "out/two/a.png"]


def test_an_exported_style_paints_the_same(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    image, model = photo(tmp_path / "a.png"), style(tmp_path / "waves.safetensors")
    lossmith.export(model, out=tmp_path / "release")
    (graph,) = (tmp_path / "release").glob("*.onnx")
    ours = painted(image, model, out=tmp_path / "ours.png", precision="float32")
    theirs = painted(image, graph, out=tmp_path / "theirs.png")
    assert np.abs(pixels(ours) - pixels(theirs)).max() <= 1


def test_styles_of_every_network_paint(tmp_path: Path) -> None:
    image, model = photo(tmp_path / "a.png"), tmp_path / "style.safetensors"
    for name in ("fcn", "lossmith.networks.fcn:FCN"):
        save_model(model, network("fcn", 1), {"network": name, "scale": 1, "style": {"paintings": {}}})
        own = name if ":" in name else None
        painted(image, model, out=tmp_path / f"{name[:3]}.png", network=own)
    blended = tmp_path / "1x-between.safetensors"
    lossmith.blend(model, model, alpha=0.5, network="fcn", out=blended)
    painted(image, blended, out=tmp_path / "blended.png", network="fcn")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--model", "other.safetensors"], "is no style, but fcn; `lossmith restore` takes it"),
        (["--model", "deblocked.safetensors"], "is no style, but transform_net(width=0.125, blocks=1); `lossmith"),
        (["--model", "own.safetensors"], "whose code is only run when you name it yourself: --network"),
        (["--style", "a.png", "--network", "fcn"], "--network is that of a --model"),
        (["--model", "waves.safetensors", "--strength", "2"], "--strength must be 0 to 1, not 2"),
        (["--model", "waves.safetensors", "--strength", "nan"], "--strength must be 0 to 1, not nan"),
        (["--model", "waves.safetensors", "--size", "0"], "--size must be the longer side in pixels"),
        (["--model", "waves.safetensors", "narrow.safetensors", "--strength", "0.5"], "differ in architecture"),
        (["--model", "waves.safetensors", "input.safetensors", "--strength", "0.5"], "differ in architecture"),
        (["--model", "waves.safetensors", "waves.safetensors"], "two models are called 'waves'"),
        (["--model", "cut.safetensors"], "cut.safetensors is not a whole safetensors file"),
        (["--model", "a.png"], "a.png is neither a safetensors file nor a checkpoint"),
        (["--model", "waves.safetensors", "--out", "a.png"], "would overwrite an image"),
        (["--model", "missing.safetensors"], "does not exist"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    photo(Path("a.png"))
    style(Path("waves.safetensors"))
    save_model(Path("other.safetensors"), network("fcn", 1), {"network": "fcn", "scale": 1})
    trained = {"network": STYLE, "scale": 1, "degradation": "jpeg(10)"}
    save_model(Path("deblocked.safetensors"), network(STYLE, 1), trained)
    save_model(Path("own.safetensors"), network("fcn", 1), {"network": "nets:Net", "scale": 1, "style": {}})
    for name, options in (("narrow", "width=0.0625, blocks=1"), ("input", "width=0.125, blocks=1, padding=input")):
        other = f"transform_net({options})"
        save_model(Path(f"{name}.safetensors"), network(other, 1), {"network": other, "scale": 1})
    Path("cut.safetensors").write_bytes(Path("waves.safetensors").read_bytes()[:1000])
    assert run(["stylize", "a.png", *words, *([] if "--out" in words else ["--out", "out"])]) == 2
    assert sentence in capsys.readouterr().err.strip().splitlines()[-1]
