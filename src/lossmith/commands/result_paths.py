"""Paths of restored images, none of which is that of another result, of an input or of somebody else's file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from lossmith import restoration
from lossmith.core.errors import LossmithError
from lossmith.data.folders import SUFFIXES, UNREADABLE_SUFFIXES, unique_names
from lossmith.restoration import ENDINGS, Format

FORMAT_BY_EXTENSION: dict[str, Format] = {
    **{ending: format for format, ending in ENDINGS.items()},
    ".jpeg": "jpeg",
    ".jfif": "jpeg",
    ".tiff": "tiff",
}


def is_one_file(out: Path) -> bool:
    """Whether `out` names an image file; an existing folder may have such a name, too."""
    return out.suffix.lower() in (*SUFFIXES, *UNREADABLE_SUFFIXES) and not out.is_dir()


def format_for(out: Path, requested: Format | None) -> Format:
    """The format of the results: the requested one, that of the extension of `out`, or PNG.

    Raises LossmithError where the two contradict each other, and where `out` is a file but not an image.
    """
    if not is_one_file(out):
        if out.is_file():
            raise LossmithError(f"'{out}' is a file, and no image; `out` is a folder, or one image's file")
        return requested or "png"
    format = FORMAT_BY_EXTENSION.get(out.suffix.lower())
    if format is None:
        raise LossmithError(f"'{out}' cannot be written; restore writes {', '.join(FORMAT_BY_EXTENSION)}")
    if requested not in (None, format):
        raise LossmithError(f"`format={requested}` and `out='{out}'` say different things; leave `format` out")
    return format


def without_results(places: Mapping[Path, Path], out: Path) -> dict[Path, Path]:
    """The images to restore, without results of earlier calls where `out` lies inside a searched folder."""
    folder = out.resolve()
    inputs = {
        image: place
        for image, place in places.items()
        if not ((image.parent.resolve() / image.name).is_relative_to(folder) and restoration.read_record(image))
    }
    return inputs or dict(places)


def result_paths(
    places: Mapping[Path, Path], out: Path, models: Iterable[str], ending: str
) -> dict[tuple[str, Path], Path]:
    """The result file of each model and image, by (model, image).

    NAME.png, in the subfolders of the images; with several models, in a folder each. Where two images would have
    the same file, their extensions are kept: a.jpg.png.

    Raises LossmithError where a result would lie outside `out`, or replace an image or another result.
    """
    models = list(models)
    if twice := [name for name in models if models.count(name) > 1]:
        raise LossmithError(f"two models are called '{twice[0]}'; rename one, so that results can be told apart")
    if is_one_file(out):
        if len(models) > 1 or len(places) > 1:
            content = f"{len(places)} images" if len(models) == 1 else f"the results of {len(models)} models"
            raise LossmithError(f"`out='{out}'` names one file, which cannot hold {content}; name a folder")
        results = {(models[0], image): out for image in places}
    else:
        results = {
            (model, image): (out if len(models) == 1 else out / model) / f"{name}{ending}"
            for model in models
            for image, name in unique_names(places).items()
        }
        _refuse_outside(results.values(), out)
    _refuse_clashes(results)
    return results


def _refuse_outside(results: Iterable[Path], out: Path) -> None:
    """Raise LossmithError where a symlink, or a model called "..", leads out of the folder."""
    for folder in dict.fromkeys(result.parent for result in results):
        if not folder.resolve().is_relative_to(out.resolve()):
            raise LossmithError(f"'{folder}' leads out of '{out}'; rename the model, or change `out`")


def _refuse_clashes(results: Mapping[tuple[str, Path], Path]) -> None:
    """Raise LossmithError where a result would replace an input, another result or a folder of results."""
    inputs = {image.resolve() for _, image in results}
    folders = {folder for result in results.values() for folder in result.parents}
    images: dict[Path, Path] = {}
    for (_, image), result in results.items():
        if result.resolve() in inputs:
            raise LossmithError(f"'{result}' would overwrite an image that is to be restored; change `out`")
        if result in images:
            raise LossmithError(f"'{images[result]}' and '{image}' would both become '{result}'; rename one")
        if result in folders:
            raise LossmithError(f"'{result}', of '{image}', would be the folder of other results; rename one")
        images[result] = image
