"""Fit the statistics of pristine photographs that NIQE comes with.

    LOSSMITH_DATA=... python benchmarks/fit_niqe.py --out runs/niqe.safetensors  # 20 seconds
    LOSSMITH_DATA=... python benchmarks/fit_niqe.py --ship  # replaces the model in the package

The photographs are those in $LOSSMITH_DATA/train/free_photos, and those of scikit-image that train here and whose
license is known; none is in a test set. As in the paper, a block of 96 x 96 pixels counts if it is sharper than
0.75 of the sharpest in its picture. The card of the file names every photograph, its SHA-256 and its license.
"""

import argparse
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lossmith.core.safetensors_io import save_tensors
from lossmith.data import find_images, read_image, sample_images
from lossmith.metrics.natural_quality import FORMAT, SHIPPED, fit_gaussian
from lossmith.metrics.scene_statistics import BLOCK, scene_statistics

SHARPNESS = 0.75
"""Of the sharpest block of a picture."""
LICENSES = {
    "CC0-1.0": ["seeding_by_Clements_Engelhardt", "brick", "camera", "coffee", "grass", "gravel"],
    "CC-BY-4.0": [
        *(f"{name}_by_Aitzol_Berasategi" for name in ("aitzgorri", "friends", "life", "picosdeeuropa", "sunset")),
        "Picture_0B_by_freespace",
        "Picture_1A_by_freespace",
        "Wine_by_Jakkub_Mede",
    ],
    "CC-BY-SA-4.0": [
        "Bridge_by_Sander_Klootwijk",
        "Dragonfly_by_Bolly",
        "free_by_Peter_Nerlich",
        "greentock_by_Peter_Nerlich",
    ],
    "CC-BY-SA-3.0": ["Kleiber_by_Lukas_Baubkus"],
    "no known copyright restrictions": ["coins"],
}


class Photograph(NamedTuple):
    """A picture that counts as pristine."""

    path: Path
    license: str

    def sharp_features(self) -> Tensor:
        """(blocks, 36), of its sharp blocks."""
        features, sharpness = scene_statistics(read_image(self.path)[None].double() / 255)
        return features[0][sharpness[0] > SHARPNESS * sharpness.max()]


def photographs(data: Path) -> list[Photograph]:
    """Those with a license, in order of their names."""
    license_of = {name: license for license, names in LICENSES.items() for name in names}
    paths = [*find_images(data / "train" / "free_photos" / "*.jpg"), *sample_images("train")]
    return [Photograph(path, license_of[path.stem]) for path in paths if path.stem in license_of]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/niqe.safetensors"))
    parser.add_argument("--ship", action="store_true")
    options = parser.parse_args()
    pictures = photographs(Path(os.environ["LOSSMITH_DATA"]))
    features = [picture.sharp_features() for picture in pictures]
    for picture, blocks in zip(pictures, features, strict=True):
        print(f"{len(blocks):4d} blocks  {picture.path.stem}")
    mean, covariance = fit_gaussian(torch.cat(features))
    card = {
        "license": "Apache-2.0",
        "block": BLOCK,
        "sharpness": SHARPNESS,
        "blocks": sum(map(len, features)),
        "photographs": [
            {
                "name": picture.path.name,
                "license": picture.license,
                "sha256": hashlib.sha256(picture.path.read_bytes()).hexdigest(),
                "blocks": len(blocks),
            }
            for picture, blocks in zip(pictures, features, strict=True)
        ],
    }
    out = SHIPPED if options.ship else options.out
    out.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(out, {"mean": mean, "covariance": covariance}, FORMAT, card)
    print(f"{card['blocks']} blocks of {len(pictures)} photographs: {out}")


if __name__ == "__main__":
    main()
