"""`lossmith stylize`: photographs and films painted in a style that was learned, or in that of a painting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from lossmith import data, restoration, training
from lossmith.commands.command_line import changed
from lossmith.commands.films import FilmResult, film_of, make_film
from lossmith.commands.image_results import ImageOutcome, find_places, process_images
from lossmith.commands.option_types import NetworkOption, PathOption, PathsOption, ProgressOption
from lossmith.commands.result_paths import format_for
from lossmith.core.errors import LossmithError
from lossmith.core.files import path_list
from lossmith.core.progress import progress_option
from lossmith.training import PaintingRecipe
from lossmith.video.options import FilmOptions

if TYPE_CHECKING:
    from lossmith.networks import NetworkLike


@dataclass(frozen=True, repr=False)
class StylizeResult(ImageOutcome):
    """The results of `stylize`."""

    command: ClassVar[str] = "stylize"
    verb: ClassVar[str] = "painted"


@progress_option
def stylize(
    images: PathsOption,
    *,
    model: PathsOption | None = None,
    style: PathsOption | None = None,
    out: PathOption,
    strength: float = 1.0,
    keep_color: bool = False,
    size: int | str | None = None,
    recursive: bool = False,
    format: Literal["png", "jpeg", "webp", "tiff"] | None = None,
    bits: Literal["auto", "8", "16"] = "auto",
    quality: int | None = None,
    network: NetworkOption = None,
    memory: float | None = None,
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    verify: bool = False,
    page: bool = False,
    recipe: PaintingRecipe = PaintingRecipe(),
    films: FilmOptions = FilmOptions(),
    progress: ProgressOption = True,
) -> StylizeResult | FilmResult:
    """Paint photographs or a film in a style that `learn-style` has learned, or without learning in a painting's.

    Bit depth, transparency and metadata of the photographs are kept, as `restore` keeps them; gray ones get
    colors. A style normalizes by the whole image. One that does not fit into memory is painted tile by tile, with
    statistics that are measured once on a reduced copy: no seam shows, and the deviation is measured and said.
    The same command skips finished results and resumes a stopped run. A film, such as holiday.mp4, is painted
    frame by frame and keeps its sound.

    With `style` in the place of `model` the pixels of each photograph are optimized, which takes minutes where a
    learned style takes a fraction of a second, and gives what that approximates.

    Parameters
    ----------
    images
        Files, folders, or patterns such as "photos/*.jpg"; or one film, or - for raw frames.
    model
        Styles: model files of `learn-style`, or of ports of the same network. Several are shown side by side on
        one page; with `strength` two are mixed instead.
    style
        Paintings, in whose style photographs are painted without a model; the style of several is their mean.
    out
        Folder for the results: NAME.png; with several models STYLE/NAME.png. For one image and one model also the
        file to write, such as result.png. Of a film: the file, such as painted.mp4, or - for raw frames.
    strength
        0 to 1: from the photograph to the painting. With two models from the first style to the second, by
        interpolation of their weights.
    keep_color
        Keep the colors of the photograph, and paint its luminance only.
    size
        The size at which a photograph is painted: its longer side in pixels, or WIDTHxHEIGHT. Strokes have a size
        in pixels, so a small painting is a coarse one [default: the size of the photograph; without a model at
        most 512].
    recursive
        Paint images in nested folders too; the results keep their folders.
    format
        Format of the results [default: png, or by the extension of OUT].
    bits
        Bits per value in PNG and TIFF; auto: those of the image.
    quality
        1 to 100, of JPEG and WebP [default: 95 for JPEG; lossless WebP].
    network
        The network of a style, if it is your own: import.path:Class.
    memory
        Gigabytes that the network may take [default: half of what is free].
    precision
        auto uses half precision where it is faster on the device and 99 % of the 8-bit values stay the same.
    verify
        Compare the first result with the network on the whole image in float32, or on what fits into memory.
    page
        Write a page that shows each photograph beside its paintings; with several styles it is always written.
    recipe
        What concerns painting without a model only.
    films
        What concerns films only.
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For a model that is no style, a painting that is too small for one, invalid arguments and anything else
        that is found before the first image. What is wrong with a single image is among the failures.
    """
    film, out = film_of(stylize, locals()), Path(out)
    models, paintings = path_list(model or []), path_list(style or [])
    _check_way(len(models), len(paintings), recipe)
    if film and paintings:
        raise LossmithError("a film is painted with a `model`; `lossmith learn-style` learns one from the `style`")
    options = restoration.PaintOptions(
        "png" if film else format_for(out, format),
        bits,
        quality,
        memory=memory,
        precision=precision,
        size=size,
        strength=strength,
        keep_color=keep_color,
    )
    if paintings:
        if verify or precision not in ("auto", "float32"):
            raise LossmithError("`verify` and `precision` are for a `model`; without one float32 is needed")
        if network is not None:
            raise LossmithError("`network` is that of a `model`; without one `loss_network` says what a style is")
        restorer = training.painting_restorer(data.find_images(paintings), recipe, options)
        places = find_places(images, out, recursive=recursive)
        return process_images(StylizeResult, places, [restorer], out, verify=False, page=page)
    if strength < 1 and len(models) > 1:
        engines: Sequence[restoration.Engine] = [_between(models, strength, network)]
        options = replace(options, strength=1.0)
    else:
        engines = [load_style(path, network) for path in models]
    if film:
        return make_film(film, out, engines, options, films)
    restorers = [restoration.FileRestorer(engine, options) for engine in engines]
    places = find_places(images, out, recursive=recursive)
    return process_images(StylizeResult, places, restorers, out, verify=verify, page=page)


def _check_way(models: int, paintings: int, recipe: PaintingRecipe) -> None:
    """Raise LossmithError unless it is clear whether models paint, or images are optimized."""
    if bool(models) == bool(paintings):
        raise LossmithError(
            "stylize paints with a `model`, which `lossmith learn-style` learns, or without one in the `style` of "
            "a painting: give one of the two"
        )
    if models and (settings := changed(recipe)):
        raise LossmithError(f"`{next(iter(settings))}` is for painting without a `model`, in a `style`")


def load_style(path: Path, network: NetworkLike | None = None) -> restoration.Engine:
    """Load a style, as a model file or a graph; `network` is that of files which name code.

    Raises LossmithError for anything else.
    """
    engine = restoration.load_engine(path, network)
    if not restoration.is_style(engine):
        raise LossmithError(
            f"'{path}' is no style, but {restoration.network_of(engine)}; `lossmith restore` takes it"
        )
    return engine


def _between(models: Sequence[Path], strength: float, network: NetworkLike | None) -> restoration.Engine:
    """The style between two.

    Raises LossmithError for more than two, and for styles of two architectures.
    """
    if len(models) > 2:
        raise LossmithError(f"`strength` takes one style, or two to paint between, not {len(models)}")
    first, second = (load_style(path, network) for path in models)
    return restoration.blend_engines(first, second, strength)
