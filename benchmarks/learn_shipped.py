"""Learn the losses that come with lossmith: sr, denoise, jpeg and demosaic, each from one photograph.

    python benchmarks/learn_shipped.py  # 2 cores, minutes for each

The photograph is the left one of the stereo pair "motorcycle" that scikit-image ships, which is in no test set
here. Files, pages and checkpoints are written to --out; a stopped run continues with the same command. With
--ship the files replace those in the package.
"""

import argparse
import shutil
from pathlib import Path

from lossmith.commands.learn_loss import learn_loss
from lossmith.data import sample_images
from lossmith.degradations import TASKS
from lossmith.losses.mdf.loss_file import SHIPPED

IMAGE = "motorcycle_left"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=list(TASKS), help=", ".join(TASKS))
    parser.add_argument("--out", type=Path, default=Path("runs/shipped"))
    parser.add_argument("--ship", action="store_true")
    options = parser.parse_args()
    image = next(path for path in sample_images("train") if path.stem == IMAGE)
    for task in options.tasks:
        out = options.out / f"{task}.safetensors"
        print(learn_loss(image, degradation=task, out=out, license="Apache-2.0"), flush=True)
        if options.ship:
            shutil.copyfile(out, SHIPPED / out.name)


if __name__ == "__main__":
    main()
