"""Dimensionality reduction: how well the codes of an autoencoder tell the classes of images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from lossmith.core.devices import best_device
from lossmith.data import write_image
from lossmith.evaluation import Row, find_metric
from lossmith.metrics import Metric
from lossmith.metrics.pixel import psnr
from lossmith.studies.benchmark import Scale
from lossmith.studies.benchmarks.autoencoder import Autoencoder, input_side, original, reflected
from lossmith.studies.benchmarks.classifiers import accuracy, chosen, train_classifiers
from lossmith.studies.benchmarks.fixed_targets import fixed_target_loss
from lossmith.studies.benchmarks.labeled_images import LabeledImages, at_most, read_labeled_images
from lossmith.studies.configuration import Configuration
from lossmith.studies.fitting import batches, fit

FOLDS = 10
"""Parts of the test set, a row of scores each."""
STRIPS = 8
"""Test images that are drawn with their reconstructions."""
EVALUATION_BATCH = 256


@dataclass(frozen=True)
class Budget:
    """How much is trained at a scale."""

    stages: int
    """Of the autoencoder: 4 for images of 64 pixels and more, 3 for images of 32."""
    images: int
    """At most so many to train the autoencoder with."""
    labeled: int
    """At most so many to train and validate the classifiers with."""
    test: int
    epochs: int
    batch: int
    classifier_epochs: int
    patience: int
    """Epochs without gain after which the classifiers stop."""
    reduced_to: int | None = None
    """Larger images are reduced to this side, in pixels, by averaging."""


ALL = 2**62
BUDGETS: dict[Scale, Budget] = {
    "tiny": Budget(3, 64, 100, 50, 2, 16, 100, 25, reduced_to=32),
    "small": Budget(3, 2048, 10_000, 2000, 6, 64, 60, 10, reduced_to=32),
    "full": Budget(4, ALL, ALL, ALL, 50, 256, 500, 25),
}
"""Small takes 20 CPU seconds for the baseline, and 70 for vgg19:relu3_4, on images of 32 x 32."""


@dataclass(frozen=True)
class Reduction:
    """A convolutional autoencoder with a code of 64 numbers is trained, and small networks on its codes.

    At full scale as Pihlgren et al. do it with STL-10 and SVHN, arXiv 2302.04032: the autoencoder of their paper
    at IJCNN 2020, 50 epochs in batches of 256 with Adam and a step of 1e-3, on the unlabeled images where there
    are some; images below 64 x 64 continued to it by reflection; then seven classifiers, see `train_classifiers`.
    They stop the autoencoder when it no longer gains on images held out; here all get the same number of epochs.
    At small scale images have 32 x 32 pixels and the autoencoder a stage less, for all configurations alike.

    The score is the share of test images that are told rightly by the classifier that is best on a fifth of the
    training set. Rows are ten parts of the test set, drawn at random and the same in every run, so that the mean
    over rows is the accuracy; where the test set is not a multiple of ten, some have an image more than others.
    """

    normalize: str | None = None
    """How the loss network's input is normalized, see `FeatureExtractor`; the study feeds images as they are."""
    name: ClassVar[str] = "reduction"
    title: ClassVar[str] = "Dimensionality reduction"
    baseline: ClassVar[str] = "mean squared error of pixels"
    image_note: ClassVar[str] = (
        "Test images, and below each what the autoencoder makes of it from a code of 64 numbers."
    )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracies, 0 to 1, and the PSNR of the reconstructions."""
        return (
            Metric("accuracy", "Accuracy", higher_is_better=True, digits=3),
            Metric("accuracy_linear", "Accuracy (linear)", higher_is_better=True, digits=3),
            find_metric("psnr"),
        )

    def open(self, folder: Path, scale: Scale) -> LabeledImages:
        """The images; see `read_labeled_images` for the layouts and errors."""
        budget = BUDGETS[scale]
        return read_labeled_images(folder).reduced(budget.labeled, budget.test, budget.images)

    def run(
        self, configuration: Configuration, seed: int, data: LabeledImages, folder: Path, scale: Scale
    ) -> list[Row]:
        """Train the autoencoder and the classifiers; a row for each part of the test set, "fold 01" and on.

        Raises LossmithError for images that are smaller than the layer needs.
        """
        budget, device = BUDGETS[scale], best_device()
        size, prepare = preparation(data.images, budget)
        autoencoder = self._trained_autoencoder(configuration, seed, data, folder, budget)
        codes, labels = _codes(autoencoder, data.images, prepare), data.labels.to(device)
        classifiers = train_classifiers(
            codes, labels, data.classes, seed, budget.classifier_epochs, budget.patience
        )
        test_codes, test_labels = _codes(autoencoder, data.test_images, prepare), data.test_labels.to(device)
        correct = {
            "accuracy": chosen(classifiers).correct(test_codes, test_labels),
            "accuracy_linear": classifiers[0].correct(test_codes, test_labels),
        }
        fidelity = torch.cat(
            [psnr(*_pair(autoencoder, prepare(images), size)) for images in _chunks(data.test_images)]
        ).cpu()
        pairs = _pair(autoencoder, prepare(data.test_images[:STRIPS]), size)
        for number, (reconstruction, image) in enumerate(zip(*pairs, strict=True), 1):
            write_image(folder / "images" / f"test {number}.png", torch.cat([image, reconstruction], dim=1))
        return [
            Row(
                f"fold {number:02}",
                configuration.name,
                seed,
                {name: accuracy(values[part]) for name, values in correct.items()}
                | {"psnr": fidelity[part].double().mean().item()},
            )
            for number, part in enumerate(folds(len(data.test_images)), 1)
        ]

    def originals(self, data: LabeledImages, item: str) -> dict[str, Tensor]:
        """None, since the pictures hold them."""
        return {}

    def _trained_autoencoder(
        self, configuration: Configuration, seed: int, data: LabeledImages, folder: Path, budget: Budget
    ) -> Autoencoder:
        device, (images,) = best_device(), at_most(budget.images, data.for_autoencoder)
        _, prepare = preparation(images, budget)
        count, height, width = len(images), *prepare(images[:1]).shape[2:]
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            autoencoder = Autoencoder(height, width, budget.stages).to(device)

        def targets(indices: Tensor) -> Tensor:
            return prepare(images[indices.to(images.device)])

        loss = fixed_target_loss(configuration, self.normalize, targets, count, device)
        size = min(budget.batch, count)
        batch = batches(count, size, seed)

        def objective(step: int) -> Tensor:
            indices = torch.from_numpy(batch(step)).to(device)
            return loss(autoencoder(targets(indices)), indices)

        fit(autoencoder, objective, budget.epochs * count // size, folder / "autoencoder.ckpt", configuration.name)
        return autoencoder


Preparation = Callable[[Tensor], Tensor]
"""Of uint8 images, (N, 3, H, W), the input of the autoencoder: floats in [0, 1] on the device."""


def preparation(images: Tensor, budget: Budget) -> tuple[tuple[int, int], Preparation]:
    """What is done to images, and the height and width that they have before they are continued at the borders."""
    rows, columns = (min(side, budget.reduced_to or side) for side in images.shape[2:])
    height, width = (input_side(side, budget.stages) for side in (rows, columns))

    def prepare(images: Tensor) -> Tensor:
        floats = images.to(best_device()).float() / 255
        return reflected(nn.functional.adaptive_avg_pool2d(floats, (rows, columns)), height, width)

    return (rows, columns), prepare


def folds(count: int) -> list[Tensor]:
    """The indices of the images in each part of a test set, int64.

    >>> [len(part) for part in folds(23)], len(folds(3))
    ([3, 3, 3, 2, 2, 2, 2, 2, 2, 2], 3)
    """
    order = torch.from_numpy(np.random.default_rng(0).permutation(count))
    return [*order.tensor_split(min(FOLDS, count))]


def _chunks(images: Tensor) -> tuple[Tensor, ...]:
    return images.tensor_split(-(-len(images) // EVALUATION_BATCH))


def _codes(autoencoder: Autoencoder, images: Tensor, prepare: Preparation) -> Tensor:
    with torch.no_grad():
        return torch.cat([autoencoder.encoder(prepare(part)) for part in _chunks(images)])


def _pair(autoencoder: Autoencoder, inputs: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Reconstructions and originals, without what was continued at the borders."""
    with torch.no_grad():
        return original(autoencoder(inputs), *size), original(inputs, *size)


__all__ = ["Reduction"]
