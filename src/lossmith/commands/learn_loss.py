"""`lossmith learn-loss`: a loss from one image."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from glob import escape
from pathlib import Path
from typing import Any, Literal

from lossmith import degradations, loss_learning, report
from lossmith.commands.command_line import command_line
from lossmith.commands.option_types import DegradationOption, PathOption, ProgressOption
from lossmith.commands.outcome import Outcome
from lossmith.core.devices import device_name
from lossmith.core.errors import counted
from lossmith.core.files import refuse_existing, remove_partial_files
from lossmith.core.lock import folder_lock
from lossmith.core.progress import progress_option
from lossmith.core.provenance import environment
from lossmith.core.run_config import check, write_or_check
from lossmith.data.folders import single_image
from lossmith.degradations.checks import check_int
from lossmith.losses import mdf
from lossmith.report.formatting import duration

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class LearnedLoss(Outcome):
    """A learned loss: its file, to be named in `mdf(...)`, and its page."""

    path: Path
    """The loss file."""
    page: Path
    """The page that shows what each scale has learned."""
    scales: int
    seconds: float
    """Time spent on learning."""

    def __str__(self) -> str:
        return (
            f"{counted(self.scales, 'scale')} learned in {duration(self.seconds)}\n"
            f"loss: {self.path}, as in `losses={shlex.quote(mdf.expression_of(self.path))}`\n"
            f"page: {self.page}"
        )


@progress_option
def learn_loss(
    image: PathOption,
    *,
    degradation: DegradationOption = None,
    degraded: PathOption | None = None,
    channels: Literal["auto"] | int = "auto",
    range: str = "auto",
    recipe: loss_learning.LossRecipe = loss_learning.LossRecipe(),
    seed: int = 0,
    license: str = "",
    out: PathOption = Path("my-loss.safetensors"),
    save_every: float = 30.0,
    show_bands: str | None = None,
    progress: ProgressOption = True,
) -> LearnedLoss:
    """Learn a loss from one clean image and its degradation.

    A stopped run continues with the same command. Beside the loss file are a page that shows what each scale has
    learned, and a folder with the checkpoint, which may be deleted afterwards.

    Parameters
    ----------
    image
        A clean image, rich in detail.
    degradation
        The degradation: sr, denoise, jpeg, demosaic, or an expression such as "bicubic(2) | noise(5)".
    degraded
        The same image, degraded, instead of `degradation`: the loss is learned from the difference.
    channels
        Channels of the image, for which the loss is: auto for what it has; 1 makes gray of color, 3 color of
        gray.
    range
        The values that are 0 and 1 to the loss, such as 0:4095, or percentiles of the image, such as p1:p99.9;
        auto for all that whole numbers of the file's type can hold. Of floats it must be said.
    recipe
        The image pyramid, and the training at each of its scales.
    seed
        Seed of first weights, crops and noise.
    license
        License of the loss, which is written on its card.
    out
        The loss file to write.
    save_every
        Seconds between two checkpoints.
    show_bands
        Which channels the page shows: one, or three as red, green and blue, such as 4,2,0 [default: the first
        three, or the first].
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    from lossmith.losses.frequency_response import frequency_response

    image, out = single_image(Path(image)), Path(out)
    degraded = None if degraded is None else single_image(Path(degraded))
    mdf.check_name(out)
    check_int("learn-loss", "seed", seed, 0, 2**63 - 1)
    report.parse_bands(show_bands)  # raises before the image is read
    sample = loss_learning.load_sample(image, degradation, degraded, channels, range)
    pyramid = loss_learning.ImagePyramid(sample, recipe, seed)
    bands = report.parse_bands(show_bands, sample.pixels.channels)
    folder, page = out.with_suffix(".learning"), out.with_suffix(".html")
    if not folder.exists():
        refuse_existing(out, page)
    options = {
        "degradation": None if degradation is None else degradations.degradation(degradation),
        "degraded": degraded,
        "channels": None if channels == "auto" else channels,
        "range": None if range == "auto" else range,
        "seed": seed,
        "license": license,
        "out": out,
        "show_bands": show_bands,
    }
    made_of = {"degradation": sample.name, **sample.fingerprint, **sample.pixels.receipt_entries}
    config = {**made_of, "seed": seed, "license": license, **asdict(recipe)}
    check(folder / "learn.yaml", config)
    if not (out.exists() and page.exists()):
        with folder_lock(folder):
            write_or_check(folder / "learn.yaml", config)
            scales = len(pyramid.scale_factors)
            pixels = f" ({sample.pixels})" if sample.pixels.receipt_entries else ""
            announcement = f"learning a loss at {counted(scales, 'scale')} of {image}{pixels}, {sample.name}"
            logger.info(f"{announcement}; {device_name()}; into {out}")
            for result in (out, page):
                remove_partial_files(out.parent, name=escape(result.name))
            checkpointer = loss_learning.LearningCheckpointer(folder / "state.ckpt", save_every)
            learned = loss_learning.train_discriminators(pyramid, checkpointer)
            card = loss_learning.make_card(sample, recipe, seed, learned, checkpointer.timer.elapsed)
            command = command_line("learn-loss", [image], recipe, **options)
            mdf.save_loss(out, learned.discriminators, {**card, "license": license}, half=True)
            loss = mdf.MDFLoss.load(out)
            responses = frequency_response(
                loss, [loss_learning.center_crop((learned.clean[-1][0] + 1) / 2, loss.min_side)]
            )
            display = report.Display.of(sample.clean, sample.pixels, bands)
            contents = _contents(learned, responses, checkpointer.rows, card, command, display)
            report.write_learned(page, contents)
    _, card = mdf.load_loss(out)
    return LearnedLoss(out, page, len(card["scales"]), card["seconds"])


def _contents(
    learned: loss_learning.LearnedDiscriminators,
    responses: dict[str, list[float]],
    rows: Sequence[loss_learning.Row],
    card: dict[str, Any],
    command: str,
    display: report.Display,
) -> report.LearnedContents:
    from lossmith.losses.frequency_response import band_names

    names = {
        "accuracy": "Accuracy of the discriminator; 0.5 is chance",
        "wasserstein": "Wasserstein distance: mean difference of its scores",
        "mse": "Mean squared error of the generator",
        "gradient_penalty": "Gradient penalty",
    }
    scales = []
    for number, discriminator in enumerate(learned.discriminators):
        clean = learned.clean[number]
        maps = loss_learning.score_maps(discriminator, clean, learned.degraded[number])
        images = {
            "Clean": display.show(maps.clean),
            "Degraded": display.show(maps.degraded),
            "Scores of the clean image": report.shades(maps.clean_score),
            "Scores of the degraded image": report.shades(maps.degraded_score),
            "Where the loss is large": report.shades(maps.distance),
        }
        scale_rows = [row for row in rows if row["scale"] == number]
        scales.append(
            report.LearnedScale(
                title=f"Scale {number + 1}: {clean.shape[3]} x {clean.shape[2]} pixels, "
                f"discriminator of {discriminator.width} channels",
                images=images,
                curves={label: [row[name] for row in scale_rows] for name, label in names.items()},
            )
        )
    facts = {
        "Image": f"{card['image']['width']} x {card['image']['height']} pixels, "
        f"SHA-256 {card['image']['image_sha256']}",
        "Recipe": ", ".join(f"{name} {value}" for name, value in card["recipe"].items()),
        "Seed": str(card["seed"]),
        "Time": duration(card["seconds"]),
        **environment(),
    }
    return report.LearnedContents(
        card["degradation"], command, scales, band_names(), responses, facts, display.caption
    )
