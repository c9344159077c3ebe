"""What each departure of the default recipe from the published one costs or gains.

    python benchmarks/mdf_ablations.py --train DIR --test DIR [--damage jpeg] [--rounds 1000]
    python benchmarks/mdf_ablations.py --train DIR --test DIR --only default one-round

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

from learn_shipped import IMAGE
from lossmith.commands.learn_loss import learn_loss
from lossmith.data import sample_images
from lossmith.expressions import format_value
from lossmith.loss_learning import PUBLISHED, LossRecipe, load_sample
from lossmith.loss_learning.calibration import calibrate_layers, l1_value
from lossmith.loss_learning.pyramid import ImagePyramid
from lossmith.losses.mdf.loss_file import expression_of, load_discriminators, load_loss, save_loss
from mdf import DAMAGES, SCALES, table
from trials import trials


def published(*fields: str) -> dict[str, Any]:
    return {field: getattr(PUBLISHED, field) for field in fields}


DEPARTURES: dict[str, dict[str, Any]] = {
    "default": {},
    "one-round": {"iterations": 1},
    "longer": {"iterations": 4 * LossRecipe().iterations},
    "three-steps": published("critic_steps", "generator_steps"),
    "light-penalty": published("gradient_penalty"),
    "against-restored": published("fake_samples"),
    "unbalanced": published("balance"),
    "full-size": published("input_scale"),
    "pyramid": published("factor", "min_side", "max_side", "input_scale"),
}
"""What is changed in the default. Critics of the published pyramid see full size; shrunk patches are too small."""


def recipes(names: list[str], rounds: int) -> Iterator[tuple[str, LossRecipe]]:
    for name in names:
        yield name, replace(LossRecipe(), **DEPARTURES[name])
    if rounds:
        yield "published", replace(PUBLISHED, iterations=rounds)


def balanced(file: Path, image: Path, damage: str) -> Path:
    """A loss file of the same critics, balanced as those of the default recipe are."""
    state, card = load_loss(file)
    critics = load_discriminators(state, card)
    pyramid = ImagePyramid(load_sample(image, damage, None), LossRecipe(**card["recipe"]), card["seed"])
    clean = [2 * pyramid.clean(scale)[None] - 1 for scale in range(len(critics))]
    damaged = [known + 2 * pyramid.errors(scale)[:1] for scale, known in enumerate(clean)]
    calibrate_layers(critics, pyramid.input_factors, clean, damaged, l1_value(clean[-1], damaged[-1]))
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
    image = next(path for path in sample_images("train") if path.stem == IMAGE)
    damage = DAMAGES[options.damage]
    losses = ["l1", "l2"]
    for name, recipe in recipes(options.only, options.rounds):
        out = options.out / f"{options.damage}-{name}.safetensors"
        learned = learn_loss(image, degradation=damage, out=out, recipe=recipe)
        print(f"{name}: learned in {learned.seconds:.0f} s", flush=True)
        losses.append(expression_of(out))
        if name == "published":
            losses += [f"mdf({format_value(str(out))}, range=0..1)", expression_of(balanced(out, image, damage))]
    scale = SCALES[options.scale]
    csv, tests = options.out / f"{options.damage}-{options.scale}.csv", scale.images(options.test)
    print(table(f"`{damage}`", trials(damage, losses, scale, options.train, tests, csv)))


if __name__ == "__main__":
    main()
