"""One training run, from a recipe to a model and its scores."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

import lossmith
from lossmith.devices import arithmetic, best_device, device_name
from lossmith.errors import LossmithError
from lossmith.evaluation import Protocol, Row, restore_pictures, score, write_csv
from lossmith.images import Pair, Patches, Source, write_picture
from lossmith.losses import Loss
from lossmith.models import save_model
from lossmith.networks import network
from lossmith.training.callbacks import Examiner, Journal, Keeper
from lossmith.training.folder import RunFolder, Summary
from lossmith.training.memory import kept_for_backward
from lossmith.training.module import Restoration
from lossmith.training.progress import ProgressLine
from lossmith.training.recipe import Recipe
from lossmith.training.stream import loader


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

    Raises LossmithError when the folder belongs to another configuration or the loss diverges (as `Diverged`,
    with the state saved), and KeyboardInterrupt after Ctrl-C or SIGTERM, with the state saved.
    """
    recipe = replace(recipe, precision=arithmetic(recipe.precision))  # a run keeps what it began with
    rehearse([loss], recipe, source)
    patches = Patches(source, recipe.patch, seed)
    configuration = {"loss": str(loss), "seed": seed, **asdict(recipe), **(fingerprint or {})}
    folder.claim(configuration)
    if summary := folder.finished():
        return summary
    torch.manual_seed(seed)
    # a loss may keep a state, which one run must not hand to the next
    module = Restoration(network(recipe.network, source.scale), deepcopy(loss), recipe)
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
    folder.finish(summary)
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
    start, spent = position(folder.checkpoint, module.recipe)
    examiner = Examiner(*centre_crops(tests))
    keeper = Keeper(folder.checkpoint, save_every)
    trainer = Trainer(
        accelerator=best_device().type,
        devices=1,
        precision="bf16-mixed" if arithmetic(module.recipe.precision) == "bfloat16" else "32-true",
        max_steps=start if spent else module.recipe.steps or -1,
        max_epochs=-1,
        callbacks=[
            examiner,
            Journal(folder.journal, examiner, min(1.0, save_every)),
            keeper,
            ProgressLine(title),
            *extra,
        ],
        logger=TensorBoardLogger(folder.path, name=None, version="tensorboard", purge_step=start or None),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    data = loader(patches, module.recipe.batch, start)
    trainer.fit(module, data, ckpt_path=folder.checkpoint if start else None, weights_only=True)
    if keeper.interrupted:
        raise KeyboardInterrupt


def position(checkpoint: Path, recipe: Recipe) -> tuple[int, bool]:
    """How many steps a run has behind it, and whether its minutes are spent."""
    if not checkpoint.is_file():
        return 0, False
    try:
        state = torch.load(checkpoint, weights_only=True, mmap=True)
        step, elapsed = int(state["global_step"]), float(state["elapsed"])
    except (OSError, RuntimeError, UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise LossmithError(f"{checkpoint} is damaged; delete it to start this run anew") from error
    return step, recipe.minutes is not None and elapsed >= 60 * recipe.minutes


def centre_crops(tests: Sequence[Pair], side: int = 96, most: int = 8) -> tuple[Tensor, Tensor]:
    """(degraded, clean) batches of equal crops from the middle of the first `most` test pictures."""
    scale = tests[0].scale
    shown = tests[:most]
    side = min(side, *(min(pair.degraded.shape[1:]) * scale for pair in shown)) // scale
    degraded, clean = [], []
    for pair in shown:
        top, left = ((length - side) // 2 for length in pair.degraded.shape[1:])
        degraded.append(pair.degraded[:, top : top + side, left : left + side])
        top, left, big = top * scale, left * scale, side * scale
        clean.append(pair.clean[:, top : top + big, left : left + big])
    return torch.stack(degraded), torch.stack(clean)


def rehearse(losses: Sequence[Loss], recipe: Recipe, source: Source) -> None:
    """Find out what cannot be trained before anything is written: patches, losses and network must fit."""
    for loss in losses:
        if recipe.patch < loss.least_side:
            raise LossmithError(
                f"loss '{loss}' needs patches of at least {loss.least_side} pixels, not {recipe.patch}"
            )
    degraded, clean = Patches(source, recipe.patch).batch(0, 2)
    restorer = network(recipe.network, source.scale).eval()
    if not any(parameter.requires_grad for parameter in restorer.parameters()):
        raise LossmithError(f"network '{recipe.network}' has nothing to train")
    with _blamed_on(f"network '{recipe.network}'", degraded):
        restored = restorer(degraded)
    if restored.shape != clean.shape:
        raise LossmithError(
            f"network '{recipe.network}' makes {tuple(restored.shape)} of patches {tuple(degraded.shape)}; "
            f"{tuple(clean.shape)} is needed"
        )
    for loss in losses:
        with _blamed_on(f"loss '{loss}'", restored):
            value = deepcopy(loss)(restored, clean)
        if not value.requires_grad:
            raise LossmithError(f"loss '{loss}' gives no gradient to the prediction")


@contextmanager
def _blamed_on(what: str, patches: Tensor) -> Iterator[None]:
    """Say in one sentence whose code has failed."""
    try:
        yield
    except LossmithError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise LossmithError(f"{what} fails on patches {tuple(patches.shape)} with {kind}: {error}") from error


# Lightning speaks of its own products and of workers; lossmith says what matters itself.
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning.*")
