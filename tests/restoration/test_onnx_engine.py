"""ONNX graphs of other programs: layouts, sizes, value ranges and types are detected, or refused by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.restoration import FileRestorer, RestoreOptions, load_engine
from lossmith.restoration.onnx_engine import OnnxEngine
from lossmith.restoration.tiling.plan import Planner
from lossmith.restoration.tiling.receptive_field import (
    Sizes,
    measure_receptive_field,
    receptive_field_at_fixed_size,
    sizes_of,
)

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

FREE: list[Any] = ["n", 3, "h", "w"]
Array = np.ndarray[Any, Any]


def graph(
    path: Path,
    nodes: Sequence[Any],
    shape: Sequence[Any] = FREE,
    types: tuple[int, int] = (TensorProto.FLOAT, TensorProto.FLOAT),
    constants: dict[str, Array] | None = None,
    outputs: Sequence[str] = ("o",),
    inputs: Sequence[str] = ("i",),
) -> Path:
    """A graph of these nodes from "i" to "o"."""
    onnx_graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(name, types[0], list(shape)) for name in inputs],
        [helper.make_tensor_value_info(name, types[1], [f"{name}{axis}" for axis in shape]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(onnx_graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def blur(channels: int = 3, halo: int = 2) -> tuple[Any, dict[str, Array]]:
    """A convolution of radius `halo`, from "x" to "y"."""
    side = 2 * halo + 1
    weights = np.zeros((channels, channels, side, side), np.float32)
    for c in range(channels):
        weights[c, c] = np.random.default_rng(c).random((side, side)) / side**2 * 2
    node = helper.make_node("Conv", ["x", "weights"], ["y"], pads=[halo] * 4)
    return node, {"weights": weights}


def rename(node: Any, source: str, result: str) -> Any:
    node.input[0], node.output[0] = source, result
    return node


def blur_reference(image: Array, constants: dict[str, Array]) -> Array:
    planes = torch.from_numpy(image).permute(2, 0, 1).float()[None] / 255
    weights = torch.from_numpy(constants["weights"])
    result = (
        torch.nn.functional.conv2d(planes, weights, padding=weights.shape[-1] // 2)[0].permute(1, 2, 0).numpy()
    )
    return np.floor(255 * result.clip(0, 1) + 0.5).astype(int)


def photo(height: int, width: int) -> Array:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def restore_file(model: Path, image: Array, folder: Path, **options: Any) -> tuple[Array, FileRestorer]:
    Image.fromarray(image).save(folder / "given.png")
    restorer = FileRestorer(load_engine(model), RestoreOptions(**options))
    restorer.restore(folder / "given.png", folder / "made.png")
    return np.asarray(Image.open(folder / "made.png")).astype(int), restorer


def open_engine(path: Path) -> OnnxEngine:
    engine = load_engine(path)
    assert isinstance(engine, OnnxEngine)
    return engine


def refusal(path: Path) -> str:
    with pytest.raises(LossmithError) as error:
        load_engine(path)
    assert "\n" not in str(error.value)
    return str(error.value)


cast = helper.make_node
TYPES = {"float": TensorProto.FLOAT, "half": TensorProto.FLOAT16, "double": TensorProto.DOUBLE}


@pytest.mark.parametrize("shape", [FREE, ["n", "c", "h", "w"], [1, 3, None, None], [2, 3, "h", "w"]])
def test_nchw_graphs_are_opened_whichever_axes_are_free(shape: list[Any], tmp_path: Path) -> None:
    node, constants = blur()
    path = graph(tmp_path / "a.onnx", [rename(node, "i", "o")], shape, constants=constants)
    engine = open_engine(path)
    assert (engine.channels, engine.scale, engine.size) == (3, 1, None)
    image = photo(37, 50)
    assert np.abs(restore_file(path, image, tmp_path)[0] - blur_reference(image, constants)).max() <= 1
    assert measure_receptive_field(engine).pixels == 2


@pytest.mark.parametrize("shape", [["n", "h", "w", 3], [1, None, None, 3], ["n", "h", "w", "c"]])
def test_channels_last_graphs_are_opened(shape: list[Any], tmp_path: Path) -> None:
    node, constants = blur()
    nodes = [
        helper.make_node("Transpose", ["i"], ["x"], perm=[0, 3, 1, 2]),
        node,
        helper.make_node("Transpose", ["y"], ["o"], perm=[0, 2, 3, 1]),
    ]
    path = graph(tmp_path / "a.onnx", nodes, shape, constants=constants)
    image = photo(30, 41)
    assert np.abs(restore_file(path, image, tmp_path)[0] - blur_reference(image, constants)).max() <= 1


def test_graphs_without_a_batch_axis_are_opened(tmp_path: Path) -> None:
    node, constants = blur()
    nodes = [
        helper.make_node("Unsqueeze", ["i", "first"], ["x"]),
        node,
        helper.make_node("Squeeze", ["y", "first"], ["o"]),
    ]
    constants |= {"first": np.array([0], np.int64)}
    path = graph(tmp_path / "a.onnx", nodes, [3, "h", "w"], constants=constants)
    image = photo(30, 41)
    assert np.abs(restore_file(path, image, tmp_path)[0] - blur_reference(image, constants)).max() <= 1


def test_a_gray_graph_with_a_free_channel_axis_is_gray(tmp_path: Path) -> None:
    node, constants = blur(1)
    path = graph(tmp_path / "a.onnx", [rename(node, "i", "o")], ["n", "c", "h", "w"], constants=constants)
    assert open_engine(path).channels == 1
    image = photo(20, 33)
    result, _ = restore_file(path, image, tmp_path)
    for c in range(3):  # one after another
        assert np.abs(result[..., c] - blur_reference(image[..., c : c + 1], constants)[..., 0]).max() <= 1


@pytest.mark.parametrize("types", [("half", "half"), ("double", "double"), ("float", "half"), ("half", "float")])
def test_graphs_of_16_32_and_64_bit_floats_are_opened(types: tuple[str, str], tmp_path: Path) -> None:
    source, result = (TYPES[name] for name in types)
    node, constants = blur()
    nodes = [
        helper.make_node("Cast", ["i"], ["x"], to=TensorProto.FLOAT),
        node,
        helper.make_node("Cast", ["y"], ["o"], to=result),
    ]
    path = graph(tmp_path / "a.onnx", nodes, types=(source, result), constants=constants)
    image = photo(20, 33)
    assert np.abs(restore_file(path, image, tmp_path)[0] - blur_reference(image, constants)).max() <= 1


def blur_on_range(
    low: float, high: float, given_bytes: bool, made_bytes: bool
) -> tuple[list[Any], dict[str, Array]]:
    """The blur on values from low to high."""
    node, constants = blur()
    constants |= {"low": np.float32(low), "span": np.float32(high - low)}
    nodes = [
        helper.make_node("Cast", ["i"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["float", "low"], ["from0"]),
        helper.make_node("Div", ["from0", "span"], ["x"]),
        node,
        helper.make_node("Clip", ["y", "zero", "one"], ["clipped"]),
        helper.make_node("Mul", ["clipped", "span"], ["wide"]),
        helper.make_node("Add", ["wide", "low"], ["last"]),
    ]
    constants |= {"zero": np.float32(0), "one": np.float32(1)}
    if made_bytes:
        nodes.append(helper.make_node("Round", ["last"], ["round"]))
        nodes.append(helper.make_node("Cast", ["round"], ["o"], to=TensorProto.UINT8))
    else:
        nodes.append(helper.make_node("Identity", ["last"], ["o"]))
    return nodes, constants


@pytest.mark.parametrize(("given_bytes", "made_bytes"), [(True, True), (False, True), (True, False)])
def test_graphs_of_bytes_and_of_floats_in_0_to_255_are_opened(
    given_bytes: bool, made_bytes: bool, tmp_path: Path
) -> None:
    nodes, constants = blur_on_range(0, 255, given_bytes, made_bytes)
    types = tuple(TensorProto.UINT8 if is_bytes else TensorProto.FLOAT for is_bytes in (given_bytes, made_bytes))
    path = graph(tmp_path / "a.onnx", nodes, types=types, constants=constants)
    image = photo(30, 41)
    result, restorer = restore_file(path, image, tmp_path)
    assert np.abs(result - blur_reference(image, constants)).max() <= 1
    assert restorer.final_notes() == [
        "model 'a' uses other value ranges, 0 to 255 in, 0 to 255 out: they are converted"
    ]


def test_a_range_of_0_to_255_is_found_where_other_ranges_give_black(tmp_path: Path) -> None:
    nodes = [helper.make_node("Max", ["i", "floor"], ["o"])]
    path = graph(tmp_path / "a.onnx", nodes, constants={"floor": np.float32(16)})
    image = photo(30, 41)
    assert np.array_equal(restore_file(path, image, tmp_path)[0], np.maximum(image, 16))


def test_a_range_of_minus_1_to_1_is_found(tmp_path: Path) -> None:
    nodes, constants = blur_on_range(-1, 1, False, False)
    path = graph(tmp_path / "a.onnx", nodes, constants=constants)
    image = photo(30, 41)
    assert open_engine(path).metadata["numbers"] == "-1 to 1 in, -1 to 1 out"
    assert np.abs(restore_file(path, image, tmp_path)[0] - blur_reference(image, constants)).max() <= 1


@pytest.mark.parametrize("size", [(64, 64), (40, 96), (33, 50), (64, "w"), ("h", 48)])
@pytest.mark.parametrize("image", [(20, 30), (64, 64), (150, 131), (30, 200), (97, 40)])
def test_a_fixed_size_graph_is_tiled_at_its_size_with_its_receptive_field(
    size: tuple[Any, Any], image: tuple[int, int], tmp_path: Path
) -> None:
    node, constants = blur(halo=4)
    path = graph(tmp_path / "a.onnx", [rename(node, "i", "o")], [1, 3, *size], constants=constants)
    engine = open_engine(path)
    assert engine.size is not None
    assert receptive_field_at_fixed_size(engine).pixels == 4
    values = photo(*image)
    result, restorer = restore_file(path, values, tmp_path)
    expected = blur_reference(values, constants)
    down, across = (min(side, length) for side, length in zip(engine.size, image, strict=True))
    # an image smaller than the size is mirrored: at such an end 4 pixels are not the blur of the image itself
    inner = (
        slice(None, down - 4 if image[0] < engine.size[0] else None),
        slice(None, across - 4 if image[1] < engine.size[1] else None),
    )
    assert np.abs(result[inner] - expected[inner]).max() <= 1
    assert restorer.final_notes() == []


def test_windows_of_a_global_fixed_size_graph_are_blended_and_reported(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["i"], ["mean"]),
        helper.make_node("Mul", ["mean", "little"], ["less"]),
        helper.make_node("Add", ["i", "less"], ["o"]),
    ]
    constants = {"little": np.float32(0.02)}
    path = graph(tmp_path / "a.onnx", nodes, [1, 3, 64, 64], constants=constants)
    result, restorer = restore_file(path, photo(150, 100), tmp_path)
    assert np.abs(result - photo(150, 100)).mean() < 5
    assert restorer.final_notes() == [
        "model 'a' takes 64 x 64 pixels only and sees more than 16 to each side; its windows overlap by as much "
        "and are blended"
    ]
    with pytest.raises(LossmithError, match="takes 64 x 64 pixels only"):
        restore_file(path, photo(150, 100), tmp_path, halo="exact")


@pytest.mark.parametrize("multiple", [2, 3, 6])
def test_the_size_multiple_of_a_graph_is_found_by_trying(multiple: int, tmp_path: Path) -> None:
    channels = 3 * multiple**2
    nodes = [
        helper.make_node("SpaceToDepth", ["i"], ["x"], blocksize=multiple),
        helper.make_node("Conv", ["x", "weights"], ["y"], pads=[1] * 4),
        helper.make_node("DepthToSpace", ["y"], ["o"], blocksize=multiple),
    ]
    weights = np.zeros((channels, channels, 3, 3), np.float32)
    for c in range(channels):
        weights[c, c, 1] = 0.25, 0.5, 0.25
    path = graph(tmp_path / "a.onnx", nodes, constants={"weights": weights})
    assert sizes_of(open_engine(path)) == Sizes(multiple, multiple)
    engine, image = open_engine(path), photo(65, 63)
    padded_height, padded_width = (-(-side // multiple) * multiple for side in (65, 63))
    padded = np.pad(image, ((0, padded_height - 65), (0, padded_width - 63), (0, 0)), "reflect")
    full = engine(torch.from_numpy(padded).permute(2, 0, 1).float()[None] / 255)[0].permute(1, 2, 0).numpy()
    result, _ = restore_file(path, image, tmp_path, memory=1e-2)
    assert np.abs(result - np.floor(255 * full[:65, :63].clip(0, 1) + 0.5)).max() <= 1


def test_the_scale_of_a_graph_is_found_by_trying(tmp_path: Path) -> None:
    nodes = [helper.make_node("Resize", ["i", "", "scales"], ["o"], mode="nearest")]
    path = graph(tmp_path / "a.onnx", nodes, constants={"scales": np.array([1, 1, 3, 3], np.float32)})
    assert open_engine(path).scale == 3
    transpose = [helper.make_node("Transpose", ["i"], ["o"], perm=[0, 1, 3, 2])]
    assert "which is not an image" in refusal(graph(tmp_path / "b.onnx", transpose))
    uneven = [helper.make_node("Resize", ["i", "", "scales"], ["o"], mode="nearest")]
    path = graph(tmp_path / "c.onnx", uneven, constants={"scales": np.array([1, 1, 1.5, 1.5], np.float32)})
    assert "gives float32 [1, 3, 96, 120] for [1, 3, 64, 80], which is not an image" in refusal(path)


def test_output_out_of_range_is_refused_and_never_written(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["i", "c"], ["o"])]
    path = graph(tmp_path / "bytes.onnx", nodes, constants={"c": np.float32(60)})
    with pytest.raises(
        LossmithError, match=r"^model 'bytes' gives 60 to 61, not 0 to 1; was it trained on 0 to 255\?"
    ):
        restore_file(path, photo(20, 30), tmp_path)
    assert not (tmp_path / "made.png").exists()


def test_graphs_that_are_not_image_to_image_are_refused_by_name(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["i"], ["o"])]
    two = [*nodes, helper.make_node("Identity", ["i"], ["p"])]
    pair = [helper.make_node("Add", ["i", "sigma"], ["o"])]
    numbers = [helper.make_node("GlobalAveragePool", ["i"], ["o"])]
    int64_pair = (TensorProto.INT64, TensorProto.INT64)
    path = tmp_path / "a.onnx"
    assert "takes [n, 4, h, w], which is not an image of 1 or 3" in refusal(graph(path, nodes, ["n", 4, "h", "w"]))
    assert "takes [b, 3, d, h, w], which is not an image" in refusal(graph(path, nodes, ["b", 3, "d", "h", "w"]))
    assert "takes tensor(int64) [n, 3, h, w], not an image" in refusal(graph(path, nodes, types=int64_pair))
    assert "takes 2 inputs (i, sigma), not one image" in refusal(graph(path, pair, inputs=("i", "sigma")))
    assert "gives 2 images (o, p); keep one of them" in refusal(graph(path, two, outputs=("o", "p")))
    assert "gives float32 [1, 3, 1, 1] for [1, 3, 64, 80], which is not an image" in refusal(graph(path, numbers))


def test_further_outputs_of_a_graph_are_ignored(tmp_path: Path) -> None:
    nodes = [helper.make_node("GlobalAveragePool", ["i"], ["p"]), helper.make_node("Identity", ["i"], ["o"])]
    path = graph(tmp_path / "a.onnx", nodes, outputs=("p", "o"))
    image = photo(20, 30)
    assert np.array_equal(restore_file(path, image, tmp_path)[0], image)


def test_external_weights_are_in_the_record_and_named_when_missing(tmp_path: Path) -> None:
    node, constants = blur()
    path = graph(tmp_path / "a.onnx", [rename(node, "i", "o")], constants=constants)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    first = load_engine(path).metadata
    assert len(first["weights.bin"]) == 64
    with (tmp_path / "weights.bin").open("r+b") as file:
        file.write(b"\0" * 8)
    assert load_engine(path).metadata["weights.bin"] != first["weights.bin"]
    (tmp_path / "weights.bin").unlink()
    assert "keeps its weights in 'weights.bin', which is not beside it" in refusal(path)


def test_the_planner_knows_the_fixed_size(tmp_path: Path) -> None:
    path = graph(tmp_path / "a.onnx", [helper.make_node("Identity", ["i"], ["o"])], [1, 3, 64, 64])
    engine = open_engine(path)
    assert Planner(engine, engine, sizes_of(engine)).receptive_field().pixels == 0
