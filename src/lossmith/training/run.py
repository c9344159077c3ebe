"""One training run, from a task to a model and its scores."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lossmith.core.devices import best_device, check_devices, device_name, resolve_precision
from lossmith.core.files import sha256_of
from lossmith.core.lock import folder_lock
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.core.progress import ProgressBar
from lossmith.core.provenance import provenance
from lossmith.core.resources import check_disk
from lossmith.core.run_config import write_or_check
from lossmith.data import PatchDataset, PreparedData, TrainingImages, write_image, write_picture
from lossmith.evaluation import Restored, restore_images, score_images, write_csv
from lossmith.losses import Loss, as_numbers
from lossmith.losses.adversarial import adversarial
from lossmith.losses.share_loss import has_shares
from lossmith.models.model_file import load_model, save_model
from lossmith.networks import discriminator, network
from lossmith.training.adversarial import AdversarialModule, GeneratorLoss
from lossmith.training.dry_run import dry_run
from lossmith.training.initial_weights import Init
from lossmith.training.isolation import isolated_global_state
from lossmith.training.loop import fit
from lossmith.training.memory import bytes_to_write, explain_out_of_memory, saved_activation_bytes
from lossmith.training.recipe import AdversarialRecipe, Recipe
from lossmith.training.run_folder import RunFolder, RunSummary
from lossmith.training.run_settings import RunSettings
from lossmith.training.supervised import SupervisedModule
from lossmith.training.validation import Observer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SupervisedTask:
    """A restorer is trained under a loss."""

    loss: Loss
    recipe: Recipe
    init: Init | None = field(default=None, kw_only=True)
    """What training begins with instead of fresh weights."""

    @property
    def config(self) -> dict[str, Any]:
        """What distinguishes this task from others under the same loss, for `run.yaml` and the receipt."""
        return {**self.recipe.resume_key, **(self.init.identity if self.init else {})}

    def objective(self, channels: int = 3) -> Loss:
        """What the restorer of images with so many channels minimizes."""
        return self.loss

    def build_discriminator(self, channels: int = 3) -> nn.Module | None:
        """A fresh discriminator, for a task that has one."""
        return None

    def build_module(self, images: TrainingImages) -> SupervisedModule:
        """The module, ready for its first step; fresh weights are drawn from torch's generator."""
        # a copy, since a loss may have a state, which one run must not pass on to the next
        loss = deepcopy(self.loss)
        return SupervisedModule(self._build_restorer(images), loss, self.recipe, masked=images.masked)

    def _build_restorer(self, images: TrainingImages) -> nn.Module:
        restorer = network(str(self.recipe.network), images.scale, images.pixels.channels)
        if self.init:
            self.init.load(restorer)
        return restorer


@dataclass(frozen=True)
class StyleTask(SupervisedTask):
    """A network learns to paint, under an objective that holds the paintings."""

    style: dict[str, Any]
    """What the objective is made of, for the receipt, by which a model is known to be a style."""

    @property
    def config(self) -> dict[str, Any]:
        return {**super().config, "style": self.style}


@dataclass(frozen=True)
class AdversarialTask(SupervisedTask):
    """A pretrained restorer is trained under a loss and against a discriminator."""

    adversarial_recipe: AdversarialRecipe
    pretrained: Path
    """The model file that training begins with."""

    @property
    def config(self) -> dict[str, Any]:
        names = ("discriminator", "adversarial", "adversarial_weight", "discriminator_learning_rate")
        settings = {name: getattr(self.adversarial_recipe, name) for name in names}
        return {**super().config, **settings, "begins_with": sha256_of(self.pretrained)}

    def objective(self, channels: int = 3) -> Loss:
        generator_loss = GeneratorLoss(
            self.build_discriminator(channels), adversarial(self.adversarial_recipe.adversarial)
        )
        return self.loss + self.adversarial_recipe.adversarial_weight * generator_loss

    def build_discriminator(self, channels: int = 3) -> nn.Module:
        return discriminator(str(self.adversarial_recipe.discriminator), self.recipe.patch, channels)

    def build_module(self, images: TrainingImages) -> AdversarialModule:
        restorer = self._build_restorer(images)
        restorer.load_state_dict(load_model(self.pretrained, str(self.recipe.network)).restorer.state_dict())
        return AdversarialModule(
            restorer,
            deepcopy(self.loss),
            self.build_discriminator(images.pixels.channels),
            adversarial(self.adversarial_recipe.adversarial),
            self.adversarial_recipe.adversarial_weight,
            self.recipe,
            self.adversarial_recipe.discriminator_learning_rate,
            masked=images.masked,
        )


@contextmanager
def begin(
    config_file: Path,
    config: dict[str, Any],
    tasks: Sequence[SupervisedTask],
    data: PreparedData,
    settings: RunSettings,
    runs: int = 1,
) -> Iterator[None]:
    """Check all that can be checked before the first step, write `config_file`, and lock its folder for the block.

    The tasks share their network and patches; `runs` is how many runs write into the folder.

    Raises LossmithError, with nothing written, when another process is at work there, a task cannot be trained,
    or the results do not fit onto the disk.
    """
    recipe, out, channels = tasks[0].recipe, config_file.parent, data.pixels.channels
    with folder_lock(out):
        if settings.dry_run:
            objectives = [task.objective(channels) for task in tasks]
            dry_run(objectives, recipe.per_device(settings.devices), data, settings.protocol)
        restorer = network(str(recipe.network), data.source.scale, channels)
        networks = restorer, tasks[-1].build_discriminator(channels)
        results = f"the results of {runs} runs" if runs > 1 else "the results"
        check_disk(out, bytes_to_write(*networks, recipe, data.test_pairs, runs, data.pixels), results)
        write_or_check(config_file, config)
        yield


@isolated_global_state()
def train_run(
    folder: RunFolder,
    task: SupervisedTask,
    data: PreparedData,
    settings: RunSettings,
    *,
    observer: Observer | None = None,
    announcement: str = "",
) -> RunSummary:
    """Train a restorer, save its model, and restore and score the test images.

    The same call on the same folder continues a run that was stopped, and returns at once when it is finished.
    On a CPU the resumed run ends with exactly the weights of one that was never stopped.

    Parameters
    ----------
    folder
        Where everything is written.
    task
        What is trained, and under which loss.
    data
        The images; what their `remarks` say goes into the model's receipt.
    settings
        The seed, the protocol, and how the run is carried out.
    observer
        Sees every validation, and may end the run by an exception.
    announcement
        A sentence for the user, shown once everything is checked, before the first step.

    Raises
    ------
    LossmithError
        When the task cannot be trained, the folder belongs to another configuration, or another process is at
        work in it.
    Diverged
        When the loss is not finite any more; the state before that step is saved.
    Interrupted
        A KeyboardInterrupt, when the process is told to stop; the state is saved.
    """
    # resolved here, so that a run continues in the precision in which it began
    task = replace(task, recipe=replace(task.recipe, precision=resolve_precision(task.recipe.precision)))
    recipe, seed, name = task.recipe, settings.seed, str(task.loss)
    config = {"loss": name, "seed": seed, **task.config, **data.fingerprint}
    folder.check(config)
    if summary := folder.load_summary():
        return summary
    check_devices(settings.devices)
    with begin(folder.config, config, [task], data, settings):
        folder.remove_partial_files()
        if announcement:
            logger.info(announcement)
        torch.manual_seed(seed)
        patches = PatchDataset(data.source, recipe.patch, seed)
        module = task.build_module(data.source)
        with explain_out_of_memory(recipe):
            state = fit(
                module,
                patches,
                data.test_pairs,
                folder,
                f"{name}, seed {seed}",
                settings.save_every,
                observer,
                settings.devices,
            )
        restorer = module.trained_network.eval()
        as_trained = str(as_numbers(module.content)) if has_shares(module.content) else ""
        receipt = {
            "scale": data.source.scale,
            **config,
            "protocol": settings.protocol.receipt,
            **provenance(settings.devices),
            "steps": state.step,
            **({"loss_as_trained": as_trained} if as_trained else {}),
            **({"skipped": state.skipped} if state.skipped else {}),
            **({"remarks": list(data.remarks)} if data.remarks else {}),
        }
        save_model(folder.model, restorer, receipt)
        with ProgressBar(f"scoring {name}, seed {seed}") as bar:
            rows = score_images(
                _tested(restorer, data, folder, name, seed),
                settings.protocol,
                settings.metrics,
                progress=lambda finished: bar.count(finished, len(data.test_pairs)),
                targets=settings.targets,
            )
        write_csv(folder.scores, rows, settings.protocol)
        batch = patches.batch(0, recipe.per_device(settings.devices).batch)
        summary = RunSummary(
            steps=state.step,
            skipped=state.skipped,
            seconds=state.timer.elapsed,
            activation_mb=saved_activation_bytes(module, batch) / 1e6,
            device=device_name(settings.devices),
            precision=recipe.precision,
            loss_as_trained=as_trained,
        )
        folder.finish(summary, [folder.image(pair.name, data.pixels) for pair in data.test_pairs])
    return summary


def _tested(
    restorer: nn.Module, data: PreparedData, folder: RunFolder, loss: str, seed: int
) -> Iterator[Restored]:
    """Restore the test images, and hand them on to be written into the folder and scored."""
    pairs = data.test_pairs
    for pair, image in zip(pairs, restore_images(restorer.to(best_device()), pairs), strict=True):
        path = folder.image(pair.name, data.pixels)
        yield Restored(pair.name, loss, partial(_written, path, image, pair.clean, data.pixels), seed)


def _written(path: Path, image: Tensor, clean: Tensor, pixels: PixelFormat) -> tuple[Tensor, Tensor]:
    """Write a restored image; returns it and its target."""
    if pixels == RGB_8BIT:
        write_image(path, image)
    else:
        write_picture(path, image, pixels)
    return image, clean


__all__ = ["AdversarialTask", "StyleTask", "SupervisedTask", "begin", "fit", "train_run"]
