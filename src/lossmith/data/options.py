"""The options that say which images a study has."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lossmith.core.errors import LossmithError


@dataclass(frozen=True)
class Data:
    """The images of a study.

    Clean images are degraded as the recipe says; or pairs of your own are given, matched by file name. Without
    any, the photographs that scikit-image ships are used.
    """

    images: list[Path] | None = None
    """Clean training images: files, folders or patterns such as "photos/*.png" [default: photographs that
    scikit-image ships]."""
    test: list[Path] | None = field(default=None, kw_only=True)
    """Clean test images: files, folders or patterns [default: every fifth of `images`, held out; without
    `images`, other photographs that scikit-image ships]."""
    clean: Path | None = field(default=None, kw_only=True)
    """Folder (or pattern) of clean images of your own pairs, instead of `images` and `degradation`."""
    degraded: Path | None = field(default=None, kw_only=True)
    """Folder (or pattern) of the degraded images that belong to `clean`, by file name."""
    test_degraded: Path | None = field(default=None, kw_only=True)
    """Folder of the degraded images that belong to `test`, when `clean` and `degraded` are given."""
    pair: str | None = field(default=None, kw_only=True)
    """How the files of `clean` and `degraded` are called that belong together, such as "{}_HR:{}_LR2"
    [default: what the field's tags, such as these, tell]."""
    test_limit: int | None = field(default=None, kw_only=True)
    """How many images to test with at most, evenly spread over all; the others are not trained on either."""
    channels: Literal["auto"] | int = field(default="auto", kw_only=True)
    """Channels of all images: auto for those of the training images; 1 makes gray of color, 3 color of gray."""
    range: str = field(default="auto", kw_only=True)
    """The values that are 0 and 1 to a network, such as 0:4095, or percentiles of the training images, such as
    p1:p99.9; auto for all that whole numbers of the files' type can hold. Of floats it must be said."""
    mask: Path | None = field(default=None, kw_only=True)
    """Folder of masks, by file name: black pixels of the clean images, such as blind ones and clouds, do not
    count in losses, metrics and validation."""
    nan: Literal["refuse", "mask"] = field(default="refuse", kw_only=True)
    """Whether images with pixels that are NaN or infinite are refused, or these pixels do not count."""
    recursive: bool = field(default=False, kw_only=True)
    """Search folders within folders too."""

    def __post_init__(self) -> None:
        for name in ("images", "test"):
            if isinstance(value := getattr(self, name), str | Path):
                object.__setattr__(self, name, [Path(value)])
        if (self.clean is None) != (self.degraded is None):
            raise LossmithError("pairs of your own need both `clean` and `degraded`")
        if self.clean is not None and self.images is not None:
            raise LossmithError("give either `images` or `clean` and `degraded`, not both")
        if self.test_degraded is not None and (self.clean is None or len(self.test or ()) != 1):
            raise LossmithError("`test_degraded` goes with `clean`, `degraded` and one `test` folder")
        if self.clean is not None and self.test is not None and self.test_degraded is None:
            raise LossmithError("the test of your own pairs needs `test_degraded` beside `test`")
        if self.test_limit is not None and (type(self.test_limit) is not int or self.test_limit < 1):
            raise LossmithError(f"`test_limit` must be a whole number, at least 1, not {self.test_limit!r}")
        if self.pair is not None and self.clean is None:
            raise LossmithError("`pair` goes with `clean` and `degraded`")
