"""What each departure of the default recipe from the published one costs or gains.

    python benchmarks/mdf_departures.py --train DIR --test DIR [--damage jpeg] [--rounds 500]
    python benchmarks/mdf_departures.py --train DIR --test DIR --only default one-round

One loss is learned by the default recipe, and one each with one thing changed, mostly to what was published,
from the photograph of `learn_shipped.py`; the time that each took is printed. With --rounds one more is learned
with everything as it was published, in so many rounds a scale: of the published 1000 a hundred take a quarter
of an hour on 2 cores. Then restorers are trained under each, as `mdf.py claim --scale small` does, and under L1
and L2. A stopped benchmark goes on with the same command.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from learn_shipped import PICTURE
from lossmith.images import sample_pictures
from lossmith.learning import FAITHFUL, LossRecipe
from lossmith.losses.loss_file import expression_of
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
    losses = ["l1", "l2"]
    for name, recipe in recipes(options.only, options.rounds):
        out = options.out / f"{options.damage}-{name}.safetensors"
        learned = learn_loss(picture, degradation=DAMAGES[options.damage], out=out, recipe=recipe)
        print(f"{name}: learned in {learned.seconds:.0f} s", flush=True)
        losses.append(expression_of(out))
    scale = SCALES[options.scale]
    csv = options.out / f"{options.damage}-{options.scale}.csv"
    damage, tests = DAMAGES[options.damage], scale.pictures(options.test)
    print(table(f"`{damage}`", trials(damage, losses, scale, options.train, tests, csv)))


if __name__ == "__main__":
    main()
