"""One training run, from a recipe to a model and its scores."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from lossmith.degradations.checks import check_amount, check_whole
from lossmith.devices import arithmetic, best_device, check_devices, device_name, share
from lossmith.errors import remark
from lossmith.evaluation import Protocol, Row, restore_pictures, score, write_csv
from lossmith.images import Pair, Patches, Source, write_picture
from lossmith.lock import alone_in
from lossmith.losses import Loss
from lossmith.models import save_model
from lossmith.networks import network
from lossmith.origin import origin
from lossmith.room import check_disk
from lossmith.training.album import Album
from lossmith.training.confined import confined
from lossmith.training.fit import fit
from lossmith.training.folder import RunFolder, Summary
from lossmith.training.init import Init
from lossmith.training.lesson import Lesson
from lossmith.training.memory import bytes_to_write, enough_memory, kept_for_backward
from lossmith.training.recipe import Recipe
from lossmith.training.rehearsal import rehearse

__all__ = ["fit", "rehearse", "run", "teach"]


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
    remarks: Sequence[str] = (),
    save_every: float = 60.0,
    devices: int = 1,
    opening: str = "",
    init: Init | None = None,
) -> Summary:
    """Train a restorer as `recipe` says under `loss`, from fresh weights or from `init`; see `teach`."""
    lesson = Lesson(loss, recipe, init=init)
    return teach(
        folder,
        lesson,
        source,
        tests,
        protocol,
        seed=seed,
        fingerprint=fingerprint,
        remarks=remarks,
        save_every=save_every,
        devices=devices,
        opening=opening,
    )


@confined()
def teach(
    folder: RunFolder,
    lesson: Lesson,
    source: Source,
    tests: Sequence[Pair],
    protocol: Protocol,
    *,
    seed: int = 0,
    fingerprint: dict[str, Any] | None = None,
    remarks: Sequence[str] = (),
    save_every: float = 60.0,
    devices: int = 1,
    album: Album | None = None,
    opening: str = "",
) -> Summary:
    """Train a restorer, keep its model, and restore and score the test pictures.

    What the `remarks` say of how pictures are read goes into the model's receipt.

    The same call on the same folder continues a run that was stopped, and returns at once when it is finished.
    On a CPU the resumed run ends with exactly the weights of one that was never stopped.

    Raises LossmithError when the folder belongs to another configuration or another process is at work in it,
    Diverged when the loss is no longer a number, and Stopped, a KeyboardInterrupt, when told to stop. The state is
    saved in each case. What is given as `opening` is said once all is checked, before the first step.
    """
    check_whole("train", "seed", seed, 0, 2**63 - 1)  # what torch takes
    check_amount("train", "save_every", save_every)
    # a run keeps what it began with
    recipe = replace(lesson.recipe, precision=arithmetic(lesson.recipe.precision))
    lesson = replace(lesson, recipe=recipe)
    configuration = {"loss": str(lesson.loss), "seed": seed, **lesson.configuration, **(fingerprint or {})}
    folder.check(configuration)
    if summary := folder.finished():
        return summary
    with alone_in(folder.path):
        check_devices(devices)
        part = replace(recipe, batch=share(recipe.batch, devices))  # as each of the devices sees it
        replace(lesson, recipe=part).rehearse(source)
        need = bytes_to_write(network(str(recipe.network), source.scale), recipe, tests)
        check_disk(folder.path, need, "the results")
        folder.claim(configuration)
        if opening:
            remark(opening)
        torch.manual_seed(seed)
        patches = Patches(source, recipe.patch, seed)
        learner = lesson.learner(source.scale)
        title = f"{lesson.loss}, seed {seed}"
        with enough_memory(recipe):
            course = fit(learner, patches, tests, folder, title, save_every, album, devices)
        restorer = learner.result.eval()
        made = {"scale": source.scale, **configuration, "protocol": asdict(protocol), **origin(devices)}
        more = {"skipped": course.skipped, "remarks": list(remarks)}
        save_model(
            folder.model,
            restorer,
            {**made, "steps": course.step, **{key: value for key, value in more.items() if value}},
        )
        restored = restore_pictures(restorer.to(best_device()), tests)
        rows = []
        for pair, picture in zip(tests, restored, strict=True):
            write_picture(folder.picture(pair.name), picture)
            rows.append(Row(pair.name, str(lesson.loss), seed, score(picture, pair.clean, protocol)))
        write_csv(folder.scores, rows, protocol)
        summary = Summary(
            steps=course.step,
            skipped=course.skipped,
            seconds=course.stopwatch.elapsed,
            kept_mb=kept_for_backward(learner, patches.batch(0, part.batch)) / 1e6,
            device=device_name(devices),
            precision=arithmetic(recipe.precision),
        )
        folder.finish(summary, [folder.picture(pair.name) for pair in tests])
    return summary
