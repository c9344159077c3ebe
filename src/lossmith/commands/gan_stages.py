"""Adversarial training in two stages, each a run of its own in one folder."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmith import losses, training
from lossmith.core.devices import resolve_precision
from lossmith.core.run_config import check, resume_advice
from lossmith.training import AdversarialRecipe, Recipe

if TYPE_CHECKING:
    from lossmith.data import PreparedData

STAGES = ("psnr", "gan")
"""Names of the stages' folders, in their order."""


def train_gan(
    out: Path,
    content: losses.Loss,
    recipe: Recipe,
    adversarial: AdversarialRecipe,
    data: PreparedData,
    settings: training.RunSettings,
    *,
    init: training.Init | None = None,
    announcement: str = "",
) -> list[tuple[Path, training.RunSummary]]:
    """Pretrain under the recipe's PSNR loss, then train under `content` and against the discriminator.

    Both stages take their dry run before the first begins. Returns the folder and the summary of each stage.
    """
    recipe = replace(recipe, precision=resolve_precision(recipe.precision))
    first, second = folders = [training.RunFolder(out / stage) for stage in STAGES]
    psnr_loss = losses.for_channels(losses.loss(adversarial.psnr_loss), data.pixels.channels)
    tasks = [
        training.SupervisedTask(psnr_loss, adversarial.pretrain_recipe(recipe), init=init),
        training.AdversarialTask(content, recipe, adversarial, first.model),
    ]
    config: dict[str, Any] = {
        "stages": list(STAGES),
        "loss": str(content),
        **recipe.resume_key,
        **asdict(adversarial),
        "seed": settings.seed,
        **(init.identity if init else {}),
        **data.fingerprint,
    }
    check(out / "run.yaml", config, resume_advice(second.model))
    stages = []
    with training.begin(out / "run.yaml", config, tasks, data, settings, runs=len(tasks)):
        for folder, task in zip(folders, tasks, strict=True):
            summary = training.train_run(
                folder,
                task,
                data,
                replace(settings, dry_run=False),
                observer=training.SampleWriter(folder.path / "samples"),
                announcement=announcement if folder is first else "",
            )
            stages.append((folder.path, summary))
    return stages
