"""Adversarial training in two stages, each a run of its own in one folder."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lossmith.core.devices import resolve_precision
from lossmith.core.run_config import check, go_on
from lossmith.data import PreparedData
from lossmith.losses import Loss
from lossmith.losses import loss as parse
from lossmith.training import AdversarialRecipe, Recipe, RunFolder, RunSettings, RunSummary
from lossmith.training.initial_weights import Init

STAGES = ("psnr", "gan")
"""Names of the stages' folders, in their order."""


def train_gan(
    out: Path,
    content: Loss,
    recipe: Recipe,
    adversarial: AdversarialRecipe,
    data: PreparedData,
    settings: RunSettings,
    *,
    init: Init | None = None,
    announcement: str = "",
) -> list[tuple[Path, RunSummary]]:
    """Pretrain under the recipe's PSNR loss, then train under `content` and against the discriminator.

    Both stages take their dry run before the first begins. Returns the folder and the summary of each stage.
    """
    from lossmith.training.run import AdversarialTask, SupervisedTask, begin, train_run
    from lossmith.training.validation import SampleWriter

    recipe = replace(recipe, precision=resolve_precision(recipe.precision))
    first, second = folders = [RunFolder(out / stage) for stage in STAGES]
    tasks = [
        SupervisedTask(parse(adversarial.psnr_loss), adversarial.pretrain_recipe(recipe), init=init),
        AdversarialTask(content, recipe, adversarial, first.model),
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
    check(out / "run.yaml", config, go_on(second.model))
    stages = []
    with begin(out / "run.yaml", config, tasks, data, settings, runs=len(tasks)):
        for folder, task in zip(folders, tasks, strict=True):
            summary = train_run(
                folder,
                task,
                data,
                replace(settings, dry_run=False),
                sample_writer=SampleWriter(folder.path / "samples"),
                announcement=announcement if folder is first else "",
            )
            stages.append((folder.path, summary))
    return stages
