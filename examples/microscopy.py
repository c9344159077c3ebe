"""Microscope pictures as a camera records them in weak light: pairs of clean and noisy files, gray, 16 bits.

    python examples/microscopy.py microscopy

writes `train/clean`, `train/noisy`, `test/clean` and `test/noisy`; microscopy.md says what to do with them.
The scene is the stained tissue that scikit-image ships; nothing is downloaded.
"""

import sys
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2hed
from skimage.data import immunohistochemistry

PHOTONS = 30
"""Photoelectrons in the brightest pixels."""
OFFSET, GAIN, READ_NOISE = 100, 10, 2
"""Counts in the dark, counts for a photoelectron, and the noise of the amplifier in photoelectrons."""
BLUR = 1.0
"""Standard deviation of the microscope's point spread function, in pixels."""
MICROMETERS = 0.25
"""The side of a pixel, which is written into the files."""


def scenes() -> dict[str, np.ndarray]:
    """Two stains of the same tissue, each (512, 512) from 0 to 1, as if they shone."""
    stains = rgb2hed(immunohistochemistry())
    return {"nuclei": brightness(stains[..., 0]), "membranes": brightness(stains[..., 2])}


def brightness(stain: np.ndarray) -> np.ndarray:
    """The concentration of a stain, blurred by the microscope, from 0 in the background to 1."""
    blurred = gaussian_filter(stain, BLUR)
    low, high = np.percentile(blurred, [10, 99.9])
    return np.clip((blurred - low) / (high - low), 0, 1)


def expose(scene: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What a camera counts on average, and what it counts once."""
    electrons = PHOTONS * scene
    once = rng.poisson(electrons) + rng.normal(0, READ_NOISE, scene.shape)
    return to_counts(electrons), to_counts(once)


def to_counts(electrons: np.ndarray) -> np.ndarray:
    return np.clip(np.round(OFFSET + GAIN * electrons), 0, 65535).astype(np.uint16)


def tiles(image: np.ndarray) -> dict[str, list[np.ndarray]]:
    """The left part to train on, and the right part to test on: no test picture shows what was trained on."""
    left, right = image[:, :320], image[:, 320:]
    return {"train": [left[:256], left[256:]], "test": [right[:256], right[256:]]}


def write(path: Path, counts: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels_per_centimeter = 10000 / MICROMETERS
    tifffile.imwrite(path, counts, resolution=(pixels_per_centimeter,) * 2, resolutionunit="CENTIMETER")


def main(out: Path) -> None:
    rng = np.random.default_rng(0)
    for name, scene in scenes().items():
        for part, parts in tiles(scene).items():
            for number, tile in enumerate(parts):
                clean, noisy = expose(tile, rng)
                write(out / part / "clean" / f"{name}-{number}.tif", clean)
                write(out / part / "noisy" / f"{name}-{number}.tif", noisy)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "microscopy"))
