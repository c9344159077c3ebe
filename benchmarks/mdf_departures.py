"""What each departure of the default recipe from the published one costs or gains.

    python benchmarks/mdf_departures.py --train DIR --test DIR [--damage jpeg] [--rounds 1000]
    python benchmarks/mdf_departures.py --train DIR --test DIR --only default one-round

One loss is learned by the default recipe, and one each with one thing changed, mostly to what was published,
from the photograph of `learn_shipped.py`; the time that each took is printed. With --rounds one more is learned
with everything as it was published, in so many rounds a scale, of which the published 1000 take an hour and a
half on 2 cores; its critics are used as they are, fed [0, 1] as in the published example, and with the balance of
the default recipe. Then restorers are trained under each, as `mdf.py claim --scale small` does, and under L1 and
L2. A stopped benchmark goes on with the same command.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from learn_shipped import PICTURE
from lossmith.expressions import spell_value
from lossmith.images import sample_pictures
from lossmith.learning import FAITHFUL, LossRecipe, read_lesson
from lossmith.learning.balance import balance, worth_as_l1
from lossmith.learning.pyramid import Pyramid
from lossmith.losses.loss_file import expression_of, load_critics, load_loss, save_loss
from lossmith.studies.learning import learn_loss
from mdf import DAMAGES, SCALES, table
from trials import trials


def published(*fields: str) -> dict[str, Any]:
    return {field: getattr(FAITHFUL, field) for field in fields}


DEPARTURES: dict[str, dict[str, Any]] = {
    "default": {},
    "one-round": {"iterations": 1},
    "longer": {"iterations": 4 * LossRecipe().iterations},
    "three-steps": published("critic_steps", "generator_steps"),
    "light-penalty": published("penalty"),
    "against-restored": published("against"),
    "unbalanced": published("balance"),
    "full-size": published("sees"),
    "pyramid": published("factor", "least_side", "most_side", "sees"),
}
"""What is changed in the default. Critics of the published pyramid see full size; shrunk patches are too small."""


def recipes(names: list[str], rounds: int) -> Iterator[tuple[str, LossRecipe]]:
    for name in names:
        yield name, replace(LossRecipe(), **DEPARTURES[name])
    if rounds:
        yield "published", replace(FAITHFUL, iterations=rounds)


def balanced(file: Path, picture: Path, damage: str) -> Path:
    """A loss file of the same critics, balanced as those of the default recipe are."""
    state, card = load_loss(file)
    critics = load_critics(state, card)
    pyramid = Pyramid(read_lesson(picture, damage, None), LossRecipe(**card["recipe"]), card["seed"])
    clean = [2 * pyramid.clean(scale)[None] - 1 for scale in range(len(critics))]
    damaged = [known + 2 * pyramid.errors(scale)[:1] for scale, known in enumerate(clean)]
    balance(critics, pyramid.seen, clean, damaged, worth_as_l1(clean[-1], damaged[-1]))
    out = file.with_stem(f"{file.stem}-balanced")
    save_loss(out, critics, {**card, "recipe": {**card["recipe"], "balance": LossRecipe().balance}}, half=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--damage", choices=DAMAGES, default="jpeg")
    parser.add_argument("--only", nargs="+", choices=DEPARTURES, default=list(DEPARTURES))
    parser.add_argument("--rounds", type=int, default=0, help="of everything as published; 0 leaves it out")
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--out", type=Path, default=Path("runs/departures"))
    options = parser.parse_args()
    picture = next(path for path in sample_pictures("train") if path.stem == PICTURE)
    damage = DAMAGES[options.damage]
    losses = ["l1", "l2"]
    for name, recipe in recipes(options.only, options.rounds):
        out = options.out / f"{options.damage}-{name}.safetensors"
        learned = learn_loss(picture, degradation=damage, out=out, recipe=recipe)
        print(f"{name}: learned in {learned.seconds:.0f} s", flush=True)
        losses.append(expression_of(out))
        if name == "published":
            losses += [f"mdf({spell_value(str(out))}, range=0..1)", expression_of(balanced(out, picture, damage))]
    scale = SCALES[options.scale]
    csv, tests = options.out / f"{options.damage}-{options.scale}.csv", scale.pictures(options.test)
    print(table(f"`{damage}`", trials(damage, losses, scale, options.train, tests, csv)))


if __name__ == "__main__":
    main()
