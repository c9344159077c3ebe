"""Whether `lossmith restore` gives what the network gives, on images of many sizes.

    python benchmarks/restore_sizes.py [--model FILE] [--image FILE] [--count 100] [--largest 300] [--memory GB]

Takes parts of an image, of random sizes, odd, prime, long and thin among them, restores each through the same
functions as the command does, `--verify` included, and compares the file that is written with the network itself,
as its module is called in PyTorch, on the whole part. Prints the worst of all, in 8-bit levels, and ends with
status 1 if a value is off by more than one. Without a model, an untrained `fcn` is taken, without an image noise.
`--memory` makes it tiles.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lossmith.models.model_file import save_model
from lossmith.networks import network
from lossmith.restoration import FileRestorer, RestoreOptions, TorchEngine, load_engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--largest", type=int, default=300, help="longest side, in pixels")
    parser.add_argument("--memory", type=float, help="gigabytes, as of the command")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        restorer = FileRestorer(
            load_engine(options.model or untrained(folder)),
            RestoreOptions(precision="float32", memory=options.memory),
        )
        image = photo(options.image, options.largest, rng)
        worst = max(
            (difference(restorer, part(image, options.largest, rng), folder) for _ in range(options.count)),
            key=lambda found: max(found[:2]),
        )
    off, verified, size, tiles = worst
    print(f"worst of {options.count}: {size[1]} x {size[0]} pixels in {tiles} tile(s): written {off} levels off")
    print(f"--verify says {verified:.2g}")
    sys.exit(off > 1 or verified > 1)


def untrained(folder: Path) -> Path:
    torch.manual_seed(0)
    path = folder / "fcn.safetensors"
    save_model(path, network("fcn", 1), {"network": "fcn", "scale": 1})
    return path


def photo(path: Path | None, largest: int, rng: np.random.Generator) -> np.ndarray:
    if path is None:
        return rng.integers(0, 256, (largest, largest, 3), dtype=np.uint8)
    return np.asarray(Image.open(path).convert("RGB"))


def part(image: np.ndarray, largest: int, rng: np.random.Generator) -> np.ndarray:
    """Of a random size, each order of magnitude as likely as any other."""
    height, width = (int(np.exp(rng.uniform(0, np.log(min(largest, side) + 1)))) for side in image.shape[:2])
    top, left = (
        int(rng.integers(0, side - size + 1)) for side, size in zip(image.shape[:2], (height, width), strict=True)
    )
    return image[top : top + height, left : left + width]


def difference(
    restorer: FileRestorer, values: np.ndarray, folder: Path
) -> tuple[int, float, tuple[int, ...], int]:
    """Levels by which the file is off, what --verify says, the size and the number of tiles."""
    given, made = folder / "given.png", folder / "made.png"
    Image.fromarray(values).save(given)
    restorer.restore(given, made)
    verified = restorer.verified(given, folder / "verify")
    engine = restorer.reference
    assert isinstance(engine, TorchEngine)
    planes = torch.from_numpy(values.copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():  # a network for gray takes the colors one by one
        whole = engine.module(planes if engine.channels == 3 else planes.transpose(0, 1)).reshape(
            3, engine.scale * values.shape[0], -1
        )
    wanted = np.floor(255 * whole.clamp(0, 1).permute(1, 2, 0).numpy() + 0.5).astype(int)
    off = int(np.abs(np.asarray(Image.open(made)).astype(int) - wanted).max())
    made.unlink()
    return off, verified.largest, values.shape[:2], verified.tiles


if __name__ == "__main__":
    main()
