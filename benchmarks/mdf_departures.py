"""What each departure of the default recipe from the published one costs or gains.

    python benchmarks/mdf_departures.py --train DIR --test DIR [--damage jpeg] [--seeds 2] [--out DIR]

One loss is learned by the default recipe, and one each with one thing as it was published, from the photograph of
`learn_shipped.py`; the time that each took is printed. Then `mdf_finetune.py` judges them all beside L1. Not tried
is what would take hours on a CPU: whole pictures, 128 channels, 1000 rounds a scale.
"""

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from learn_shipped import PICTURE
from lossmith.images import sample_pictures
from lossmith.learning import FAITHFUL, LossRecipe
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


def recipe(fields: tuple[str, ...]) -> LossRecipe:
    published: dict[str, Any] = {name: getattr(FAITHFUL, name) for name in fields}
    return replace(LossRecipe(), **published)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--damage", default="jpeg")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/departures"))
    options = parser.parse_args()
    picture = next(path for path in sample_pictures("train") if path.stem == PICTURE)
    losses = []
    for name, fields in DEPARTURES.items():
        out = options.out / f"{name}.safetensors"
        start = perf_counter()
        learn_loss(picture, degradation=options.damage, out=out, recipe=recipe(fields))
        print(f"{name}: learned in {perf_counter() - start:.0f} s", flush=True)
        losses.append(f"mdf({out})")
    judge = Path(__file__).with_name("mdf_finetune.py")
    folders = ["--train", options.train, "--test", options.test, "--seeds", options.seeds]
    subprocess.run([sys.executable, judge, options.damage, "l1", *losses, *map(str, folders)], check=True)


if __name__ == "__main__":
    main()
