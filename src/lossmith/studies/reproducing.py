"""`lossmith reproduce`: a file made again from what it says of itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from lossmith.degradations import degradation
from lossmith.errors import LossmithError, printable
from lossmith.evaluation import Protocol
from lossmith.files import check_folder, digest_of
from lossmith.images import Gathered, degraded_source, find_pictures, folder_pairs, paired_source, sample_pictures
from lossmith.images import test_pairs as pairs_of
from lossmith.learning import LossRecipe
from lossmith.losses import loss
from lossmith.losses.loss_file import FORMAT as LOSS
from lossmith.models import FORMAT as MODEL
from lossmith.models import check_file
from lossmith.origin import threads_of
from lossmith.studies.learning import learn_loss
from lossmith.studies.outcome import Outcome
from lossmith.tensor_files import formats_of, is_safetensors, load_tensors
from lossmith.training import Contest, Recipe, RunFolder

PICTURES = ("training_pictures", "test_pictures")


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
        lines += [printable(f"{name} was {then}, and is {now}") for name, (then, now) in self.changed.items()]
        return "\n".join(lines)


def reproduce(
    file: Path, *, pictures: list[Path] | None = None, begins_with: Path | None = None, out: Path | None = None
) -> Reproduced:
    """Make a model or a learned loss again, as its receipt says, and tell whether the result is the same.

    A stopped reproduction goes on with the same command. On a CPU, with the same versions and as many threads,
    the result is the same to the last bit; the command ends with status 1 where it is not.

    Parameters
    ----------
    file
        A model.safetensors of a run or of `lossmith export`, or a loss of `lossmith learn-loss`.
    pictures
        Files, folders (also with folders within) or patterns among which the pictures are that it was made from;
        they are known by their SHA-256.
        Those of scikit-image are found by themselves.
    begins_with
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
    with threads_of(card):
        if kind == LOSS:
            anew = _learned(file, card, pictures, out)
        else:
            anew = _trained(file, card, pictures, begins_with, out)
    after, made = load_tensors(anew, kind)
    return Reproduced(file, anew, _difference(before, after), _changed(card, made))


def _trained(file: Path, receipt: dict[str, Any], pictures: Any, begins_with: Path | None, out: Path) -> Path:
    from lossmith.training.init import open_init
    from lossmith.training.lesson import Duel, Lesson
    from lossmith.training.run import teach

    _check(file, receipt, needed=("loss", "network", "degradation", "seed"), parts=("protocol", *PICTURES))
    _refuse_code(file, receipt, ("loss", "network", "degradation"))
    if receipt.get("minutes"):
        raise LossmithError(f"{file} was trained for {receipt['minutes']} minutes, which is never twice the same")
    recipe = Recipe(**_fitting(receipt, Recipe))
    criterion = loss(str(receipt["loss"]))
    start = _beginning(file, receipt, begins_with)
    gathered = _gathered(file, receipt, pictures)
    lesson = Lesson(criterion, recipe)
    if "critic" in receipt:
        lesson = Duel(criterion, recipe, Contest(**_fitting(receipt, Contest)), start)
    elif "begins_with" in receipt:
        begun = replace(recipe, init=start, init_partial="begins_with_part" in receipt)
        lesson = Lesson(criterion, recipe, init=open_init(begun, gathered.source.scale)[1])
    folder = RunFolder(out)
    teach(
        folder,
        lesson,
        gathered.source,
        gathered.tests,
        Protocol(**receipt["protocol"]),
        seed=receipt["seed"],
        fingerprint=gathered.fingerprint,
        devices=receipt.get("devices", 1),
    )
    return folder.model


def _beginning(file: Path, receipt: dict[str, Any], said: Path | None) -> Path:
    """The file with the weights that training began with: what was said, or the model of the stage before."""
    start = said or file.parent.parent / "psnr" / "model.safetensors"
    wanted = receipt.get("begins_with")
    if wanted is not None and (not start.is_file() or digest_of(start) != wanted):
        raise LossmithError(
            f"{file} began with a file that is not here, of the SHA-256 {wanted}; name it with --begins-with"
        )
    return start


def _gathered(file: Path, receipt: dict[str, Any], pictures: Any) -> Gathered:
    """The pictures that a model was trained on and tested with, in their order."""
    fingerprint = {name: receipt[name] for name in PICTURES}
    train, tests = (_find(file, each, pictures) for each in fingerprint.values())
    damage = str(receipt["degradation"])
    if damage.startswith("pairs of "):
        trained, tested = (list(zip(each[::2], each[1::2], strict=True)) for each in (train, tests))
        return Gathered(paired_source(trained), folder_pairs(tested), damage, fingerprint)
    kind = degradation(damage)
    return Gathered(degraded_source(train, kind), pairs_of(tests, kind), damage, fingerprint)


def _learned(file: Path, card: dict[str, Any], pictures: Any, out: Path) -> Path:
    _check(file, card, needed=("degradation", "seed"), parts=("recipe", "picture"))
    _refuse_code(file, card, ("degradation",))
    _check(file, card["picture"], needed=("picture_sha256",))
    digests = (name for name in ("picture_sha256", "degraded_sha256") if name in card["picture"])
    picture, *degraded = _find(file, {name: card["picture"][name] for name in digests}, pictures)
    damage = {"degraded": degraded[0]} if degraded else {"degradation": str(card["degradation"])}
    recipe = LossRecipe(**_fitting(card["recipe"], LossRecipe))
    path = out / file.name
    learn_loss(picture, recipe=recipe, seed=card["seed"], license=str(card.get("licence", "")), out=path, **damage)
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


def _fitting(card: dict[str, Any], settings: Any) -> dict[str, Any]:
    """Those of the receipt's entries that are fields of a dataclass."""
    return {field.name: card[field.name] for field in fields(settings) if field.name in card}


def _find(file: Path, wanted: dict[str, str], pictures: Sequence[Path] | None) -> list[Path]:
    """The files with these SHA-256, in this order."""
    given = find_pictures(pictures, recursive=True) if pictures else []
    here = {digest_of(path): path for path in (*given, *sample_pictures("train"), *sample_pictures("test"))}
    if missing := [name for name, digest in wanted.items() if str(digest) not in here]:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise LossmithError(f"{file} was made from '{missing[0]}'{others}; say with --pictures where they are")
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
