"""One training run, from a recipe to a model and its scores."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

import lossmith
from lossmith.degradations.checks import check_amount, check_whole
from lossmith.devices import arithmetic, best_device, device_name
from lossmith.errors import Diverged, LossmithError
from lossmith.evaluation import Protocol, Row, restore_pictures, score, write_csv
from lossmith.images import Pair, Patches, Source, write_picture
from lossmith.losses import Loss
from lossmith.models import save_model
from lossmith.networks import network
from lossmith.training.confined import confined
from lossmith.training.examiner import Examiner, centre_crops
from lossmith.training.folder import RunFolder, Summary
from lossmith.training.journal import WRITE_EVERY, Journal
from lossmith.training.keeper import Keeper
from lossmith.training.memory import enough_memory, kept_for_backward
from lossmith.training.module import Restoration
from lossmith.training.progress import ProgressLine
from lossmith.training.recipe import Recipe
from lossmith.training.rehearsal import rehearse
from lossmith.training.stream import loader

__all__ = ["fit", "position", "rehearse", "run"]


@confined()
def run(
    folder: RunFolder,
    loss: Loss,
    recipe: Recipe,
    source: Source,
    tests: Sequence[Pair],
    protocol: Protocol,
    *,
    seed: int = 0,
    fingerprint: dict[str, Any] | None = None,
    save_every: float = 60.0,
) -> Summary:
    """Train a restorer as `recipe` says under `loss`, keep its model, and restore and score the test pictures.

    The same call on the same folder continues a run that was stopped, and returns at once when it is finished.
    On a CPU the resumed run ends with exactly the weights of one that was never stopped.

    Raises LossmithError when the folder belongs to another configuration, Diverged when the loss is no longer a
    number (what was saved before that stays), and KeyboardInterrupt after Ctrl-C or SIGTERM, with the state saved.
    """
    check_whole("train", "seed", seed, 0, 2**63 - 1)  # what torch takes
    check_amount("train", "save_every", save_every)
    recipe = replace(recipe, precision=arithmetic(recipe.precision))  # a run keeps what it began with
    configuration = {"loss": str(loss), "seed": seed, **asdict(recipe), **(fingerprint or {})}
    folder.check(configuration)
    if summary := folder.finished():
        return summary
    rehearse([loss], recipe, source)
    folder.claim(configuration)
    torch.manual_seed(seed)
    patches = Patches(source, recipe.patch, seed)
    # a loss may keep a state, which one run must not hand to the next
    module = Restoration(network(recipe.network, source.scale), deepcopy(loss), recipe)
    with enough_memory(recipe):
        fit(module, patches, tests, folder, f"{loss}, seed {seed}", save_every)
    restorer = module.result.eval()
    receipt = {"lossmith": lossmith.__version__, "scale": source.scale, **configuration}
    save_model(folder.model, restorer, {**receipt, "steps": module.global_step})
    restored = restore_pictures(restorer.to(best_device()), tests)
    rows = []
    for pair, picture in zip(tests, restored, strict=True):
        write_picture(folder.picture(pair.name), picture)
        rows.append(Row(pair.name, str(loss), seed, score(picture, pair.clean, protocol)))
    write_csv(folder.scores, rows, protocol)
    summary = Summary(
        steps=module.global_step,
        seconds=module.stopwatch.elapsed,
        kept_mb=kept_for_backward(module, patches.batch(0, recipe.batch)) / 1e6,
        device=device_name(),
        precision=arithmetic(recipe.precision),
    )
    folder.finish(summary, [folder.picture(pair.name) for pair in tests])
    return summary


def fit(
    module: Restoration,
    patches: Patches,
    tests: Sequence[Pair],
    folder: RunFolder,
    title: str,
    save_every: float = 60.0,
    extra: Sequence[Callback] = (),
) -> None:
    """Train `module` to the end of its budget, from the checkpoint in `folder` if there is one."""
    recipe = module.recipe
    start, spent = position(folder.checkpoint, recipe)
    # as large and as many as a batch: a look costs less than a step, in time and in memory
    examiner = Examiner(*centre_crops(tests, recipe.patch, recipe.batch))
    journal = Journal(folder.journal, examiner, min(WRITE_EVERY, save_every))
    keeper = Keeper(folder.checkpoint, save_every)
    trainer = Trainer(
        accelerator=best_device().type,
        devices=1,
        precision="bf16-mixed" if arithmetic(recipe.precision) == "bfloat16" else "32-true",
        max_steps=start if spent else recipe.steps or -1,
        max_epochs=-1,
        callbacks=[examiner, journal, keeper, ProgressLine(title), *extra],
        logger=TensorBoardLogger(folder.path, name=None, version="tensorboard", purge_step=start or None),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    data = loader(patches, recipe.batch, start)
    try:
        with keeper.listening():
            trainer.fit(module, data, ckpt_path=folder.checkpoint if start else None, weights_only=True)
    except Diverged as error:
        saved, _ = position(folder.checkpoint, recipe)
        state = f"the state after step {saved} is saved" if saved else "no state was saved before that"
        raise Diverged(f"{error}; {state}, and a lower learning_rate usually helps") from None
    finally:
        journal.write()
    if keeper.interrupted:
        raise KeyboardInterrupt


def position(checkpoint: Path, recipe: Recipe) -> tuple[int, bool]:
    """How many steps a run has behind it, and whether its minutes are spent."""
    if not checkpoint.is_file():
        return 0, False
    try:
        state = torch.load(checkpoint, weights_only=True, mmap=True, map_location="cpu")
        step, elapsed = int(state["global_step"]), float(state["elapsed"])
    except (OSError, RuntimeError, UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise LossmithError(f"{checkpoint} is damaged; delete it to start this run anew") from error
    return step, recipe.minutes is not None and elapsed >= 60 * recipe.minutes
