"""The difference between `lossmith restore` and the network itself, on images of many sizes.

    python benchmarks/restore_sizes.py [--model FILE] [--image FILE] [--count 100] [--max-side 300] [--memory GB]

Takes parts of an image, of random sizes (odd, prime, long and thin ones included), restores each through the
functions of the command, `--verify` included, and compares the written file with the output of the network's
module on the whole part. Prints the largest difference in 8-bit levels; the status is 1 if a value is off by more
than one. The default model is an untrained `fcn`, the default image is noise. `--memory` forces tiles.
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
    parser.add_argument("--max-side", type=int, default=300, help="longest side, in pixels")
    parser.add_argument("--memory", type=float, help="gigabytes, as of the command")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        restorer = FileRestorer(
            load_engine(options.model or untrained(folder)),
            RestoreOptions(precision="float32", memory=options.memory),
        )
        image = photo(options.image, options.max_side, rng)
        largest = max(
            (difference(restorer, part(image, options.max_side, rng), folder) for _ in range(options.count)),
            key=lambda difference: max(difference[:2]),
        )
    error, verified, size, tiles = largest
    print(f"worst of {options.count}: {size[1]} x {size[0]} pixels in {tiles} tile(s): written {error} levels off")
    print(f"--verify says {verified:.2g}")
    sys.exit(error > 1 or verified > 1)


def untrained(folder: Path) -> Path:
    torch.manual_seed(0)
    path = folder / "fcn.safetensors"
    save_model(path, network("fcn", 1), {"network": "fcn", "scale": 1})
    return path


def photo(path: Path | None, max_side: int, rng: np.random.Generator) -> np.ndarray:
    if path is None:
        return rng.integers(0, 256, (max_side, max_side, 3), dtype=np.uint8)
    return np.asarray(Image.open(path).convert("RGB"))


def part(image: np.ndarray, max_side: int, rng: np.random.Generator) -> np.ndarray:
    """A random part, whose sides are uniform on a logarithmic scale."""
    height, width = (int(np.exp(rng.uniform(0, np.log(min(max_side, side) + 1)))) for side in image.shape[:2])
    top, left = (
        int(rng.integers(0, side - size + 1)) for side, size in zip(image.shape[:2], (height, width), strict=True)
    )
    return image[top : top + height, left : left + width]


def difference(
    restorer: FileRestorer, values: np.ndarray, folder: Path
) -> tuple[int, float, tuple[int, ...], int]:
    """The error of the file in levels, the one that --verify reports, the size and the number of tiles."""
    source, result = folder / "source.png", folder / "result.png"
    Image.fromarray(values).save(source)
    restorer.restore(source, result)
    verified = restorer.verify(source, folder / "verify")
    engine = restorer.reference
    assert isinstance(engine, TorchEngine)
    planes = torch.from_numpy(values.copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():  # a network for gray images gets the colors one by one
        output = engine.module(planes if engine.channels == 3 else planes.transpose(0, 1)).reshape(
            3, engine.scale * values.shape[0], -1
        )
    expected = np.floor(255 * output.clamp(0, 1).permute(1, 2, 0).numpy() + 0.5).astype(int)
    error = int(np.abs(np.asarray(Image.open(result)).astype(int) - expected).max())
    result.unlink()
    return error, verified.max_error, values.shape[:2], verified.tiles


if __name__ == "__main__":
    main()
