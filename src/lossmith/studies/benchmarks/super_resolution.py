"""Super-resolution: the re-run of Johnson et al., under one layer of one loss network at a time.

Source: Johnson, Alahi, Fei-Fei, Perceptual losses for real-time style transfer and super-resolution, ECCV 2016,
as Pihlgren et al. trained it, arXiv 2302.04032: an image transformation network that enlarges by nearest
neighbors and convolutions restores pictures that were blurred and reduced, and these go to the loss network
without a normalization. Scores differ from theirs. They resized all test pictures to 288 x 288, so that their
numbers cannot be compared with anyone's; here pictures keep their sizes, and PSNR and SSIM are those of the
field: Y, `factor` pixels cropped from each side, rounded to 8 bits. What PSNR cannot say, judges do that share
neither weights nor architecture with the loss network, see `lossmith.studies.judges`.

The features of targets are computed anew in every step: targets are random patches, of which no two are the same.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.data import Data, PatchDataset, PreparedData, prepare_data, read_image
from lossmith.data.folders import SUFFIXES, find_images, unique_names
from lossmith.data.test_pairs import renamed
from lossmith.degradations import from_8bit
from lossmith.evaluation import Row, check_border, protocol_of, score
from lossmith.evaluation.protocol import prepare
from lossmith.losses import Loss, loss
from lossmith.metrics import Metric, find_metric
from lossmith.studies.benchmark import Scale
from lossmith.studies.configuration import Configuration
from lossmith.studies.judges import judge_metrics, judges
from lossmith.training import Recipe, RunFolder, RunSettings, SupervisedTask, train_run
from lossmith.training.presets import johnson_sr

METRIC_NAMES = ("psnr", "ssim", "gmsd", "niqe")
FACTORS = (2, 4, 8)
CHANGES: dict[Scale, dict[str, Any]] = {
    "tiny": {"network": "transform_net(width=0.125, blocks=1, norm=none)", "patch": 48, "batch": 2, "steps": 4},
    # so few steps do not learn what the normalization of each batch takes out of its patches
    "small": {
        "network": "transform_net(width=0.5, norm=none)",
        "patch": 64,
        "batch": 4,
        "steps": 800,
        "decay": "cosine",
    },
    "full": {},
}
"""What each scale changes in the published recipe."""


@dataclass(frozen=True)
class SuperResolution:
    """Super-resolution by `factor`, 2, 4 or 8.

    Its folder of data holds clean pictures: `train`, and `test` with a folder for each test set, or with pictures
    themselves. Their reduced versions are made from them.

    Raises LossmithError for another factor.
    """

    factor: int = 4
    normalize: str | None = None
    """How pictures are normalized for the loss network: None for not at all, as published, or "weights"."""

    name: ClassVar[str] = "sr"
    baseline: ClassVar[str] = "mean squared error of pixels"

    def __post_init__(self) -> None:
        if self.factor not in FACTORS:
            raise LossmithError(f"super-resolution: `factor` must be 2, 4 or 8, not {self.factor!r}")

    @property
    def title(self) -> str:
        return f"Super-resolution ×{self.factor}"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """PSNR, which decides, SSIM, GMSD, NIQE, and the judges whose weights are on this machine."""
        return (*(find_metric(name) for name in METRIC_NAMES), *judge_metrics())

    @property
    def image_note(self) -> str:
        return f"Test pictures that were blurred and reduced {self.factor} times, as each network restores them."

    def open(self, folder: Path, scale: Scale) -> PreparedData:
        """All pictures in a folder, decoded, and degraded by `blur(1) | bicubic(factor)`.

        Test pictures are called by their test set and their file, such as Set5/baby.

        Raises LossmithError for a folder without `train` or `test`, for folders without pictures, and for pictures
        that are too small, that cannot be read, or that are in both.
        """
        train, test = _part(folder, "train", "baby.png"), _part(folder, "test", "Set5/baby.png")
        recipe, tests = self.recipe(scale), _pictures(test)
        data = prepare_data(Data(_pictures(train), test=tests), recipe.degradation)
        PatchDataset(data.source, recipe.patch)  # raises for pictures that are too small
        check_border(data.test_pairs, protocol_of(data.test_pairs))
        names = unique_names({path: path.relative_to(test) for path in tests})
        return replace(data, test_pairs=renamed(data.test_pairs, [*names.values()]))

    def recipe(self, scale: Scale) -> Recipe:
        """The network and the budget: as published for `full`."""
        recipe: Recipe = johnson_sr(self.factor, **CHANGES[scale])["recipe"]
        return recipe

    def run(
        self, configuration: Configuration, seed: int, data: PreparedData, folder: Path, scale: Scale
    ) -> list[Row]:
        """Train, restore the test pictures into `folder/images`, and judge them.

        A judge of the loss network's own family is left out of the rows.

        Raises
        ------
        LossmithError
            When the loss network cannot be had, or `folder` belongs to another run.
        Diverged
            When the loss is not finite any more.
        """
        protocol = protocol_of(data.test_pairs)
        files = RunFolder(folder)
        task = SupervisedTask(self.loss(configuration), self.recipe(scale))
        train_run(files, task, data, RunSettings(protocol=protocol, seed=seed, dry_run=False))
        distances = judges(configuration.network)
        in_rgb = replace(protocol, color="rgb")
        rows = []
        for pair in data.test_pairs:
            restored = from_8bit(read_image(files.image(pair.name)))
            scores = score(restored, pair.clean, protocol, METRIC_NAMES)
            images = [image.float().expand(1, 3, -1, -1) for image in prepare(restored, pair.clean, in_rgb)]
            scores |= {name: distance(*images).item() for name, distance in distances.items()}
            rows.append(Row(pair.name, configuration.name, seed, scores))
        return rows

    def originals(self, data: PreparedData, item: str) -> dict[str, Tensor]:
        """The clean picture and the reduced one."""
        pairs = (pair for pair in data.test_pairs if pair.name == item)
        return next(({"original": pair.clean, "input": pair.degraded} for pair in pairs), {})

    def loss(self, configuration: Configuration) -> Loss:
        """What is minimized: the mean squared difference of features, or of pixels for the baseline."""
        return configuration.loss(self.normalize) if configuration.network else loss("l2")


def _part(folder: Path, part: str, example: str) -> Path:
    path = folder / part
    if not path.is_dir():
        raise LossmithError(
            f"super-resolution needs clean pictures in '{path}', such as '{path / example}', "
            "and this is not a folder"
        )
    return path


def _pictures(folder: Path) -> list[Path]:
    """The pictures in a folder and in the folders within it, which may be links."""
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    folders = [path for path in inside if path.is_dir()]
    own = [folder] if not folders or any(path.suffix.lower() in SUFFIXES for path in inside) else []
    return find_images([*own, *folders], recursive=True)


__all__ = ["SuperResolution"]
