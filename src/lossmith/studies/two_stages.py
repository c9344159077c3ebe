"""Adversarial training in two stages, each a run of its own in one folder."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lossmith.devices import arithmetic, share
from lossmith.evaluation import Protocol, Row, read_csv
from lossmith.images import Gathered
from lossmith.lock import alone_in
from lossmith.losses import Loss
from lossmith.losses import loss as parse
from lossmith.networks import critic, network
from lossmith.room import check_disk
from lossmith.training import Contest, Recipe, RunFolder, Summary
from lossmith.training.configuration import check, claim, go_on
from lossmith.training.init import Init

STAGES = ("psnr", "gan")


def train_in_stages(
    out: Path,
    content: Loss,
    recipe: Recipe,
    contest: Contest,
    gathered: Gathered,
    protocol: Protocol,
    *,
    seed: int,
    save_every: float,
    devices: int,
    opening: str = "",
    init: Init | None = None,
) -> list[tuple[Path, Summary, list[Row]]]:
    """Train under the contest's first loss, then go on from there under `content` and against the critic.

    What each stage gave: its folder, its summary, its scores. Both stages are rehearsed before either begins.
    """
    from lossmith.training.album import Album
    from lossmith.training.lesson import Duel, Lesson
    from lossmith.training.run import teach

    recipe = replace(recipe, precision=arithmetic(recipe.precision))
    first, second = (RunFolder(out / stage) for stage in STAGES)
    lessons = (
        (first, Lesson(parse(contest.psnr_loss), contest.first(recipe), init=init)),
        (second, Duel(content, recipe, contest, first.model)),
    )
    configuration: dict[str, Any] = {
        "stages": list(STAGES),
        "loss": str(content),
        **recipe.identity,
        **asdict(contest),
        "seed": seed,
        **(init.identity if init else {}),
        **gathered.fingerprint,
    }
    check(out / "run.yaml", configuration, go_on(second.model))
    with alone_in(out):
        for _, lesson in lessons:
            part = replace(lesson.recipe, batch=share(lesson.recipe.batch, devices))
            replace(lesson, recipe=part).rehearse(gathered.source)
        check_disk(out, _bytes_to_write(recipe, contest, gathered), "the results of both stages")
        claim(out / "run.yaml", configuration)
        outcomes = []
        for folder, lesson in lessons:
            summary = teach(
                folder,
                lesson,
                gathered.source,
                gathered.tests,
                protocol,
                seed=seed,
                fingerprint=gathered.fingerprint,
                remarks=gathered.remarks,
                save_every=save_every,
                devices=devices,
                album=Album(folder.path / "samples"),
                opening=opening if folder is first else "",
            )
            outcomes.append((folder.path, summary, read_csv(folder.scores)))
    return outcomes


def _bytes_to_write(recipe: Recipe, contest: Contest, gathered: Gathered) -> int:
    """Bytes that both stages write, at least."""
    from lossmith.training.memory import bytes_to_write

    restorer = network(str(recipe.network), gathered.source.scale)
    judge = critic(str(contest.critic), recipe.patch)
    weights = sum(int(tensor.nbytes) for tensor in judge.state_dict().values())
    # three states are there at a time, each with the critic and two numbers of its optimiser for each weight
    return bytes_to_write(restorer, recipe, gathered.tests, runs=2) + 3 * 3 * weights
