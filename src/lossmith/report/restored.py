"""The one-file page on which several models' results are looked at side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from lossmith.report.contents import Exhibit, Pixels
from lossmith.report.exhibits import data_uri
from lossmith.report.spots import Spot, find_spots
from lossmith.report.templates import write_page

STYLES = ("theme", "base", "pictures", "print")
SCRIPTS = ("common", "split", "errors", "crops", "exhibits")


@dataclass(frozen=True)
class RestoredPicture:
    """A picture and what each model has made of it; all arrays (H, W, 3) of one size."""

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
        return ceil(len(self.versions) / ceil(len(self.versions) / 7))

    @property
    def spots(self) -> list[Spot]:
        """Where the models differ most."""
        given, *restored = self.versions.items()
        return find_spots(Exhibit(self.name, given[1], given[1], dict(restored)))


def write_restored(path: Path, pictures: Sequence[RestoredPicture]) -> None:
    """Write the page as one HTML file that needs nothing else; what comes from outside is escaped.

    Raises LossmithError when the file cannot be written.
    """
    write_page(path, "restored.html.j2", STYLES, SCRIPTS, pictures=pictures, data_uri=data_uri)
