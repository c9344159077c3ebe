"""One training run, from a recipe to a model and its scores."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lossmith.core.devices import (
    best_device,
    check_devices,
    device_name,
    per_device_batch,
    resolve_precision,
)
from lossmith.core.errors import notify
from lossmith.core.files import sha256_of
from lossmith.core.lock import folder_lock
from lossmith.core.provenance import provenance
from lossmith.core.resources import check_disk
from lossmith.data import ImagePair, PatchDataset, TrainingImages, write_image
from lossmith.degradations.checks import check_int, check_nonnegative
from lossmith.evaluation import Protocol, Row, restore_images, score, write_csv
from lossmith.losses import Loss
from lossmith.losses.adversarial import adversarial
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
from lossmith.training.supervised import SupervisedModule
from lossmith.training.validation import SampleWriter


@dataclass(frozen=True)
class SupervisedTask:
    """A restorer is taught by a loss."""

    loss: Loss
    recipe: Recipe
    init: Init | None = field(default=None, kw_only=True)
    """What it begins with instead of fresh weights."""

    @property
    def config(self) -> dict[str, Any]:
        """All that sets it apart from other lessons under the same loss."""
        return {**self.recipe.resume_key, **(self.init.identity if self.init else {})}

    def dry_run(self, source: TrainingImages) -> None:
        """Raise LossmithError for what does not fit together."""
        dry_run([self.loss], self.recipe, source)

    def build_module(self, scale: int) -> SupervisedModule:
        """Ready for the first step; fresh weights are drawn from torch's generator."""
        # a loss may keep a state, which one run must not hand to the next
        return SupervisedModule(self._restorer(scale), deepcopy(self.loss), self.recipe)

    def _restorer(self, scale: int) -> nn.Module:
        restorer = network(str(self.recipe.network), scale)
        if self.init:
            self.init.load(restorer)
        return restorer


@dataclass(frozen=True)
class AdversarialTask(SupervisedTask):
    """A trained restorer is taught by a loss and by a discriminator."""

    adversarial_recipe: AdversarialRecipe
    pretrained: Path
    """The model that it begins with."""

    @property
    def config(self) -> dict[str, Any]:
        names = ("discriminator", "adversarial", "adversarial_weight", "discriminator_learning_rate")
        settings = {name: getattr(self.adversarial_recipe, name) for name in names}
        init_from = sha256_of(self.pretrained)
        return {**super().config, **settings, "begins_with": init_from}

    def dry_run(self, source: TrainingImages) -> None:
        judged = GeneratorLoss(
            discriminator(str(self.adversarial_recipe.discriminator), self.recipe.patch),
            adversarial(self.adversarial_recipe.adversarial),
        )
        dry_run([self.loss + self.adversarial_recipe.adversarial_weight * judged], self.recipe, source)

    def build_module(self, scale: int) -> AdversarialModule:
        restorer = self._restorer(scale)
        restorer.load_state_dict(load_model(self.pretrained, self.recipe.network).restorer.state_dict())
        return AdversarialModule(
            restorer,
            deepcopy(self.loss),
            discriminator(str(self.adversarial_recipe.discriminator), self.recipe.patch),
            adversarial(self.adversarial_recipe.adversarial),
            self.adversarial_recipe.adversarial_weight,
            self.recipe,
            self.adversarial_recipe.discriminator_learning_rate,
        )


def train_supervised(
    folder: RunFolder,
    loss: Loss,
    recipe: Recipe,
    source: TrainingImages,
    test_pairs: Sequence[ImagePair],
    protocol: Protocol,
    *,
    seed: int = 0,
    fingerprint: dict[str, Any] | None = None,
    remarks: Sequence[str] = (),
    save_every: float = 60.0,
    devices: int = 1,
    opening: str = "",
    init: Init | None = None,
) -> RunSummary:
    """Train a restorer as `recipe` says under `loss`, from fresh weights or from `init`; see `train_run`."""
    task = SupervisedTask(loss, recipe, init=init)
    return train_run(
        folder,
        task,
        source,
        test_pairs,
        protocol,
        seed=seed,
        fingerprint=fingerprint,
        remarks=remarks,
        save_every=save_every,
        devices=devices,
        opening=opening,
    )


@isolated_global_state()
def train_run(
    folder: RunFolder,
    task: SupervisedTask,
    source: TrainingImages,
    test_pairs: Sequence[ImagePair],
    protocol: Protocol,
    *,
    seed: int = 0,
    fingerprint: dict[str, Any] | None = None,
    remarks: Sequence[str] = (),
    save_every: float = 60.0,
    devices: int = 1,
    sample_writer: SampleWriter | None = None,
    opening: str = "",
) -> RunSummary:
    """Train a restorer, keep its model, and restore and score the test images.

    What the `remarks` say of how images are read goes into the model's receipt.

    The same call on the same folder continues a run that was stopped, and returns at once when it is finished.
    On a CPU the resumed run ends with exactly the weights of one that was never stopped.

    Raises LossmithError when the folder belongs to another configuration or another process is at work in it,
    Diverged when the loss is no longer a number, and Interrupted, a KeyboardInterrupt, when told to stop. The
    state is saved in each case. What is given as `opening` is said once all is checked, before the first step.
    """
    check_int("train", "seed", seed, 0, 2**63 - 1)  # what torch takes
    check_nonnegative("train", "save_every", save_every)
    # a run keeps what it began with
    recipe = replace(task.recipe, precision=resolve_precision(task.recipe.precision))
    task = replace(task, recipe=recipe)
    configuration = {"loss": str(task.loss), "seed": seed, **task.config, **(fingerprint or {})}
    folder.check(configuration)
    if summary := folder.load_summary():
        return summary
    with folder_lock(folder.path):
        check_devices(devices)
        device_recipe = replace(
            recipe, batch=per_device_batch(recipe.batch, devices)
        )  # as each of the devices sees it
        replace(task, recipe=device_recipe).dry_run(source)
        need = bytes_to_write(network(str(recipe.network), source.scale), recipe, test_pairs)
        check_disk(folder.path, need, "the results")
        folder.claim(configuration)
        if opening:
            notify(opening)
        torch.manual_seed(seed)
        patches = PatchDataset(source, recipe.patch, seed)
        module = task.build_module(source.scale)
        title = f"{task.loss}, seed {seed}"
        with explain_out_of_memory(recipe):
            state = fit(module, patches, test_pairs, folder, title, save_every, sample_writer, devices)
        restorer = module.trained_network.eval()
        receipt = {"scale": source.scale, **configuration, "protocol": asdict(protocol), **provenance(devices)}
        more = {"skipped": state.skipped, "remarks": list(remarks)}
        save_model(
            folder.model,
            restorer,
            {**receipt, "steps": state.step, **{key: value for key, value in more.items() if value}},
        )
        restored = restore_images(restorer.to(best_device()), test_pairs)
        rows = []
        for pair, image in zip(test_pairs, restored, strict=True):
            write_image(folder.image(pair.name), image)
            rows.append(Row(pair.name, str(task.loss), seed, score(image, pair.clean, protocol)))
        write_csv(folder.scores, rows, protocol)
        summary = RunSummary(
            steps=state.step,
            skipped=state.skipped,
            seconds=state.timer.elapsed,
            activation_mb=saved_activation_bytes(module, patches.batch(0, device_recipe.batch)) / 1e6,
            device=device_name(devices),
            precision=resolve_precision(recipe.precision),
        )
        folder.finish(summary, [folder.image(pair.name) for pair in test_pairs])
    return summary


__all__ = ["AdversarialTask", "SupervisedTask", "dry_run", "fit", "train_run", "train_supervised"]
