"""Train the restorers that come with lossmith, and put them into the package.

    python benchmarks/train_restorers.py --photos free_photos  # all, hours on two cores
    python benchmarks/train_restorers.py --photos free_photos --stages jpeg --ship

--photos is a folder of photographs that anything may be trained on; scikit-image's training samples join them.
What lossmith ships was trained on 14 photographs of Debian's packages lomiri-wallpapers-16.04 and
lomiri-wallpapers-20.04, at most 2040 pixels wide or high. A stopped training continues with the same command.
--ship puts the models into the package; `benchmarks/restorers.py --ship` adds their scores.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import fit_niqe
from lossmith.commands import train
from lossmith.data import Data, find_images, sample_images
from lossmith.models import MODEL_FILE, ship
from lossmith.training import Recipe

SOFT, SHARP = (1, 2, 3), (2, 2.5, 3, 4)
"""By which the photographs are made smaller, for first stages and for later ones."""
GRAY_FROM = 3
"""The least factor at which gray copies are made."""
TILE = 256
"""The largest side of a training picture: flat ones are left out tile by tile."""
LICENSES = {
    **{name: license for license, names in fit_niqe.LICENSES.items() for name in names},
    "motorcycle_left": "none is stated (Middlebury 2014 stereo benchmark)",
    "motorcycle_right": "none is stated (Middlebury 2014 stereo benchmark)",
}


@dataclass(frozen=True)
class Stage:
    """A training, from fresh weights or from those of another stage."""

    degradation: str
    network: str
    steps: int
    patch: int
    batch: int = 16
    init: str | None = None
    learning_rate: float = 1e-3
    factors: tuple[float, ...] = SHARP
    loss: str = "l1"
    ema: float = 0.999


SUPER_RESOLVER = "srresnet_small(features=64, blocks=6)"
CLEANER = "srresnet_small(features=64, blocks=6, unshuffle=2)"
TEXTURE, LITTLE_TEXTURE = "70%*l1 + 30%*texture", "90%*l1 + 10%*texture"
"""What JPEG took from flat places cannot be guessed: more texture than a little becomes a weave there."""
SHARPEN: dict[str, Any] = {
    "steps": 1_000,
    "patch": 96,
    "batch": 8,
    "learning_rate": 2e-4,
    "ema": 0.99,
}
STAGES = {
    "x4-first": Stage("bicubic(4)", SUPER_RESOLVER, steps=20_000, patch=128, factors=SOFT),
    "x4-second": Stage("bicubic(4)", SUPER_RESOLVER, 6_000, patch=128, init="x4-first", learning_rate=4e-4),
    "x4": Stage("bicubic(4)", SUPER_RESOLVER, 4_000, patch=192, batch=8, init="x4-second", learning_rate=4e-4),
    "x2": Stage("bicubic(2)", SUPER_RESOLVER, steps=4_000, patch=64, init="x4-second"),
    "jpeg-first": Stage("jpeg(5..95)", CLEANER, steps=15_000, patch=96, batch=8, factors=SOFT),
    "jpeg": Stage("jpeg(5..95)", CLEANER, steps=6_000, patch=96, batch=8, init="jpeg-first", learning_rate=5e-4),
    "denoise-first": Stage("noise(0..50)", CLEANER, steps=4_000, patch=96, batch=8, init="jpeg"),
    "denoise": Stage("noise(0..50)", CLEANER, steps=6_000, patch=96, batch=8, init="denoise-first"),
    "x4-sharp": Stage("bicubic(4)", SUPER_RESOLVER, init="x4", loss=TEXTURE, **SHARPEN),
    "x2-sharp": Stage("bicubic(2)", SUPER_RESOLVER, init="x2", loss=TEXTURE, **SHARPEN),
    "jpeg-sharp": Stage("jpeg(5..95)", CLEANER, init="jpeg", loss=LITTLE_TEXTURE, **SHARPEN),
    "denoise-sharp": Stage("noise(0..50)", CLEANER, init="denoise", loss=TEXTURE, **SHARPEN),
}
"""In the order in which they are trained; x2 takes what fits of x4, all but the last layer. First stages see
photographs at full size, too, which are soft: so PSNR on sharp pictures fell after a third of the steps. The last
of x4 sees larger patches, of which more pixels have all around them that the network looks at."""


def tiles(picture: Image.Image) -> Iterator[Image.Image]:
    """Tiles of a picture, with those at the end as large as the others."""
    for top in edges(picture.height):
        for left in edges(picture.width):
            yield picture.crop((left, top, min(left + TILE, picture.width), min(top + TILE, picture.height)))


def edges(length: int) -> list[int]:
    """Where tiles begin that cover a length."""
    count = max(1, -(-length // TILE))
    return [round(place * max(0, length - TILE) / max(1, count - 1)) for place in range(count)]


def detail(tile: Image.Image) -> float:
    """The mean absolute difference of neighboring pixels."""
    gray = np.asarray(tile.convert("L"), np.float32)
    return float(np.abs(np.diff(gray, axis=0)).mean() + np.abs(np.diff(gray, axis=1)).mean())


def prepare(photos: list[Path], factors: Sequence[float], out: Path) -> None:
    """Write the training pictures of some factors: tiles of the photographs, and scikit-image's samples.

    Of the sharp ones the flattest third of the tiles is left out, at full size the flatter half. Gray copies of
    the smallest tiles teach gray pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    for path in photos:
        photo = Image.open(path).convert("RGB")
        for factor in factors:
            size = round(photo.width / factor), round(photo.height / factor)
            parts = list(tiles(photo.resize(size, Image.Resampling.BICUBIC)))
            share = 1 / 2 if factor == 1 else 1 / 3 if factors == SHARP else 0
            flattest = float(np.quantile([detail(part) for part in parts], share))
            for number, part in enumerate(part for part in parts if detail(part) >= flattest):
                part.save(out / f"{path.stem}-{factor:g}-{number}.png")
                if factor >= GRAY_FROM:
                    part.convert("L").save(out / f"{path.stem}-gray-{factor:g}-{number}.png")
    for path in sample_images("train"):
        Image.open(path).save(out / f"{path.stem}.png")


def photographs(photos: list[Path]) -> list[dict[str, str]]:
    """The name, the author and the license of all that is trained on."""
    entries = []
    for path in [*photos, *sample_images("train")]:
        name, _, author = path.stem.partition("_by_")
        author = author.replace("_", " ") or "published by scikit-image"
        entries.append({"name": name, "author": author, "license": LICENSES[path.stem]})
    return entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/restorers"))
    options = parser.parse_args()
    photos = find_images(options.photos)
    for name in options.stages:
        stage = STAGES[name]
        pictures = options.out / ("pictures" if stage.factors == SHARP else "pictures-first")
        if not pictures.is_dir():
            prepare(photos, stage.factors, partial := pictures.with_suffix(".partial"))
            partial.replace(pictures)
        recipe = Recipe(
            degradation=stage.degradation,
            network=stage.network,
            init=options.out / stage.init / MODEL_FILE if stage.init else None,
            init_partial=stage.init is not None,
            steps=stage.steps,
            patch=stage.patch,
            batch=stage.batch,
            learning_rate=stage.learning_rate,
            ema=stage.ema,
            precision="bfloat16",
        )
        data = Data([pictures], test=sample_images("color"), channels=3)
        result = train(data, loss=stage.loss, recipe=recipe, out=options.out / name)
        print(result, flush=True)
        task, _, character = name.partition("-")
        if options.ship and character in ("", "sharp"):
            character = character or "faithful"
            print(ship(result.model_path, task, character, trained_on=photographs(photos), scores={}))


if __name__ == "__main__":
    main()
