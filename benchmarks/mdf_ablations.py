"""Ablations of the default recipe of learned losses: one change at a time, and the published recipe.

    python benchmarks/mdf_ablations.py --train DIR --test DIR [--degradation jpeg] [--iterations 1000]
    python benchmarks/mdf_ablations.py --train DIR --test DIR --only default one-iteration

One loss is learned by the default recipe, and one each with a single change, mostly to the published setting,
from the photograph of `learn_shipped.py`; the time that each took is printed. --iterations adds one learned
by the published recipe with that many iterations a scale, of which the published 1000 take an hour and a half on
2 cores; its discriminators are used as they are, fed [0, 1] as in the published example, and with the calibration
of the default recipe. Then restorers are trained under each, as `mdf.py claim --scale small` does, and under L1
and L2. A stopped benchmark continues with the same command.
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
from mdf import DEGRADATIONS, SCALES, table
from trials import trials


def published(*fields: str) -> dict[str, Any]:
    return {field: getattr(PUBLISHED, field) for field in fields}


DEPARTURES: dict[str, dict[str, Any]] = {
    "default": {},
    "one-iteration": {"iterations": 1},
    "longer": {"iterations": 4 * LossRecipe().iterations},
    "three-steps": published("critic_steps", "generator_steps"),
    "light-penalty": published("gradient_penalty"),
    "against-restored": published("fake_samples"),
    "unbalanced": published("balance"),
    "full-size": published("input_scale"),
    "pyramid": published("factor", "min_side", "max_side", "input_scale"),
}
"""Changes of the default recipe. With the published pyramid, discriminators see the full size, since downscaled
patches would be too small."""


def recipes(names: list[str], iterations: int) -> Iterator[tuple[str, LossRecipe]]:
    for name in names:
        yield name, replace(LossRecipe(), **DEPARTURES[name])
    if iterations:
        yield "published", replace(PUBLISHED, iterations=iterations)


def calibrated(file: Path, image: Path, degradation: str) -> Path:
    """A loss file of the same discriminators, calibrated as in the default recipe."""
    state, card = load_loss(file)
    discriminators = load_discriminators(state, card)
    pyramid = ImagePyramid(load_sample(image, degradation, None), LossRecipe(**card["recipe"]), card["seed"])
    clean = [2 * pyramid.clean(scale)[None] - 1 for scale in range(len(discriminators))]
    degraded = [image + 2 * pyramid.errors(scale)[:1] for scale, image in enumerate(clean)]
    calibrate_layers(discriminators, pyramid.input_factors, clean, degraded, l1_value(clean[-1], degraded[-1]))
    out = file.with_stem(f"{file.stem}-balanced")
    save_loss(
        out, discriminators, {**card, "recipe": {**card["recipe"], "balance": LossRecipe().balance}}, half=True
    )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--degradation", choices=DEGRADATIONS, default="jpeg")
    parser.add_argument("--only", nargs="+", choices=DEPARTURES, default=list(DEPARTURES))
    parser.add_argument("--iterations", type=int, default=0, help="of the published recipe; 0 leaves it out")
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--out", type=Path, default=Path("runs/departures"))
    options = parser.parse_args()
    image = next(path for path in sample_images("train") if path.stem == IMAGE)
    degradation = DEGRADATIONS[options.degradation]
    losses = ["l1", "l2"]
    for name, recipe in recipes(options.only, options.iterations):
        out = options.out / f"{options.degradation}-{name}.safetensors"
        learned = learn_loss(image, degradation=degradation, out=out, recipe=recipe)
        print(f"{name}: learned in {learned.seconds:.0f} s", flush=True)
        losses.append(expression_of(out))
        if name == "published":
            losses += [
                f"mdf({format_value(str(out))}, range=0..1)",
                expression_of(calibrated(out, image, degradation)),
            ]
    scale = SCALES[options.scale]
    csv, tests = options.out / f"{options.degradation}-{options.scale}.csv", scale.images(options.test)
    print(table(f"`{degradation}`", trials(degradation, losses, scale, options.train, tests, csv)))


if __name__ == "__main__":
    main()
