"""What each departure of the default recipe from the published one costs or gains.

    python benchmarks/mdf_departures.py --train DIR --test DIR [--damage jpeg] [--seeds 3] [--rounds 500]

One loss is learned by the default recipe, and one each with one thing as it was published, from the photograph of
`learn_shipped.py`; the time that each took is printed. With --rounds one more is learned with everything as it was
published, in so many rounds a scale: of the published 1000 a hundred take a quarter of an hour on 2 cores. Then
`mdf_finetune.py` judges them all beside L1. A stopped benchmark goes on with the same command.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from learn_shipped import PICTURE
from lossmith.images import sample_pictures
from lossmith.learning import FAITHFUL, LossRecipe
from lossmith.losses.loss_file import expression_of
from lossmith.studies.learning import learn_loss

DEPARTURES = {
    "default": (),
    "pyramid": ("factor", "least_side", "most_side", "sees"),
    "full-size": ("sees",),
    "three-steps": ("critic_steps", "generator_steps"),
    "light-penalty": ("penalty",),
    "against-restored": ("against",),
    "unbalanced": ("balance",),
}
"""What is taken from the published recipe. Critics of its pyramid see full size; shrunk patches are too small."""


def recipes(rounds: int) -> Iterator[tuple[str, LossRecipe]]:
    for name, fields in DEPARTURES.items():
        published: dict[str, Any] = {field: getattr(FAITHFUL, field) for field in fields}
        yield name, replace(LossRecipe(), **published)
    if rounds:
        yield "published", replace(FAITHFUL, iterations=rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--damage", default="jpeg")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=0, help="of everything as published; 0 leaves it out")
    parser.add_argument("--out", type=Path, default=Path("runs/departures"))
    options = parser.parse_args()
    picture = next(path for path in sample_pictures("train") if path.stem == PICTURE)
    losses = []
    for name, recipe in recipes(options.rounds):
        out = options.out / f"{name}.safetensors"
        learned = learn_loss(picture, degradation=options.damage, out=out, recipe=recipe)
        print(f"{name}: learned in {learned.seconds:.0f} s", flush=True)
        losses.append(expression_of(out))
    judge = Path(__file__).with_name("mdf_finetune.py")
    folders = ["--train", options.train, "--test", options.test, "--seeds", options.seeds]
    subprocess.run([sys.executable, judge, options.damage, "l1", *losses, *map(str, folders)], check=True)


if __name__ == "__main__":
    main()
