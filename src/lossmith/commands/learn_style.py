"""`lossmith learn-style`: a network that paints photographs in the style of a painting."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from lossmith.commands.option_types import PathOption, PathsOption, ProgressOption
from lossmith.commands.outcome import Outcome
from lossmith.commands.trained_run import TrainedRun
from lossmith.core.devices import check_devices, device_name
from lossmith.core.errors import LossmithError, counted
from lossmith.core.files import atomic_write, refuse_existing, sha256_of
from lossmith.core.progress import progress_option
from lossmith.data import image_names, sample_images
from lossmith.data.folders import find_images
from lossmith.data.photos import prepare_photos, read_reduced
from lossmith.degradations import from_8bit
from lossmith.evaluation import protocol_of
from lossmith.losses.perceptual.backbones import backbone
from lossmith.losses.perceptual.style_networks import (
    STYLE_NETWORKS,
    published_weights,
    style_network_at_hand,
)
from lossmith.losses.perceptual.style_transfer import StyleTransferLoss
from lossmith.losses.perceptual.weights import missing_file_hint
from lossmith.report.formatting import duration
from lossmith.training import RunFolder, RunSettings, RunSummary, StyleRecipe

logger = logging.getLogger(__name__)

LEAST_PAINTING = 64
"""The least side of a painting, in pixels: of fewer, there is no texture to learn."""


@dataclass(frozen=True, repr=False)
class LearnedStyle(TrainedRun, Outcome):
    """A learned style: `result.model(images)` paints."""

    path: Path
    """The model file."""
    folder: Path
    """The run, with its checkpoint, its metrics and its samples."""
    summary: RunSummary
    """What the run cost."""
    network: str

    def __str__(self) -> str:
        return (
            f"a style learned in {counted(self.summary.steps, 'step')}, {duration(self.summary.seconds)}\n"
            f"style: {self.path}, painted samples: {self.folder / 'samples'}"
        )


@progress_option
def learn_style(
    photos: PathsOption | None = None,
    *,
    style: PathsOption | None = None,
    style_share: list[float] | None = None,
    samples: PathsOption | None = None,
    recipe: StyleRecipe = StyleRecipe(),
    seed: int = 0,
    out: PathOption = Path("style.safetensors"),
    save_every: float = 60.0,
    devices: int = 1,
    progress: ProgressOption = True,
) -> LearnedStyle:
    """Learn to paint in the style of a painting; the same command continues a stopped run.

    `--preset johnson` trains as published; `--preset johnson_small` is for two CPU cores. Beside the
    file is a folder with the run: its checkpoint, its metrics, and painted samples.

    Parameters
    ----------
    photos
        Photographs to train on: files, folders or patterns [default: photographs that scikit-image ships].
    style
        The painting; or several, whose styles are mixed.
    style_share
        The share of each of several paintings [default: equal ones].
    samples
        Photographs that are painted along the way [default: others that scikit-image ships].
    recipe
        The network, the objective and the budget.
    seed
        Seed of the network's first weights and of the patches.
    out
        The model file to write.
    save_every
        Seconds between two checkpoints.
    devices
        How many devices train together, each on its share of every batch: GPUs, or processes on the CPU.
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    out, training = Path(out), recipe.training
    if out.suffix != ".safetensors":
        raise LossmithError(f"a style is written to a file such as style.safetensors, not '{out}'")
    if not style:
        raise LossmithError("name a painting to learn from: `style`")
    training.per_device(devices)  # raises before images are read
    check_devices(devices)
    paintings = find_images(style)
    images = [_painting(path, recipe.style_size) for path in paintings]
    recipe, weights = with_loss_network(recipe)
    folder = out.with_suffix(".learning")
    if not folder.exists():
        refuse_existing(out)
    loss = style_objective(images, recipe, style_share, weights)
    prepared = prepare_photos(
        find_images(photos) if photos else sample_images("train"),
        find_images(samples) if samples else sample_images("test"),
        recipe.photo_size or recipe.patch,
        out,
    )
    settings = RunSettings(
        protocol=protocol_of(prepared.test_pairs), seed=seed, save_every=save_every, devices=devices
    )
    digests = dict(zip(image_names(paintings), map(sha256_of, paintings), strict=True))
    entry = {"paintings": digests, "style_share": style_share, **recipe.objective}
    entry |= {"loss_weights": sha256_of(weights) if weights else None}

    from lossmith.training.run import StyleTask, train_run
    from lossmith.training.validation import SampleWriter

    summary = train_run(
        RunFolder(folder),
        StyleTask(loss, training, style=entry),
        prepared,
        settings,
        sample_writer=SampleWriter(folder / "samples"),
        announcement=(
            f"learning the style of {', '.join(map(str, paintings))} with {training.network} under {loss}, "
            f"{training.budget}, on {counted(len(prepared.source.names), 'photograph')}; {device_name(devices)}; "
            f"into {out}"
        ),
    )
    with atomic_write(out) as partial:
        shutil.copyfile(RunFolder(folder).model, partial)
    return LearnedStyle(out, folder, summary, str(training.network))


def _painting(path: Path, short_side: int) -> Tensor:
    """A painting, float32 (1, 3, H, W), reduced."""
    image = read_reduced(path, short_side)
    height, width = image.shape[1:]
    if min(height, width) < LEAST_PAINTING:
        raise LossmithError(
            f"painting '{path}' has {height}x{width} pixels to learn from, too few for a style: at least "
            f"{LEAST_PAINTING} are needed"
        )
    return from_8bit(image)[None]


def with_loss_network(recipe: StyleRecipe) -> tuple[StyleRecipe, Path | None]:
    """The recipe with its loss network and layers named, and the file of the weights, where one is known."""
    if recipe.loss_network is None:
        choice, file = style_network_at_hand()
        if choice != (published := STYLE_NETWORKS[0]):
            layers = f"{choice.style_layers}, content {choice.content_layers}"
            logger.warning(
                f"the weights of {published.name} are not at hand, so the features are those of {choice.name} "
                f"({layers}); for the paper's, {missing_file_hint(backbone(published.name).files[0])}"
            )
    else:
        known = [network for network in STYLE_NETWORKS if network.name == recipe.loss_network]
        if not known:
            if recipe.content_layers is None or recipe.style_layers is None:
                raise LossmithError(
                    f"name the layers of {recipe.loss_network} for the style: `content_layers` and `style_layers`"
                )
            return recipe, None
        choice, file = known[0], known[0].file()
    return replace(
        recipe,
        loss_network=choice.name,
        content_layers=recipe.content_layers or choice.content_layers,
        style_layers=recipe.style_layers or choice.style_layers,
    ), file


def style_objective(
    paintings: Sequence[Tensor], recipe: StyleRecipe, shares: Sequence[float] | None, weights: Path | None
) -> StyleTransferLoss:
    """The objective of a recipe whose network and layers are named."""
    network, content_layers = str(recipe.loss_network), str(recipe.content_layers)
    file = None if weights is None else str(weights)
    content, style, tv = published_weights(
        network, content_layers, recipe.content_weight, recipe.style_weight, recipe.tv_weight, file
    )
    return StyleTransferLoss(
        paintings,
        network,
        content_layers,
        str(recipe.style_layers),
        content_weight=content,
        style_weight=style,
        tv_weight=tv,
        painting_weights=shares,
        weights=file,
    )


__all__ = ["LearnedStyle", "learn_style", "style_objective", "with_loss_network"]
