"""What users do, on a GPU: how long it takes, and whether the result is that of the CPU."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import features_cost
from gpu.inputs import DEVICE, ON_GPU, TINY_SIDE, pair, photographs, picture
from gpu.right import distance, value_and_gradient
from gpu.tables import Page, reason_of
from gpu.timing import seconds_of
from lossmith import TrainResult, compare, learn_loss, learn_style, restore, train
from lossmith.data import Data, sample_images
from lossmith.degradations import degradation
from lossmith.loss_learning import LossRecipe
from lossmith.losses import loss
from lossmith.losses.mdf.loss_file import expression_of
from lossmith.models import shipped_models
from lossmith.restoration import Precision, TorchEngine, load_engine
from lossmith.restoration.half_precision import faster_precisions
from lossmith.training import Recipe
from lossmith.training.presets import preset
from lossmith.video import Deflicker, FramePainter

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = "srresnet_small(features=4, blocks=1)"
MIN_PSNR = {"float32": 45.0, "float16": 40.0, "bfloat16": 30.0}
"""Between a result and that of the CPU in float32, in dB: 48 is one level of 255 everywhere. On a GPU convolutions
in "float32" have the ten bits of TF32 by default."""
MAX_DIFFERENCE_DB = 0.3
"""Between the PSNR of models that were trained on two devices, for so few steps."""
CROP, MARGIN = 512, 64
"""Of a large picture so much is restored on the CPU, too; its margin, which saw other pixels, is left out."""
FRAMES = 48
Rows = list[tuple[str, str, str, str, bool]]
"""What was done, in which time, what came out, how it compares with the CPU, and whether that is as it must be."""


def run(page: Page, tiny: bool) -> None:
    page.section("What users do")
    page.columns("what", "seconds", "result", "beside the CPU's")
    with TemporaryDirectory() as name:
        folder = Path(name)
        for task in (demo, training, restoring, loss_learning, style_learning, film):
            try:
                for what, seconds, result, beside, right in task(folder, tiny):
                    page.row(what, seconds, result, beside if right else f"**{beside}**")
                    if not right:
                        page.fault(f"{what}: {beside}")
            except Exception as error:
                page.row(task.__name__.replace("_", " "), "", reason_of(error), "")
                page.fault(f"{task.__name__}: {reason_of(error)}")
    if not find_spec("pyvips"):
        page.line("\n`restore` from file to file is left out: pyvips is not installed.")
    page.line("\nFrames are painted, and not encoded. Styles are learned under a VGG-16 with random weights.")


def psnr(image: Tensor, reference: Tensor) -> float:
    """Between two images in [0, 1], in dB."""
    error = float((image.double().cpu() - reference.double().cpu()).square().mean())
    return float("inf") if error == 0 else -10 * float(np.log10(error))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """A result, and the seconds that it took."""
    results: list[Any] = []
    seconds = seconds_of(lambda: results.append(call()))
    return results[0], seconds


def tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """(1, 3, h, w) in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255


def open_model(path: str | Path) -> TorchEngine:
    """A model on the CPU."""
    engine = load_engine(path)
    assert isinstance(engine, TorchEngine)
    return engine


def demo(folder: Path, tiny: bool) -> Rows:
    """One of the six seeds of the demo."""
    options = yaml.safe_load((EXAMPLES / "demo.yaml").read_text(encoding="utf-8"))
    settings = {field.name: options[field.name] for field in fields(Recipe) if field.name in options}
    recipe, data, losses = Recipe(**settings), Data(), options["losses"]
    if tiny:
        recipe, losses = replace(recipe, network=SMALL, steps=4, batch=2), losses[:1]
        train_images, test_images = photographs(folder / "small", tiny)
        data = Data([train_images], test=[test_images], test_limit=1)
    outcome, seconds = timed(partial(compare, data, losses=losses, seeds=1, recipe=recipe, out=folder / "demo"))
    methods = dict.fromkeys(row.method for row in outcome.rows)
    scores = {
        method: fmean(row.scores["psnr"] for row in outcome.rows if row.method == method) for method in methods
    }
    result = ", ".join(f"{method} {mean:.2f} dB" for method, mean in scores.items())
    engine = open_model(outcome.runs[0].folder / "model.safetensors")
    image = tensor(picture(TINY_SIDE, TINY_SIDE))
    same = psnr(engine.on(DEVICE)(image).clamp(0, 1), engine(image).clamp(0, 1))
    beside = f"one model on both: {same:.0f} dB apart"
    what = f"the demo, one seed of {options['seeds']}"
    return [(what, f"{seconds:.1f}", result, beside, same > MIN_PSNR["float32"])]


def short_training(folder: Path, tiny: bool) -> float:
    """The mean PSNR after a short training in float32."""
    return mean_psnr(train_once(folder, tiny, steps=4 if tiny else 80, batch=4, precision="float32"))


def train_once(folder: Path, tiny: bool, **settings: Any) -> TrainResult:
    train_images, test_images = photographs(folder / "photographs", tiny)
    data = Data([train_images], test=[test_images], test_limit=1 if tiny else None)
    network = SMALL if tiny else "srresnet_small"
    recipe = Recipe(degradation="noise(25)", network=network, patch=48, **settings)
    return train(data, loss="0.9*l1 + 0.1*ssim", recipe=recipe, out=folder / "run")


def mean_psnr(result: TrainResult) -> float:
    return fmean(row.scores["psnr"] for row in result.rows)


def on_the_cpu(folder: Path) -> float:
    """`short_training` in a process that sees no GPU."""
    code = (
        "from pathlib import Path; from gpu import part; part.stand_in_for_cyclopts(); "
        f"from gpu import product; print(product.short_training(Path({str(folder)!r}), False))"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "LOSSMITH_DEVICE": "cpu"}
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(process.stdout.split()[-1])


def training(folder: Path, tiny: bool) -> Rows:
    """A run as usual, and a short one on both devices."""
    steps = 4 if tiny else 500
    result, seconds = timed(partial(train_once, folder / "usual", tiny, steps=steps, batch=2 if tiny else 16))
    rate = f"{steps / result.summary.seconds:.0f} steps a second, {mean_psnr(result):.2f} dB"
    here, seconds_here = timed(partial(short_training, folder / "here", tiny))
    there = on_the_cpu(folder / "there") if ON_GPU else here
    beside = f"{here - there:+.2f} dB from the CPU's"
    return [
        (f"`train`, {steps} steps", f"{seconds:.1f}", rate, "", True),
        *[
            (
                "`train`, short, in float32",
                f"{seconds_here:.1f}",
                f"{here:.2f} dB",
                beside,
                abs(here - there) < MAX_DIFFERENCE_DB,
            )
        ],
    ]


def precisions() -> list[Precision]:
    return ["float32", *faster_precisions(DEVICE)]


def restoring(folder: Path, tiny: bool) -> Rows:
    """A 4K picture with the models that ship, whole; and by the command, where its libraries are installed."""
    rows = []
    models = [name for name in ("jpeg-faithful", "x2-faithful") if name in shipped_models()]
    for name in models[: 1 if tiny else None]:
        engine = open_model(name)
        width, height = (TINY_SIDE, TINY_SIDE) if tiny else (3840 // engine.scale, 2160 // engine.scale)
        image = tensor(degraded(picture(width, height)))
        crop = image[..., :CROP, :CROP]
        expected = inner(engine(crop).clamp(0, 1), engine.scale)
        for precision in precisions()[: 2 if tiny else None]:
            placed = engine.on(DEVICE).computing_in(precision)
            placed(image)  # chooses kernels, and takes memory
            restored, seconds = timed(partial(placed, image))
            part = restored[..., : engine.scale * CROP, : engine.scale * CROP].clamp(0, 1)
            same = psnr(inner(part, engine.scale), expected)
            megapixels = f"{restored.shape[-1] * restored.shape[-2] / 1e6 / seconds:.1f} megapixels a second"
            beside = f"{same:.0f} dB apart"
            what = f"{name}, {width} x {height} in {precision}"
            rows.append((what, f"{seconds:.2f}", megapixels, beside, same > MIN_PSNR[precision]))
    if find_spec("pyvips"):
        file = folder / "picture.png"
        Image.fromarray(degraded(picture(width, height))).save(file, compress_level=1)
        _, seconds = timed(partial(restore, file, task="jpeg", out=folder / "restored"))
        rows.append(("`restore picture.png --task jpeg`", f"{seconds:.1f}", "from file to file", "", True))
    return rows


def degraded(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture after JPEG compression."""
    result = degradation("jpeg(30)")(tensor(pixels)[0])
    return (255 * result).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def inner(images: Tensor, scale: int) -> Tensor:
    """Without the margin, where the crop of a larger image saw other pixels."""
    margin = scale * min(MARGIN, images.shape[-1] // scale // 4)
    return images[..., margin:-margin, margin:-margin]


def loss_learning(folder: Path, tiny: bool) -> Rows:
    """A loss learned from a photograph."""
    small = LossRecipe(iterations=1, min_side=24, max_side=48, width=4, max_width=8, crop=24, batch=2)
    recipe = small if tiny else LossRecipe(iterations=40)
    train_images, _ = photographs(folder / "photographs", tiny)
    image = next(path for path in sorted(train_images.iterdir()))
    file = folder / "learned.safetensors"
    learned, seconds = timed(
        partial(learn_loss, image, degradation="jpeg(10)", recipe=recipe, channels=3, out=file)
    )
    criterion, images = loss(expression_of(learned.path)), pair((1, 3, 64, 64))
    expected = value_and_gradient(criterion, *images)
    actual = value_and_gradient(criterion.to(DEVICE), *(image.to(DEVICE) for image in images))
    value, gradient = map(distance, actual, expected)
    beside = f"value off by {value:.0e}, gradient by {gradient:.0e}"
    result = f"{learned.scales} scales of {recipe.iterations} iterations"
    return [("`learn-loss`", f"{seconds:.1f}", result, beside, value < 1e-2 and gradient < 5e-2)]


def style_learning(folder: Path, tiny: bool) -> Rows:
    """A style learned in a few steps, under a network with random weights."""
    name = "squeezenet1_1" if tiny else "vgg16"
    weights = folder / "weights"
    weights.mkdir()
    file = features_cost.weight_files(weights, (name,))[name]
    file.rename(weights / f"{name}_imagenet.safetensors")
    os.environ["LOSSMITH_WEIGHTS"] = str(weights)
    settings: dict[str, Any] = {"loss_network": name, "steps": 300}
    if tiny:
        settings |= {"network": "transform_net(width=0.125, blocks=1)", "steps": 2}
        settings |= {"patch": 32, "photo_size": 64, "style_size": 64}
    train_images, test_images = photographs(folder / "photographs", tiny)
    painting = next(path for path in sample_images("train") if path.stem == "coffee")
    out = folder / "style.safetensors"
    samples = sorted(test_images.iterdir())[: 1 if tiny else 2]
    recipe = replace(preset("johnson_small")["recipe"], **settings)
    call = partial(learn_style, train_images, style=painting, samples=samples, recipe=recipe, out=out)
    learned, seconds = timed(call)
    engine, image = open_model(learned.path), tensor(picture(TINY_SIDE, TINY_SIDE))
    same = psnr(engine.on(DEVICE)(image).clamp(0, 1), engine(image).clamp(0, 1))
    rate = f"{settings['steps'] / learned.summary.seconds:.0f} steps a second"
    beside = f"one model on both: {same:.0f} dB apart"
    return [("`learn-style`", f"{seconds:.1f}", rate, beside, same > MIN_PSNR["float32"])]


def film(folder: Path, tiny: bool) -> Rows:
    """Frames painted and deflickered, as `stylize` does between reading and writing them."""
    engine = open_model(EXAMPLES / "the_scream.safetensors")
    width, height, count = (64, 48, 2) if tiny else (1920, 1080, FRAMES)
    ground = picture(width + count, height)
    frames = [np.ascontiguousarray(ground[:, number : number + width]) for number in range(count)]
    expected = torch.from_numpy(FramePainter(engine)(frames[0]))
    rows = []
    for precision in precisions()[: 1 if tiny else None]:
        painter, deflicker = FramePainter(engine.on(DEVICE).computing_in(precision)), Deflicker(0.8, DEVICE)
        same = psnr(torch.from_numpy(painter(frames[0])), expected)
        start = time.perf_counter()
        for frame in frames:
            deflicker(frame, painter(frame))
        seconds = time.perf_counter() - start
        what = f"{count} frames of {width} x {height} in {precision}"
        result = f"{count / seconds:.1f} frames a second"
        rows.append((what, f"{seconds:.1f}", result, f"{same:.0f} dB apart", same > MIN_PSNR[precision]))
    return rows
