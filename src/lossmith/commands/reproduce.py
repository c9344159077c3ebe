"""`lossmith reproduce`: trains a model, a style or a loss again from its receipt."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmith import data, degradations, evaluation, losses, models, training
from lossmith.commands.learn_loss import learn_loss
from lossmith.commands.learn_style import learn_style
from lossmith.commands.option_types import PathOption, PathsOption, ProgressOption
from lossmith.commands.outcome import Outcome
from lossmith.core.errors import LossmithError, escape_control
from lossmith.core.files import check_folder, sha256_of
from lossmith.core.legacy import rename_card, rename_entries
from lossmith.core.progress import progress_option
from lossmith.core.provenance import receipt_threads
from lossmith.core.run_config import INIT_KEYS
from lossmith.loss_learning import LossRecipe
from lossmith.losses import mdf
from lossmith.training import AdversarialRecipe, Recipe, StyleRecipe

if TYPE_CHECKING:
    from torch import Tensor

IMAGE_ENTRIES = ("training_images", "test_images")
MASK_ENTRIES = ("training_masks", "test_masks")
VALIDATION_ENTRIES = ("validation_crops", "validation_min_side")
"""Entries of a run that kept parts of the training images for validation."""
PROVENANCE_ENTRIES = ("versions", "device", "devices", "threads")
Paths = str | Path | Sequence[str | Path] | None
"""Where to look for the images that a file was made from."""

RECEIPT_ENTRIES = (
    *IMAGE_ENTRIES,
    *MASK_ENTRIES,
    *VALIDATION_ENTRIES,
    "pixels",
    "nan",
    *PROVENANCE_ENTRIES,
    "loss",
    "loss_as_trained",
    "scale",
    "seed",
    "protocol",
    *INIT_KEYS,
    "skipped",
    "remarks",
)
"""Entries of a model's receipt beside the fields of its recipe."""
CARD_ENTRIES = (
    *PROVENANCE_ENTRIES,
    "pixels",
    "task",
    "degradation",
    "image",
    "scales",
    "range",
    "recipe",
    "seed",
    "seconds",
    "license",
)
"""Entries of the card of a learned loss."""
STYLE_ENTRIES = ("paintings", "style_share", "loss_weights")
"""Entries of a style's receipt under `style`, beside the fields of its recipe."""
DIGEST_ENTRIES = ("image_sha256", "degraded_sha256")
CARD_IMAGE_ENTRIES = (*DIGEST_ENTRIES, "width", "height")
"""Entries of the card's `image`, the image that the loss was learned from."""


@dataclass(frozen=True, repr=False)
class ReproduceResult(Outcome):
    """The result of a reproduction."""

    file: Path
    """The original file."""
    reproduction: Path
    """The new file."""
    difference: float
    """The norm of the difference of all weights relative to the norm of the original weights."""
    changed: dict[str, tuple[Any, Any]]
    """Versions of packages and the device, where they differ: then and now."""

    @property
    def status(self) -> int:
        """Exit status of the command: 1 when the weights differ."""
        return int(self.difference > 0)

    def __str__(self) -> str:
        lines = [f"reproduced: {self.reproduction}"]
        if self.difference == 0:
            lines.append(f"the result is the same as {self.file}, to the last bit")
        else:
            lines.append(f"the result is not the same as {self.file}: its weights differ by {self.difference:.1e}")
        lines += [escape_control(f"{name} was {then}, and is {now}") for name, (then, now) in self.changed.items()]
        return "\n".join(lines)


@progress_option
def reproduce(
    file: PathOption,
    *,
    images: PathsOption | None = None,
    init_from: PathOption | None = None,
    out: PathOption | None = None,
    progress: ProgressOption = True,
) -> ReproduceResult:
    """Train a model, a style or a loss again, as its receipt says, and tell whether the result is the same.

    A stopped reproduction continues with the same command. On a CPU, with the same versions and as many threads,
    the result is the same to the last bit; the command ends with status 1 where it is not.

    Parameters
    ----------
    file
        A model.safetensors of a run or of `lossmith export`, a style of `lossmith learn-style`, or a loss of
        `lossmith learn-loss`.
    images
        Files, folders (searched recursively) or patterns that include the images, and the masks, that it was made
        from, which are recognized by their SHA-256. The photographs of scikit-image are found without it.
    init_from
        The model file that training began with, `init` or the first stage [default: that stage, beside the run].
    out
        Folder of the reproduction [default: beside the file, its name and -anew].
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        When the file has no complete receipt, or the images or weights that it was made from are not found.
    """
    from lossmith.core.safetensors_io import formats_of, is_safetensors, load_tensors  # they need torch

    file = Path(file)
    models.check_file(file)
    if not is_safetensors(file):
        raise LossmithError(f"{file} does not say how it was made, as models and losses of lossmith do")
    out = Path(out) if out is not None else file.with_name(f"{file.stem}-anew")
    check_folder(out, "a reproduction")
    kind = mdf.FORMAT if mdf.FORMAT in formats_of(file) else models.FORMAT
    weights, card = load_tensors(file, kind)
    card = rename_card(card) if kind == mdf.FORMAT else rename_entries(card)
    with receipt_threads(card):
        if kind == mdf.FORMAT:
            reproduction = _learn_again(file, card, images, out)
        elif "style" in card:
            reproduction = _learn_style_again(file, card, images, out)
        else:
            reproduction = _train_again(file, card, images, init_from, out)
    new_weights, new_card = load_tensors(reproduction, kind)
    return ReproduceResult(file, reproduction, _difference(weights, new_weights), _changed(card, new_card))


def _train_again(
    file: Path, receipt: dict[str, Any], images: Paths, init_from: str | Path | None, out: Path
) -> Path:
    if "validation_crops" in receipt and "test_images" not in receipt:
        raise LossmithError(f"{file} is of a trial, which is not reproduced; models of the front of a search are")
    _check(file, receipt, needed=("loss", "network", "degradation", "seed"), parts=("protocol", *IMAGE_ENTRIES))
    _refuse_code(file, receipt, ("loss", "network", "degradation"))
    if receipt.get("minutes"):
        raise LossmithError(f"{file} was trained for {receipt['minutes']} minutes, which is never twice the same")
    _refuse_unknown(file, receipt, RECEIPT_ENTRIES, Recipe, AdversarialRecipe)
    _refuse_unknown(file, receipt["protocol"], (), evaluation.Protocol)
    recipe = Recipe(**_fitting(receipt, Recipe))
    criterion = losses.loss(str(receipt["loss"]))
    start = _find_start(file, receipt, init_from)
    prepared = _find_data(file, receipt, images)
    task = training.SupervisedTask(criterion, recipe)
    if "discriminator" in receipt:
        task = training.AdversarialTask(
            criterion, recipe, AdversarialRecipe(**_fitting(receipt, AdversarialRecipe)), start
        )
    elif "begins_with" in receipt:
        init_recipe = replace(recipe, init=start, init_partial="begins_with_part" in receipt)
        task = training.SupervisedTask(
            criterion, recipe, init=training.open_init(init_recipe, prepared.source.scale, prepared.pixels)[1]
        )
    folder = training.RunFolder(out)
    settings = training.RunSettings(
        protocol=evaluation.Protocol.from_receipt(receipt["protocol"]),
        seed=receipt["seed"],
        devices=receipt.get("devices", 1),
    )
    training.train_run(folder, task, prepared, settings)
    return folder.model


def _find_start(file: Path, receipt: dict[str, Any], init_from: str | Path | None) -> Path:
    """The file with the weights that training began with: `init_from`, or the model of the first stage."""
    start = Path(init_from) if init_from else file.parent.parent / "psnr" / "model.safetensors"
    digest = receipt.get("begins_with")
    if digest is not None and (not start.is_file() or sha256_of(start) != digest):
        raise LossmithError(
            f"{file} began with a file that is not here, of the SHA-256 {digest}; name it with `init_from`"
        )
    return start


def _find_data(file: Path, receipt: dict[str, Any], images: Paths) -> data.PreparedData:
    """The images that a model was trained on and tested with, in the receipt's order."""
    entries = (*IMAGE_ENTRIES, *MASK_ENTRIES, "pixels", "nan")
    fingerprint = {name: receipt[name] for name in entries if name in receipt}
    train, tests = (_find(file, receipt[name], images) for name in IMAGE_ENTRIES)
    reader = data.PictureReader(
        models.pixels_of(file, receipt), receipt.get("nan", "refuse"), _find_masks(file, receipt, images)
    )
    name = str(receipt["degradation"])
    if name.startswith("pairs of "):
        train_pairs, test_pairs = (list(zip(paths[::2], paths[1::2], strict=True)) for paths in (train, tests))
        source = data.paired_images(train_pairs, reader=reader)
        test_images = data.load_test_pairs(test_pairs, reader=reader)
    else:
        kind = degradations.degradation(name)
        source = data.degraded_images(train, kind, reader=reader)
        test_images = data.make_test_pairs(tests, kind, reader=reader)
    prepared = data.PreparedData(source, test_images, name, fingerprint, pixels=reader.pixels)
    return _split(file, receipt, prepared) if "validation_crops" in receipt else prepared


def _split(file: Path, receipt: dict[str, Any], prepared: data.PreparedData) -> data.PreparedData:
    """The images without the parts that a run kept for validation."""
    name, min_side = str(receipt["degradation"]), receipt.get("validation_min_side")
    if not isinstance(min_side, int):
        raise LossmithError(f"{file} does not say how it was made: its receipt has no validation_min_side")
    kind = None if name.startswith("pairs of ") else degradations.degradation(name)
    split = data.split_validation(prepared, kind, receipt["patch"], min_side)
    if split.fingerprint["validation_crops"] != receipt["validation_crops"]:
        raise LossmithError(f"{file} was trained on other parts of its images than this lossmith cuts off")
    return data.with_tests(split, prepared, min_side)


def _find_masks(file: Path, receipt: dict[str, Any], images: Paths) -> dict[Path, Path]:
    """The masks of the images of a receipt."""
    masks: dict[Path, Path] = {}
    for digests, mask_digests in zip(IMAGE_ENTRIES, MASK_ENTRIES, strict=True):
        digests_of_masks = receipt.get(mask_digests, {})
        masked = {name: receipt[digests].get(name, "") for name in digests_of_masks}
        found = (_find(file, each, images) for each in (masked, digests_of_masks))
        masks |= dict(zip(*found, strict=True))
    return masks


def _learn_again(file: Path, card: dict[str, Any], images: Paths, out: Path) -> Path:
    _check(file, card, needed=("degradation", "seed"), parts=("recipe", "image"))
    _refuse_code(file, card, ("degradation",))
    _check(file, card["image"], needed=("image_sha256",))
    _refuse_unknown(file, card, CARD_ENTRIES)
    _refuse_unknown(file, card["image"], CARD_IMAGE_ENTRIES)
    _refuse_unknown(file, card["recipe"], (), LossRecipe)
    digests = (name for name in DIGEST_ENTRIES if name in card["image"])
    image, *degraded = _find(file, {name: card["image"][name] for name in digests}, images)
    recipe = LossRecipe(**_fitting(card["recipe"], LossRecipe))
    path = out / file.name
    pixels = models.pixels_of(file, card)
    learn_loss(
        image,
        degradation=None if degraded else str(card["degradation"]),
        degraded=degraded[0] if degraded else None,
        channels=pixels.channels,
        range=f"{pixels.low!r}:{pixels.high!r}" if "pixels" in card else "auto",
        recipe=recipe,
        seed=card["seed"],
        license=str(card.get("license", "")),
        out=path,
    )
    return path


def _learn_style_again(file: Path, receipt: dict[str, Any], images: Paths, out: Path) -> Path:
    _check(file, receipt, needed=("network", "seed"), parts=("style", *IMAGE_ENTRIES))
    _refuse_code(file, receipt, ("network",))
    _check(file, style := receipt["style"], needed=("loss_network",), parts=("paintings",))
    _refuse_code(file, style, ("loss_network",))
    if receipt.get("minutes"):
        raise LossmithError(f"{file} was trained for {receipt['minutes']} minutes, which is never twice the same")
    _refuse_unknown(file, receipt, (*RECEIPT_ENTRIES, "style"), Recipe)
    _refuse_unknown(file, style, STYLE_ENTRIES, StyleRecipe)
    _check_shares(file, style.get("style_share"))
    paintings, photos, samples = (
        _find(file, digests, images)
        for digests in (style["paintings"], *(receipt[name] for name in IMAGE_ENTRIES))
    )
    recipe = StyleRecipe(**_fitting(receipt, StyleRecipe) | _fitting(style, StyleRecipe))
    _check_loss_weights(file, recipe, style.get("loss_weights"))
    path = out / file.name
    learn_style(
        photos,
        style=paintings,
        style_share=style.get("style_share"),
        samples=samples,
        recipe=recipe,
        seed=receipt["seed"],
        out=path,
        devices=receipt.get("devices", 1),
    )
    return path


def _check_shares(file: Path, shares: Any) -> None:
    """Raise LossmithError unless the shares of paintings are a list of numbers, or there are none."""
    numbers = isinstance(shares, list) and all(isinstance(share, int | float) for share in shares)
    if shares is not None and not numbers:
        raise LossmithError(f"{file} does not say how it was made: its style_share is no list of numbers")


def _check_loss_weights(file: Path, recipe: StyleRecipe, digest: object) -> None:
    """Raise LossmithError where the loss network's file is another than that by which a style was judged."""
    weights = training.loss_weights(recipe)
    if digest is not None and weights is not None and sha256_of(weights) != digest:
        raise LossmithError(
            f"{file} was made with weights of {recipe.loss_network} of the SHA-256 {digest}, and {weights} is "
            "another file; put that one in its place"
        )


def _refuse_code(file: Path, card: dict[str, Any], names: Sequence[str]) -> None:
    """Raise LossmithError where an entry names code, which is not imported because a file says so."""
    for name in names:
        if ":" in str(card[name]):
            raise LossmithError(f"{file} was made with your own '{card[name]}', whose code a file cannot run")


def _check(file: Path, card: dict[str, Any], needed: Sequence[str], parts: Sequence[str] = ()) -> None:
    """Raise LossmithError where an entry is missing, or one of `parts` is not a dictionary with entries."""
    missing = [name for name in needed if name not in card]
    missing += [name for name in parts if not (card.get(name) and isinstance(card[name], dict))]
    if missing:
        raise LossmithError(f"{file} does not say how it was made: its receipt has no {missing[0]}")


def _refuse_unknown(file: Path, entries: dict[str, Any], known: Iterable[str], *settings: Any) -> None:
    """Raise LossmithError for an unknown entry, which may have changed the result in another version."""
    names = {*known, *(field.name for kind in settings for field in fields(kind))}
    if unknown := sorted(entries.keys() - names):
        raise LossmithError(
            f"{file} has the entry '{unknown[0]}', which this lossmith does not know, so the result might be "
            "another; reproduce it with the version that its receipt names"
        )


def _fitting(card: dict[str, Any], settings: Any) -> dict[str, Any]:
    """The receipt's entries that are fields of a settings dataclass."""
    return {field.name: card[field.name] for field in fields(settings) if field.name in card}


def _find(file: Path, digests: dict[str, str], images: Paths) -> list[Path]:
    """The files with these SHA-256, by name, in their order."""
    candidates = data.find_images(images, recursive=True) if images else []
    paths = {
        sha256_of(path): path for path in (*candidates, *data.sample_images("train"), *data.sample_images("test"))
    }
    if missing := [name for name, digest in digests.items() if str(digest) not in paths]:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise LossmithError(f"{file} was made from '{missing[0]}'{others}; say with `images` where they are")
    return [paths[str(digest)] for digest in digests.values()]


def _difference(weights: dict[str, Tensor], new_weights: dict[str, Tensor]) -> float:
    """The relative norm of the difference, in the precision of the original: 0 if all bits are equal."""
    shapes, new_shapes = ({name: w.shape for name, w in ws.items()} for ws in (weights, new_weights))
    if shapes != new_shapes:
        return math.inf
    rounded = {name: new_weights[name].to(weight.dtype) for name, weight in weights.items()}
    if all(rounded[name].equal(weight) for name, weight in weights.items()):
        return 0.0
    differences = [rounded[name].double() - weight.double() for name, weight in weights.items()]
    return _norm(differences) / _norm(weights.values())


def _norm(tensors: Iterable[Tensor]) -> float:
    return math.hypot(*(tensor.double().norm().item() for tensor in tensors))


def _changed(card: dict[str, Any], new_card: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The versions and the device that differ, then and now."""
    then, now = ({**entry.get("versions", {}), "device": entry.get("device")} for entry in (card, new_card))
    return {
        name: (then.get(name, "not recorded"), value) for name, value in now.items() if then.get(name) != value
    }
