"""The benchmark of perceptual similarity: distances at a layer against people's judgements."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.evaluation import Row
from lossmith.restoration.malloc import retained_buffers
from lossmith.studies.benchmark import Scale
from lossmith.studies.benchmarks.similarity.agreement import JND, KENDALL, SPEARMAN, TWO_AFC, TWO_AFC_LIN
from lossmith.studies.benchmarks.similarity.bapps import Bapps, is_bapps, read_bapps
from lossmith.studies.benchmarks.similarity.choices import EFFORTS, agreements
from lossmith.studies.benchmarks.similarity.correlations import correlations
from lossmith.studies.benchmarks.similarity.distance import LayerDistance
from lossmith.studies.benchmarks.similarity.measurements import Measurements
from lossmith.studies.benchmarks.similarity.table import RatedPictures, find_table, read_table
from lossmith.studies.configuration import Configuration


@dataclass(frozen=True)
class Similarity:
    """Whether distances between pictures, in the form of LPIPS at one layer, agree with people.

    Unit feature vectors, squared difference, sum over channels, mean over positions; pictures are normalized as
    the weights expect. The seed changes only what is learned.

    Data are a folder with one table, see `read_table`, or BAPPS, see `bapps`. There is one row, "all":

    of a table
        "spearman" and "kendall", over all pictures, of small distances with high quality; 1 is perfect agreement.
        "spearman_low" and "spearman_high" are the ends of a 95 % bootstrap interval over references, and
        "spearman_jpeg" is the correlation within the kind of distortion jpeg. Pictures keep their size.
    of BAPPS
        "2afc", agreement with people's choices, the mean over the kinds of patches (0.5 is chance); "jnd", mean
        average precision in finding pairs that look the same, also over kinds; "2afc_lin", agreement of the
        distance whose weights of channels are learned from 2afc/train. All are from 0 to 1. Intervals, over
        patches, and scores of kinds, "2afc_cnn", are as above; that of "2afc_lin" does not hold what another
        training would give.

    Nothing is learned from tables, in which no pictures are set apart to learn from.

    References
    ----------
    Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, CVPR 2018; Pihlgren et
    al., A Systematic Performance Analysis of Deep Perceptual Loss Networks, arXiv 2302.04032.
    """

    name = "similarity"
    title = "Perceptual similarity"
    baseline = "mean squared error of pixels"
    image_note = ""
    metrics = (SPEARMAN, KENDALL, TWO_AFC, TWO_AFC_LIN, JND)

    def open(self, folder: Path, scale: Scale) -> RatedPictures | Bapps:
        """The table or the patches in a folder. A table is always whole; of BAPPS the scale uses a part.

        Raises LossmithError for a folder that holds neither; see also `read_table` and `read_bapps`.
        """
        if is_bapps(folder):
            return read_bapps(folder, EFFORTS[scale].patches)
        if (table := find_table(folder)) is not None:
            return read_table(table)
        raise LossmithError(
            f"'{folder}' holds no judgements of people; put a CSV file there with lines such as "
            "'reference,distorted,score' and 'a.png,a_jpeg.png,3.5', or the folders 2afc and jnd of BAPPS"
        )

    def run(
        self, configuration: Configuration, seed: int, data: RatedPictures | Bapps, folder: Path, scale: Scale
    ) -> list[Row]:
        """See `Benchmark`. Raises LossmithError for pictures too small, and for features that are not finite."""
        distance, measurements = LayerDistance(configuration), Measurements(folder)
        with retained_buffers():
            if isinstance(data, Bapps):
                scores = agreements(distance, data, scale, seed, measurements)
            else:
                scores = correlations(distance, data, measurements)
        measurements.forget()
        return [Row("all", configuration.name, seed, scores)]

    def originals(self, data: RatedPictures | Bapps, item: str) -> dict[str, Tensor]:
        """None, since no pictures are made."""
        return {}


__all__ = ["Similarity"]
