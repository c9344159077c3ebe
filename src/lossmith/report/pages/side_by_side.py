"""The page that shows images and the outputs of models side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lossmith.report.crops import Crop, find_crops
from lossmith.report.data import ImageComparison, Pixels
from lossmith.report.images import cut, data_uri, enlargement, even_columns
from lossmith.report.templates import write_page

STYLES = ("theme", "base", "images", "print")
SCRIPTS = ("common", "split", "errors", "crops", "comparisons")


@dataclass(frozen=True)
class RestoredImage:
    """An image and the output of each model; all arrays (H, W, 3) of one size."""

    name: str
    versions: dict[str, Pixels]
    """The input, enlarged, first."""
    note: str = ""

    @property
    def height(self) -> int:
        return int(next(iter(self.versions.values())).shape[0])

    @property
    def width(self) -> int:
        return int(next(iter(self.versions.values())).shape[1])

    @property
    def columns(self) -> int:
        """Close ups in a row of a wide screen."""
        return even_columns(len(self.versions), 7)

    @property
    def enlargement(self) -> int:
        """The whole factor by which it is shown larger, 1 for most."""
        return enlargement(self.width)

    @property
    def crops(self) -> list[Crop]:
        """The windows where the models differ most, or where a single model differs from its input."""
        source, *restored = self.versions.items()
        return find_crops(ImageComparison(self.name, source[1], source[1], dict(restored)))


def write_restored(path: Path, images: Sequence[RestoredImage], left_out: int = 0) -> None:
    """Write the page as a self-contained HTML file; all values are escaped.

    `left_out` is the number of restored images that are not shown.

    Raises LossmithError when the file cannot be written.
    """
    models = [*images[0].versions][1:]
    write_page(
        path,
        "restored.html.j2",
        STYLES,
        SCRIPTS,
        images=images,
        models=models,
        left_out=left_out,
        data_uri=data_uri,
        cut=cut,
    )
