"""`lossmith learn-loss`: a loss from one picture."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from glob import escape
from pathlib import Path
from typing import Any

from lossmith.degradations.checks import check_whole
from lossmith.devices import device_name
from lossmith.errors import LossmithError, counted, remark
from lossmith.files import clear_drafts
from lossmith.images import to_bytes
from lossmith.images.folders import one_picture
from lossmith.learning import LossRecipe, read_lesson
from lossmith.learning.card import card_of
from lossmith.learning.diary import Diary, Row
from lossmith.learning.learn import Learned, learn
from lossmith.learning.pyramid import Pyramid
from lossmith.learning.responses import middle, responses
from lossmith.lock import alone_in
from lossmith.losses.discriminative import MDF
from lossmith.losses.loss_file import check_name, expression_of, load_loss, save_loss
from lossmith.losses.spectrum import bands, spectrum
from lossmith.report.learned import LearnedContents, LearnedScale, write_learned
from lossmith.report.numbers import duration
from lossmith.studies.outcome import Outcome
from lossmith.training.configuration import check, claim


@dataclass(frozen=True, repr=False)
class LearnedLoss(Outcome):
    """The outcome: a file to name in `mdf(...)`."""

    path: Path
    page: Path
    scales: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{counted(self.scales, 'scale')} learned in {duration(self.seconds)}\n"
            f"loss: {self.path}, as in --losses {shlex.quote(expression_of(self.path))}\n"
            f"page: {self.page}"
        )


def learn_loss(
    picture: Path,
    *,
    degradation: str | None = None,
    degraded: Path | None = None,
    recipe: LossRecipe = LossRecipe(),
    seed: int = 0,
    license: str = "",
    out: Path = Path("my-loss.safetensors"),
    save_every: float = 30.0,
) -> LearnedLoss:
    """Learn a loss from one clean picture and the damage that you care about.

    A stopped run goes on with the same command. Beside the loss file lie a page that shows what each scale has
    learned and a folder with what a stopped run needs, which may be deleted afterwards.

    Parameters
    ----------
    picture
        A clean picture, rich in detail.
    degradation
        The damage: sr, denoise, jpeg, demosaic, or an expression such as "jpeg(10)" or "bicubic(2) | noise(5)".
    degraded
        The same picture damaged by yourself, instead of --degradation: the damage is whatever differs.
    recipe
        The pyramid and the game that is played at each of its scales.
    seed
        Of first weights, crops and noise.
    license
        Under which you give the loss away; written on its card.
    out
        The loss file to write.
    save_every
        Seconds between two checkpoints.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    picture, out = one_picture(Path(picture)), Path(out)
    degraded = None if degraded is None else one_picture(Path(degraded))
    check_name(out)
    check_whole("learn-loss", "seed", seed, 0, 2**63 - 1)
    pyramid = Pyramid(read_lesson(picture, degradation, degraded), recipe, seed)
    lesson = pyramid.lesson
    folder, page = out.with_suffix(".learning"), out.with_suffix(".html")
    if not folder.exists() and (taken := next((path for path in (out, page) if path.exists()), None)):
        raise LossmithError(f"{taken} exists already; choose another --out")
    options = {"degradation": degradation, "degraded": degraded, "seed": seed, "license": license, "out": out}
    asked = {"degradation": lesson.name, **lesson.fingerprint, "seed": seed, "licence": license, **asdict(recipe)}
    check(folder / "learn.yaml", asked)
    if not (out.exists() and page.exists()):
        with alone_in(folder):
            claim(folder / "learn.yaml", asked)
            scales = len(pyramid.factors)
            begun = f"learning a loss at {counted(scales, 'scale')} of {picture}, {lesson.name}"
            remark(f"{begun}; {device_name()}; into {out}")
            for result in (out, page):
                clear_drafts(out.parent, of=escape(result.name))
            diary = Diary(folder / "state.ckpt", save_every)
            learned = learn(pyramid, diary)
            card = card_of(lesson, recipe, seed, learned, diary.stopwatch.elapsed)
            command = _command(picture, options, recipe)
            save_loss(out, learned.critics, {**card, "licence": license}, half=True)
            loss = MDF.load(out)
            asks = spectrum(loss, [middle((learned.clean[-1][0] + 1) / 2, loss.least_side)])
            write_learned(page, _contents(learned, asks, diary.rows, card, command))
    _, card = load_loss(out)
    return LearnedLoss(out, page, len(card["scales"]), card["seconds"])


def _contents(
    learned: Learned, asks: dict[str, list[float]], rows: Sequence[Row], card: dict[str, Any], command: str
) -> LearnedContents:
    names = {
        "told": "Share of patches that the critic tells apart, half by chance",
        "gap": "How far apart it scores them",
        "error": "The generator's mean squared error",
        "penalty": "Unevenness of the critic's slope",
    }
    scales = []
    for number, critic in enumerate(learned.critics):
        clean = learned.clean[number]
        seen = responses(critic, clean, learned.damaged[number])
        pictures = {
            "Clean": seen.clean,
            "Damaged": seen.damaged,
            "Verdict on the clean one": seen.clean_score,
            "Verdict on the damaged one": seen.damaged_score,
            "Where the loss sees a difference": seen.distance,
        }
        mine = [row for row in rows if row["scale"] == number]
        scales.append(
            LearnedScale(
                title=f"Scale {number + 1}: {clean.shape[3]} x {clean.shape[2]} pixels, {critic.width} channels",
                pictures={caption: to_bytes(shown) for caption, shown in pictures.items()},
                curves={label: [row[name] for row in mine] for name, label in names.items()},
            )
        )
    facts = {
        "Picture": f"{card['picture']['width']} x {card['picture']['height']} pixels, "
        f"SHA-256 {card['picture']['picture_sha256']}",
        "Recipe": ", ".join(f"{name} {value}" for name, value in card["recipe"].items()),
        "Seed": str(card["seed"]),
        "Time": f"{duration(card['seconds'])} on {card['device']}",
        "Versions": ", ".join(f"{name} {value}" for name, value in card["versions"].items()),
    }
    return LearnedContents(card["degradation"], command, scales, bands(), asks, facts)


def _command(picture: Path, options: dict[str, Any], recipe: LossRecipe) -> str:
    changed = {f.name: value for f in fields(recipe) if (value := getattr(recipe, f.name)) != f.default}
    words = ["lossmith", "learn-loss", str(picture)]
    for name, value in {**options, **changed}.items():
        if value not in (None, ""):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)
