"""`lossmith reproduce`: a file made again from what it says of itself."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from lossmith.commands.learn_loss import learn_loss
from lossmith.commands.outcome import Outcome
from lossmith.core.errors import LossmithError, escape_control
from lossmith.core.files import check_folder, sha256_of
from lossmith.core.legacy import rename_card, rename_entries
from lossmith.core.provenance import receipt_threads
from lossmith.core.run_config import BEGINNING
from lossmith.core.safetensors_io import formats_of, is_safetensors, load_tensors
from lossmith.data import (
    PreparedData,
    degraded_images,
    find_images,
    load_test_pairs,
    make_test_pairs,
    paired_images,
    sample_images,
)
from lossmith.degradations import degradation
from lossmith.evaluation import Protocol
from lossmith.loss_learning import LossRecipe
from lossmith.losses import loss
from lossmith.losses.mdf.loss_file import FORMAT as LOSS
from lossmith.models.model_file import FORMAT as MODEL
from lossmith.models.model_file import check_file
from lossmith.training import AdversarialRecipe, Recipe, RunFolder, RunSettings

IMAGES = ("training_images", "test_images")
MADE_BY = ("versions", "device", "devices", "threads")
OF_A_RUN = (*IMAGES, *MADE_BY, "loss", "scale", "seed", "protocol", *BEGINNING, "skipped", "remarks")
"""Entries of a model's receipt beside the fields of its recipe."""
OF_A_LOSS = (*MADE_BY, "task", "degradation", "image", "scales", "range", "recipe", "seed", "seconds", "license")
"""Entries of the card of a learned loss."""
DIGESTS = ("image_sha256", "degraded_sha256")
OF_AN_IMAGE = (*DIGESTS, "width", "height")
"""What a card says of the image that a loss was learned from."""


@dataclass(frozen=True, repr=False)
class Reproduced(Outcome):
    """A file, and the one that was made anew."""

    file: Path
    anew: Path
    difference: float
    """The norm of the difference of all weights, in parts of that of the weights."""
    changed: dict[str, tuple[Any, Any]]
    """What was not as it was: versions of the code, or the device; then and now."""

    @property
    def status(self) -> int:
        """What the command ends with: 1 when the result is another."""
        return int(self.difference > 0)

    def __str__(self) -> str:
        lines = [f"made anew: {self.anew}"]
        if self.difference == 0:
            lines.append(f"the result is the same as {self.file}, to the last bit")
        else:
            lines.append(f"the result is not the same as {self.file}: its weights differ by {self.difference:.1e}")
        lines += [escape_control(f"{name} was {then}, and is {now}") for name, (then, now) in self.changed.items()]
        return "\n".join(lines)


def reproduce(
    file: Path, *, images: list[Path] | None = None, init_from: Path | None = None, out: Path | None = None
) -> Reproduced:
    """Make a model or a learned loss again, as its receipt says, and tell whether the result is the same.

    A stopped reproduction goes on with the same command. On a CPU, with the same versions and as many threads,
    the result is the same to the last bit; the command ends with status 1 where it is not.

    Parameters
    ----------
    file
        A model.safetensors of a run or of `lossmith export`, or a loss of `lossmith learn-loss`.
    images
        Files, folders (also with folders within) or patterns among which the images are that it was made from;
        they are known by their SHA-256.
        Those of scikit-image are found by themselves.
    init_from
        The file that training began with, --init or the stage before [default: that stage, beside the run].
    out
        Folder for what is made [default: beside the file, its name and -anew].

    Raises
    ------
    LossmithError
        When the file does not say how it was made, or what it was made from is not here.
    """
    file = Path(file)
    check_file(file)
    if not is_safetensors(file):
        raise LossmithError(f"{file} does not say how it was made, as models and losses of lossmith do")
    out = Path(out) if out is not None else file.with_name(f"{file.stem}-anew")
    check_folder(out, "what is made")
    kind = LOSS if LOSS in formats_of(file) else MODEL
    before, card = load_tensors(file, kind)
    card = rename_card(card) if kind == LOSS else rename_entries(card)
    with receipt_threads(card):
        anew = _learned(file, card, images, out) if kind == LOSS else _trained(file, card, images, init_from, out)
    after, made = load_tensors(anew, kind)
    return Reproduced(file, anew, _difference(before, after), _changed(card, made))


def _trained(file: Path, receipt: dict[str, Any], images: Any, init_from: Path | None, out: Path) -> Path:
    from lossmith.training.initial_weights import open_init
    from lossmith.training.run import AdversarialTask, SupervisedTask, train_run

    _check(file, receipt, needed=("loss", "network", "degradation", "seed"), parts=("protocol", *IMAGES))
    _refuse_code(file, receipt, ("loss", "network", "degradation"))
    if receipt.get("minutes"):
        raise LossmithError(f"{file} was trained for {receipt['minutes']} minutes, which is never twice the same")
    _refuse_unknown(file, receipt, OF_A_RUN, Recipe, AdversarialRecipe)
    _refuse_unknown(file, receipt["protocol"], (), Protocol)
    recipe = Recipe(**_fitting(receipt, Recipe))
    criterion = loss(str(receipt["loss"]))
    start = _beginning(file, receipt, init_from)
    prepared = _gathered(file, receipt, images)
    task = SupervisedTask(criterion, recipe)
    if "discriminator" in receipt:
        task = AdversarialTask(criterion, recipe, AdversarialRecipe(**_fitting(receipt, AdversarialRecipe)), start)
    elif "begins_with" in receipt:
        begun = replace(recipe, init=start, init_partial="begins_with_part" in receipt)
        task = SupervisedTask(criterion, recipe, init=open_init(begun, prepared.source.scale)[1])
    folder = RunFolder(out)
    settings = RunSettings(
        protocol=Protocol(**receipt["protocol"]), seed=receipt["seed"], devices=receipt.get("devices", 1)
    )
    train_run(folder, task, prepared, settings)
    return folder.model


def _beginning(file: Path, receipt: dict[str, Any], said: Path | None) -> Path:
    """The file with the weights that training began with: what was said, or the model of the stage before."""
    start = said or file.parent.parent / "psnr" / "model.safetensors"
    wanted = receipt.get("begins_with")
    if wanted is not None and (not start.is_file() or sha256_of(start) != wanted):
        raise LossmithError(
            f"{file} began with a file that is not here, of the SHA-256 {wanted}; name it with --init-from"
        )
    return start


def _gathered(file: Path, receipt: dict[str, Any], images: Any) -> PreparedData:
    """The images that a model was trained on and tested with, in their order."""
    fingerprint = {name: receipt[name] for name in IMAGES}
    train, tests = (_find(file, each, images) for each in fingerprint.values())
    damage = str(receipt["degradation"])
    if damage.startswith("pairs of "):
        trained, tested = (list(zip(each[::2], each[1::2], strict=True)) for each in (train, tests))
        return PreparedData(paired_images(trained), load_test_pairs(tested), damage, fingerprint)
    kind = degradation(damage)
    return PreparedData(degraded_images(train, kind), make_test_pairs(tests, kind), damage, fingerprint)


def _learned(file: Path, card: dict[str, Any], images: Any, out: Path) -> Path:
    _check(file, card, needed=("degradation", "seed"), parts=("recipe", "image"))
    _refuse_code(file, card, ("degradation",))
    _check(file, card["image"], needed=("image_sha256",))
    _refuse_unknown(file, card, OF_A_LOSS)
    _refuse_unknown(file, card["image"], OF_AN_IMAGE)
    _refuse_unknown(file, card["recipe"], (), LossRecipe)
    digests = (name for name in DIGESTS if name in card["image"])
    image, *degraded = _find(file, {name: card["image"][name] for name in digests}, images)
    damage = {"degraded": degraded[0]} if degraded else {"degradation": str(card["degradation"])}
    recipe = LossRecipe(**_fitting(card["recipe"], LossRecipe))
    path = out / file.name
    learn_loss(image, recipe=recipe, seed=card["seed"], license=str(card.get("license", "")), out=path, **damage)
    return path


def _refuse_code(file: Path, card: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if ":" in str(card[name]):
            raise LossmithError(f"{file} was made with your own '{card[name]}', whose code a file cannot run")


def _check(file: Path, card: dict[str, Any], needed: Sequence[str], parts: Sequence[str] = ()) -> None:
    """Raise LossmithError where entries are missing, or one that has parts has none."""
    missing = [name for name in needed if name not in card]
    missing += [name for name in parts if not (card.get(name) and isinstance(card[name], dict))]
    if missing:
        raise LossmithError(f"{file} does not say how it was made: its receipt has no {missing[0]}")


def _refuse_unknown(file: Path, entries: dict[str, Any], known: Iterable[str], *settings: Any) -> None:
    """Raise LossmithError for an entry that might mean something to the version that wrote it."""
    names = {*known, *(field.name for each in settings for field in fields(each))}
    if strange := sorted(entries.keys() - names):
        raise LossmithError(
            f"{file} has the entry '{strange[0]}', which this lossmith does not know, so the result might be "
            "another; reproduce it with the version that its receipt names"
        )


def _fitting(card: dict[str, Any], settings: Any) -> dict[str, Any]:
    """Those of the receipt's entries that are fields of a dataclass."""
    return {field.name: card[field.name] for field in fields(settings) if field.name in card}


def _find(file: Path, wanted: dict[str, str], images: Sequence[Path] | None) -> list[Path]:
    """The files with these SHA-256, in this order."""
    given = find_images(images, recursive=True) if images else []
    here = {sha256_of(path): path for path in (*given, *sample_images("train"), *sample_images("test"))}
    if missing := [name for name, digest in wanted.items() if str(digest) not in here]:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise LossmithError(f"{file} was made from '{missing[0]}'{others}; say with --images where they are")
    return [here[str(digest)] for digest in wanted.values()]


def _difference(before: dict[str, Tensor], after: dict[str, Tensor]) -> float:
    """0 if all is the same to the last bit of what the first file holds."""
    if {name: each.shape for name, each in before.items()} != {name: each.shape for name, each in after.items()}:
        return math.inf
    now = {name: after[name].to(each.dtype) for name, each in before.items()}
    if all(now[name].equal(each) for name, each in before.items()):
        return 0.0
    gap, size = (
        math.hypot(*(each.double().norm().item() for each in parts))
        for parts in ([now[name].double() - each.double() for name, each in before.items()], before.values())
    )
    return gap / size


def _changed(card: dict[str, Any], made: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    then, now = ({**each.get("versions", {}), "device": each.get("device")} for each in (card, made))
    return {name: (then.get(name, "not said"), value) for name, value in now.items() if then.get(name) != value}
