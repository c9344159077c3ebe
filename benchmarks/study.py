"""The study of loss networks on public data, for docs/study.md.

    python benchmarks/study.py --out runs/study

The files of LOSSMITH_DATA are linked into the layout of `lossmith study`: people's scores for a part of LIVE,
super-resolution learned from BSDS500 and tested with Set5 and Set14, the cracks of CrackForest, and a part of
CIFAR-10.
Networks are those whose weights are in LOSSMITH_WEIGHTS. A stopped study goes on with the same command.
`--publish docs/study` copies the tables and the page, without the pictures, which are other people's.
"""

import argparse
import logging
import os
import shutil
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lossmith

LINKS = {
    "similarity": "iqa/LIVE_subset",
    "sr/train": "train/BSDS500_train",
    "sr/test/Set5": "test/Set5",
    "sr/test/Set14": "test/Set14",
    "delineation/images": "segmentation/CrackForest/images",
    "delineation/masks": "segmentation/CrackForest/masks",
    "reduction": "dimensionality/CIFAR10_subset",
}
"""Where the data of `lossmith study` is, and where it comes from."""
RESULTS = ("report.html", "results.json", "results.csv")


def link_data(source: Path, folder: Path) -> None:
    """Make the folder of data; what is there stays."""
    for place, origin in LINKS.items():
        for file in filter(Path.is_file, (source / origin).rglob("*")):
            link = folder / place / file.relative_to(source / origin)
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(file.resolve())


def publish(options: dict[str, Any], folder: Path) -> None:
    """Write the results of a finished study again, without its pictures, and copy them to a folder."""
    folder, study = folder.absolute(), options["out"].absolute()
    with TemporaryDirectory() as scratch, chdir(scratch):
        out = Path(study.name)
        shutil.copytree(study, out, ignore=shutil.ignore_patterns("training", "data"))
        (out / "data").symlink_to(study / "data")
        lossmith.study(**{**options, "data": out / "data", "out": out})
        folder.mkdir(parents=True, exist_ok=True)
        for name in RESULTS:
            shutil.copyfile(out / name, folder / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/study"), help="folder of the study and its data")
    parser.add_argument("--scale", default="small", choices=("tiny", "small", "full"))
    for name in ("benchmarks", "networks", "layers"):
        parser.add_argument(f"--{name}", nargs="+")
    parser.add_argument("--weights", default="both", choices=("trained", "random", "both"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--publish", type=Path, metavar="FOLDER", help="where to copy the results, without pictures"
    )
    options = vars(parser.parse_args())
    published = options.pop("publish")
    logging.basicConfig(format="%(message)s")
    logging.getLogger("lossmith").setLevel(logging.INFO)
    data = options["out"] / "data"
    link_data(Path(os.environ["LOSSMITH_DATA"]), data)
    options["data"] = data
    print(lossmith.study(**options))
    if published:
        publish(options, published)


if __name__ == "__main__":
    main()
