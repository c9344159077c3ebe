"""`lossmith restore`: models applied to whole images."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from lossmith import restoration
from lossmith.commands.films import FilmResult, film_of, make_film
from lossmith.commands.image_results import ImageOutcome, find_places, process_images
from lossmith.commands.option_types import MixOption, NetworkOption, PathOption, PathsOption, ProgressOption
from lossmith.commands.option_values import parse_alpha
from lossmith.commands.result_paths import format_for, is_one_file
from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.core.files import path_list
from lossmith.core.progress import progress_option
from lossmith.models.tasks import Task
from lossmith.restoration.tiling.halo import Halo
from lossmith.video.options import FilmOptions

if TYPE_CHECKING:
    from lossmith.networks import NetworkLike

logger = logging.getLogger(__name__)
RESULTS_FOLDER = Path("restored")
"""Where results go if nothing is said."""
JPEG_START = b"\xff\xd8\xff"


@dataclass(frozen=True, repr=False)
class RestoreResult(ImageOutcome):
    """The results of `restore`."""

    command: ClassVar[str] = "restore"
    verb: ClassVar[str] = "restored"


@progress_option
def restore(
    images: PathsOption,
    *,
    task: Task | None = None,
    alpha: MixOption = None,
    model: PathsOption | None = None,
    out: PathOption = RESULTS_FOLDER,
    recursive: bool = False,
    format: Literal["png", "jpeg", "webp", "tiff", "npy"] | None = None,
    bits: Literal["auto", "8", "16"] = "auto",
    quality: int | None = None,
    transparency: Literal["resize", "restore"] = "resize",
    halo: Halo = "auto",
    memory: float | None = None,
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    network: NetworkOption = None,
    scale_to: float | None = None,
    size: int | str | None = None,
    match_histogram: bool = False,
    verify: bool = False,
    page: bool = False,
    films: FilmOptions = FilmOptions(),
    progress: ProgressOption = True,
) -> RestoreResult | FilmResult:
    """Restore whole images with a model of lossmith or one of yours, tile by tile, without seams.

    The network sees each tile with its whole receptive field around it, so the result equals its output for the
    whole image; where that does not fit into memory, the error is measured and reported. A model for gray, 16
    bits, floats or many channels takes such images alone, and its results have their type and range. Results
    keep bit depth, transparency and metadata of the images, with sizes and resolution corrected; what is not
    kept is reported before the work. A record of the restoration is written into every result. The same command
    skips finished results and resumes a stopped run. A film, such as holiday.mp4, is restored frame by frame,
    whole frames at once, and keeps its sound.

    Parameters
    ----------
    images
        Files, folders, or patterns such as "photos/*.jpg"; or one film, or - for raw frames.
    task
        What to undo with the models that come with lossmith: JPEG compression of any quality, noise of any
        strength, or a small size, by enlarging 2 or 4 times [default: jpeg, if all images are JPEG files].
    alpha
        From 0, faithful, with the least error, to 1, sharp, with details that are likely, but may never have been
        there [default: 0]. With two models instead of a task: from the first to the second.
    model
        Model files instead: of lossmith, any that spandrel knows, or ONNX; or names from `lossmith models`.
        Several are shown side by side on one page.
    out
        Folder for the results: NAME.png; with several models MODEL/NAME.png. For one image and one model also the
        file to write, such as result.png. Of a film: the file, such as restored.mp4, or - for raw frames.
    recursive
        Restore images in nested folders too; the results keep their folders.
    format
        Format of the results [default: png, or by the extension of OUT; of models for other images than 8-bit
        ones, that of the images if all are TIFF or NumPy arrays, and tiff where PNG cannot hold the results].
    bits
        Bits per value in PNG and TIFF; auto: those of the image.
    quality
        1 to 100, of JPEG and WebP [default: 95 for JPEG; lossless WebP].
    transparency
        Whether transparency is resized bicubically, or restored by the network like a gray image.
    halo
        Pixels around a tile that the network sees: exact, its receptive field; auto, fewer where that would be
        slow and makes no visible difference; or a number.
    memory
        Gigabytes that a tile may take in the network [default: half of what is free].
    precision
        auto uses half precision where it is faster on the device and 99 % of the 8-bit values stay the same; for
        images of more than 8 bits never.
    network
        The network of a model, where the file does not name it: an expression, or import.path:Class.
    scale_to
        Scale of the result, such as 2 with a model of scale 4; the output of the model is resampled
        [default: the scale of the model].
    size
        Size of the result in pixels instead: of the longer side, or WIDTHxHEIGHT.
    match_histogram
        Give results the histograms of the bicubically enlarged images, channel by channel, as Johnson et al. do:
        it brings back the colors that a loss on features does not hold to.
    verify
        Compare the first result with the network on the whole image in float32, or on what fits into memory.
    page
        Write a page that shows each image beside its results; with several models it is always written.
    films
        What concerns films only.
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For invalid arguments and anything else that is found before the first image. What is wrong with a single
        image is among the failures.
    """
    film, out = film_of(restore, locals()), Path(out)
    options = restoration.RestoreOptions(
        "png" if film else format_for(out, format),
        bits,
        quality,
        transparency,
        halo,
        memory,
        precision,
        scale_to=scale_to,
        size=size,
        match_histogram=match_histogram,
    )
    paths = path_list(model or [])
    _check_choice(task, paths, network)
    if not (task or paths):
        task = _task_for([] if film else find_places(images, out, recursive=recursive))
        logger.info("`task=%s`, as all images are JPEG files", task)
    engines = _engines(task, paths, None if alpha is None else parse_alpha(alpha), network)
    if film:
        return make_film(film, out, engines, options, films)
    restoration.check_same_format(engines)
    places = find_places(images, out, recursive=recursive)
    if out == RESULTS_FOLDER:
        logger.info("results go into the folder '%s'", out)
    if format is None and not is_one_file(out):
        options = replace(options, format=restoration.default_format(engines[0].pixels, list(places)))
    restorers = [restoration.FileRestorer(engine, options) for engine in engines]
    return process_images(RestoreResult, places, restorers, out, verify=verify, page=page)


def _check_choice(task: Task | None, models: Sequence[Path], network: NetworkLike | None) -> None:
    """Raise LossmithError for a task that is not known, or that is given beside models of one's own."""
    if task is not None and task not in get_args(Task):
        raise unknown_name_error("task", str(task), get_args(Task))
    if task and models:
        raise LossmithError("`task` stands for a model of lossmith: give `task` or `model`, not both")
    if network is not None and not models:
        raise LossmithError("`network` is that of a `model`; those of a `task` are known")


def _task_for(images: Collection[Path]) -> Task:
    """The task of images of which nothing is said: jpeg, if all are JPEG files by their first bytes.

    Raises LossmithError, which names the tasks, for others, and for a film.
    """
    tasks = ", ".join(get_args(Task)[:-1]) + f" or {get_args(Task)[-1]}"
    other = next((image for image in images if not _is_jpeg(image)), None)
    if other is None and images:
        return "jpeg"
    reason = f"'{other}' is not JPEG, so say" if other else "say"
    raise LossmithError(f"{reason} what to undo: `task` {tasks}; or name a `model`")


def _is_jpeg(image: Path) -> bool:
    with image.open("rb") as file:
        return file.read(len(JPEG_START)) == JPEG_START


def _engines(
    task: Task | None, models: Sequence[Path], alpha: float | None, network: NetworkLike | None
) -> list[restoration.Engine]:
    """The models of a restoration: that of the task, those that are named, or the one between two of them.

    Raises LossmithError for an alpha beside another number of models than two.
    """
    if task:
        return [restoration.load_task(task, alpha or 0)]
    if alpha is not None and len(models) != 2:
        raise LossmithError(f"`alpha` goes with a `task`, or with two models to mix, not with {len(models)}")
    engines = [restoration.load_engine(path, network) for path in models]
    return engines if alpha is None else [restoration.blend_engines(engines[0], engines[1], alpha)]
