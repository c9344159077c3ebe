"""Adversarial training in two stages, each a run of its own in one folder."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lossmith.core.devices import per_device_batch, resolve_precision
from lossmith.core.lock import folder_lock
from lossmith.core.resources import check_disk
from lossmith.core.run_config import check, go_on, write_or_check
from lossmith.data import PreparedData
from lossmith.evaluation import Protocol, Row, read_csv
from lossmith.losses import Loss
from lossmith.losses import loss as parse
from lossmith.networks import discriminator, network
from lossmith.training import AdversarialRecipe, Recipe, RunFolder, RunSummary
from lossmith.training.initial_weights import Init

STAGES = ("psnr", "gan")


def train_gan(
    out: Path,
    content: Loss,
    recipe: Recipe,
    adversarial: AdversarialRecipe,
    prepared: PreparedData,
    protocol: Protocol,
    *,
    seed: int,
    save_every: float,
    devices: int,
    opening: str = "",
    init: Init | None = None,
) -> list[tuple[Path, RunSummary, list[Row]]]:
    """Train under the contest's first loss, then go on from there under `content` and against the discriminator.

    What each stage gave: its folder, its summary, its scores. Both stages are rehearsed before either begins.
    """
    from lossmith.training.run import AdversarialTask, SupervisedTask, train_run
    from lossmith.training.validation import SampleWriter

    recipe = replace(recipe, precision=resolve_precision(recipe.precision))
    first, second = (RunFolder(out / stage) for stage in STAGES)
    tasks = (
        (first, SupervisedTask(parse(adversarial.psnr_loss), adversarial.pretrain_recipe(recipe), init=init)),
        (second, AdversarialTask(content, recipe, adversarial, first.model)),
    )
    configuration: dict[str, Any] = {
        "stages": list(STAGES),
        "loss": str(content),
        **recipe.resume_key,
        **asdict(adversarial),
        "seed": seed,
        **(init.identity if init else {}),
        **prepared.fingerprint,
    }
    check(out / "run.yaml", configuration, go_on(second.model))
    with folder_lock(out):
        for _, task in tasks:
            part = replace(task.recipe, batch=per_device_batch(task.recipe.batch, devices))
            replace(task, recipe=part).dry_run(prepared.source)
        check_disk(out, _bytes_to_write(recipe, adversarial, prepared), "the results of both stages")
        write_or_check(out / "run.yaml", configuration)
        outcomes = []
        for folder, task in tasks:
            summary = train_run(
                folder,
                task,
                prepared.source,
                prepared.test_pairs,
                protocol,
                seed=seed,
                fingerprint=prepared.fingerprint,
                remarks=prepared.remarks,
                save_every=save_every,
                devices=devices,
                sample_writer=SampleWriter(folder.path / "samples"),
                opening=opening if folder is first else "",
            )
            outcomes.append((folder.path, summary, read_csv(folder.scores)))
    return outcomes


def _bytes_to_write(recipe: Recipe, adversarial: AdversarialRecipe, prepared: PreparedData) -> int:
    """Bytes that both stages write, at least."""
    from lossmith.training.memory import bytes_to_write

    restorer = network(str(recipe.network), prepared.source.scale)
    judge = discriminator(str(adversarial.discriminator), recipe.patch)
    weights = sum(int(tensor.nbytes) for tensor in judge.state_dict().values())
    # three states are there at a time, each with the discriminator and two numbers of its optimizer for each
    # weight
    return bytes_to_write(restorer, recipe, prepared.test_pairs, runs=2) + 3 * 3 * weights
