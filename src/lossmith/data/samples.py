"""The photographs that come with scikit-image, as sample images."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from lossmith.core.errors import LossmithError

_COLOR = ("astronaut.png", "chelsea.png", "ihc.png", "rocket.jpg")
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
    "test": (*_COLOR, "moon.png", "text.png"),
    "color": _COLOR,
}


def sample_images(split: Literal["train", "test", "color"]) -> list[Path]:
    """The eight sample images for training (2.1 megapixels in all), six for testing (1.3), or four to look at.

    They are too few to reach the level of the literature, and enough to see that everything works. "color" is the
    part of "test" in color: a portrait, a cat, stained tissue and a rocket at night; the others are gray: the
    moon, and handwriting on a page.

    The other pictures that scikit-image ships are drawn or computed (chessboards, the color circle, a horse's
    silhouette, the logo, a phantom, a cell from its hologram), too small to be scored in structure (microaneurysms
    on 102 pixels, and pictures of 10 to 25 pixels), so blurred that there is nothing to restore (a moving clock),
    in a color profile that every run would have to remark on (a printed page), or so large that they would take
    twice as long as all six together (the fundus of the eye and the deep sky, which are nearly flat besides; a
    crop would have to be a file, since images are known by the digests of their files).

    Raises LossmithError if scikit-image or one of its images is missing.

    >>> [path.stem for path in sample_images("test")]
    ['astronaut', 'chelsea', 'ihc', 'rocket', 'moon', 'text']
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
