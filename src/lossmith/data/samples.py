"""The photographs that come with scikit-image, as sample images."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from lossmith.core.errors import LossmithError

_SAMPLES = {
    # both images of the stereo pair are here, so that no test image shows a scene of the training
    "train": (
        "brick.png",
        "camera.png",
        "coffee.png",
        "coins.png",
        "grass.png",
        "gravel.png",
        "motorcycle_left.png",
        "motorcycle_right.png",
    ),
    "test": ("astronaut.png", "chelsea.png", "ihc.png", "rocket.jpg"),
}


def sample_images(split: Literal["train", "test"]) -> list[Path]:
    """The eight sample images for training (2.1 megapixels in all), or the four for testing.

    They are too few to reach the level of the literature, and enough to see that everything works. The fundus and
    deep-sky photographs of scikit-image are left out, being large and nearly flat.

    Raises LossmithError if scikit-image or one of its images is missing.

    >>> [path.stem for path in sample_images("test")]
    ['astronaut', 'chelsea', 'ihc', 'rocket']
    """
    if split not in _SAMPLES:
        raise LossmithError(f"sample images are for 'train' or 'test', not '{split}'")
    home = find_spec("skimage")
    if home is None or home.origin is None:
        raise LossmithError("the sample images come with scikit-image; pip install lossmith[workbench]")
    images = [Path(home.origin).parent / "data" / name for name in _SAMPLES[split]]
    if missing := [path for path in images if not path.is_file()]:
        raise LossmithError(f"scikit-image lacks the sample image '{missing[0]}'; install it anew")
    return images
