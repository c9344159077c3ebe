"""Where restored images go, so that none takes the place of another, or of what somebody else has made."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from lossmith.core.errors import LossmithError
from lossmith.data.folders import SUFFIXES, UNREADABLE_SUFFIXES, unique_names
from lossmith.restoration import ENDINGS, Format
from lossmith.restoration.io.encoding import read_record

SPELLINGS: dict[str, Format] = {
    **{ending: format for format, ending in ENDINGS.items()},
    ".jpeg": "jpeg",
    ".jfif": "jpeg",
    ".tiff": "tiff",
}


def is_one_file(out: Path) -> bool:
    """Whether --out names an image and no folder; a folder may be called so if it is there already."""
    return out.suffix.lower() in (*SUFFIXES, *UNREADABLE_SUFFIXES) and not out.is_dir()


def format_for(out: Path, asked: Format | None) -> Format:
    """What is written: as asked, or as the ending of one file says; else PNG.

    Raises LossmithError where they say different things, and for a file that is no image.
    """
    if not is_one_file(out):
        if out.is_file():
            raise LossmithError(f"'{out}' is a file, and no image; --out is a folder, or one image's file")
        return asked or "png"
    named = SPELLINGS.get(out.suffix.lower())
    if named is None:
        raise LossmithError(f"'{out}' cannot be written; restore writes {', '.join(SPELLINGS)}")
    if asked not in (None, named):
        raise LossmithError(f"--format {asked} and --out '{out}' say different things; leave --format out")
    return named


def without_results(places: Mapping[Path, Path], out: Path) -> dict[Path, Path]:
    """The images that are to be restored: not results of ours, where they lie within what is searched."""
    inside = out.resolve()
    kept = {
        image: place
        for image, place in places.items()
        if not ((image.parent.resolve() / image.name).is_relative_to(inside) and read_record(image))
    }
    return kept or dict(places)


def result_paths(
    places: Mapping[Path, Path], out: Path, models: Iterable[str], ending: str
) -> dict[tuple[str, Path], Path]:
    """The file for what each model makes of each image.

    NAME.png, in the folders in which the images lie below what was searched; with several models, each in its
    folder. Where two images would have one file, it is called after the whole of their names: a.jpg.png.

    Raises LossmithError where a result would lie outside `out`, in the place of an image, or in that of another
    result.
    """
    models = list(models)
    if twice := [name for name in models if models.count(name) > 1]:
        raise LossmithError(f"two models are called '{twice[0]}'; rename one, so that results can be told apart")
    if is_one_file(out):
        if len(models) > 1 or len(places) > 1:
            much = f"{len(places)} images" if len(models) == 1 else f"the results of {len(models)} models"
            raise LossmithError(f"--out '{out}' names one file, which cannot hold {much}; name a folder")
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
    """A link, or a model that is called "..", may lead anywhere."""
    for folder in dict.fromkeys(result.parent for result in results):
        if not folder.resolve().is_relative_to(out.resolve()):
            raise LossmithError(f"'{folder}' leads out of '{out}'; rename the model, or change --out")


def _refuse_clashes(results: Mapping[tuple[str, Path], Path]) -> None:
    inputs = {image.resolve() for _, image in results}
    folders = {folder for result in results.values() for folder in result.parents}
    taken: dict[Path, Path] = {}
    for (_, image), result in results.items():
        if result.resolve() in inputs:
            raise LossmithError(f"'{result}' would overwrite an image that is to be restored; change --out")
        if result in taken:
            raise LossmithError(f"'{taken[result]}' and '{image}' would both become '{result}'; rename one")
        if result in folders:
            raise LossmithError(f"'{result}', of '{image}', would be the folder of other results; rename one")
        taken[result] = image
