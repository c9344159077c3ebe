"""`lossmith train`: one run."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from lossmith import evaluation, losses, training
from lossmith.commands.announcement import announcement
from lossmith.commands.gan_stages import train_gan
from lossmith.commands.option_types import LossOption, ProgressOption
from lossmith.commands.outcome import ScoredOutcome
from lossmith.commands.trained_run import TrainedRun
from lossmith.core.devices import check_devices
from lossmith.core.errors import counted
from lossmith.core.files import check_folder
from lossmith.core.progress import progress_option
from lossmith.data import Data
from lossmith.training import AdversarialRecipe, Recipe

logger = logging.getLogger(__name__)

PUBLISHED_LOSS = "esrgan + 0.01*l1"
FALLBACK_LOSS = "20*mdf(sr) + 0.01*l1"
"""With this weight its gradient was a third of that of 0.005*ragan after 40 steps of a small discriminator."""


def content_loss() -> str:
    """ESRGAN's content loss if the weights of VGG-19 are found; otherwise, after a note, a shipped loss."""
    from lossmith.losses.perceptual.backbones import backbone
    from lossmith.losses.perceptual.weights import find_file, missing_file_hint

    vgg = backbone("vgg19")
    if find_file(vgg.files, vgg.extra_paths):
        return PUBLISHED_LOSS
    logger.warning(
        f"the weights of VGG-19 are not at hand, so the loss is '{FALLBACK_LOSS}' instead of the paper's "
        f"'{PUBLISHED_LOSS}'; for that, {missing_file_hint(vgg.files[0])}"
    )
    return FALLBACK_LOSS


@dataclass(frozen=True, repr=False)
class TrainResult(TrainedRun, ScoredOutcome):
    """The result of a run: `result.model(images)` restores images."""

    folder: Path
    summary: training.RunSummary
    """What the run cost."""
    rows: list[evaluation.Row]
    """The scores of every test image."""
    network: str
    pretraining: TrainResult | None = None
    """The result of the first stage, where there were two."""

    def __str__(self) -> str:
        psnr = fmean(row.scores["psnr"] for row in self.rows)
        before = f"{self.pretraining}\n" if self.pretraining else ""
        skipped = f", {self.summary.skipped} of them skipped," if self.summary.skipped else ""
        tested = f"{len(self.rows)} test images" if len(self.rows) > 1 else "the test image"
        found = self.summary.loss_as_trained
        return before + (
            f"{counted(self.summary.steps, 'step')}{skipped} in {self.summary.seconds:.0f} s; "
            f"mean PSNR of {tested} {psnr:.2f} dB\n"
            + (f"the loss in numbers: {found}\n" if found else "")
            + f"model: {self.model_path}"
        )


@progress_option
def train(
    data: Data = Data(),
    *,
    loss: LossOption = None,
    seed: int = 0,
    recipe: Recipe = Recipe(),
    adversarial: AdversarialRecipe = AdversarialRecipe(),
    out: Path = Path("runs/train"),
    save_every: float = 60.0,
    devices: int = 1,
    progress: ProgressOption = True,
) -> TrainResult:
    """Train one restorer under one loss, or against a discriminator; the same command continues a stopped run.

    `--preset esrgan` sets the options below as the paper did, and `--preset esrgan_small` for two CPU cores;
    `johnson_sr` (times 4), `johnson_sr_x8` and `johnson_sr_small` train super-resolution by features. Other
    options override those of the preset.

    Parameters
    ----------
    data
        The images.
    loss
        The loss: a name from `lossmith losses`, or an expression such as `mix + 0.01*tv`, `80%*l1 + 20%*tv`
        (shares of the gradient) or `l1 until 50% then l2` [default: l1; with `discriminator`, `esrgan + 0.01*l1`
        where the weights of VGG-19 are found, and otherwise `20*mdf(sr)` in the place of esrgan]. From Python
        also modules and functions.
    seed
        Seed of the network's first weights and of the patches.
    recipe
        The degradation, the network and the budget.
    adversarial
        Training against a discriminator.
    out
        Folder of the run.
    save_every
        Seconds between two checkpoints.
    devices
        How many devices train together, each on its share of every batch: GPUs, or processes on the CPU.
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    from lossmith.data import prepare_data

    out = Path(out)
    check_folder(out, "a run with its model")
    recipe.per_device(devices)  # raises before images are read
    check_devices(devices)
    criterion = losses.as_loss(loss if loss is not None else content_loss() if adversarial.discriminator else "l1")
    prepared = prepare_data(data, recipe.degradation, out)
    criterion = losses.for_channels(criterion, prepared.pixels.channels)
    for remark in losses.range_remarks(criterion, prepared.pixels):
        logger.warning(remark)
    recipe = replace(recipe, degradation=prepared.degradation)
    recipe, init = training.open_init(recipe, prepared.source.scale, prepared.pixels)
    settings = training.RunSettings(
        protocol=evaluation.protocol_of(prepared.test_pairs, prepared.pixels),
        seed=seed,
        save_every=save_every,
        devices=devices,
    )
    before = f" (after {adversarial.pretrain_recipe(recipe).budget} under {adversarial.psnr_loss})"
    against = f" and against {adversarial.discriminator}{before}" if adversarial.discriminator else ""
    sentence = announcement(f"{criterion}{against}", recipe, data, prepared, out, devices)
    if adversarial.discriminator is None:
        task = training.SupervisedTask(criterion, recipe, init=init)
        summary = training.train_run(training.RunFolder(out), task, prepared, settings, announcement=sentence)
        return _result(out, summary, recipe)
    stages = train_gan(out, criterion, recipe, adversarial, prepared, settings, init=init, announcement=sentence)
    first, second = (_result(*stage, recipe) for stage in stages)
    return replace(second, pretraining=first)


def _result(folder: Path, summary: training.RunSummary, recipe: Recipe) -> TrainResult:
    return TrainResult(
        folder, summary, evaluation.read_csv(training.RunFolder(folder).scores), str(recipe.network)
    )
