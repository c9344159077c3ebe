"""The training loop."""

from collections.abc import Sequence

import torch
from lightning.fabric import Fabric

from lossmith.devices import arithmetic, best_device
from lossmith.errors import Diverged
from lossmith.images import Pair, Patches
from lossmith.training.album import Album
from lossmith.training.course import Course
from lossmith.training.examiner import Examiner, centre_crops
from lossmith.training.folder import RunFolder
from lossmith.training.journal import WRITE_EVERY, Journal
from lossmith.training.keeper import Keeper
from lossmith.training.learner import Learner
from lossmith.training.lookout import Lookout
from lossmith.training.progress import ProgressLine
from lossmith.training.recipe import Recipe
from lossmith.training.stream import batches


def fit(
    learner: Learner,
    patches: Patches,
    tests: Sequence[Pair],
    folder: RunFolder,
    title: str,
    save_every: float = 60.0,
    album: Album | None = None,
) -> Course:
    """Teach `learner` to the end of its budget, from the checkpoint in `folder` if there is one.

    `album` gets sample pictures. Raises Diverged when something is no longer a number, and KeyboardInterrupt after
    Ctrl-C or SIGTERM.
    """
    recipe = learner.recipe
    course, lookout = Course(recipe), Lookout()
    # as large and as many as a batch: a look costs less than a step, in time and in memory
    examiner = Examiner(*centre_crops(tests, recipe.patch, recipe.batch), album)
    journal = Journal(folder.journal, min(WRITE_EVERY, save_every))
    keeper = Keeper(
        folder.checkpoint, save_every, course, learner, lookout=lookout, examiner=examiner, journal=journal
    )
    try:
        with keeper.listening(), torch.enable_grad(), ProgressLine(title) as line:
            learner.prepare(fabric(recipe))
            keeper.restore()
            stream = batches(patches, recipe.batch, start=course.step)
            course.stopwatch.start()
            if not journal.rows:
                journal.enter(course, examiner.look(course, learner))
            while not course.over:
                values = learner.step(next(stream), course.progress)
                course.advance()
                lookout.note(course.step, values)
                seen = examiner.look(course, learner)
                if seen or journal.due(course):
                    journal.enter(course, {**lookout.means(), "learning_rate": learner.learning_rate, **seen})
                line.show(course, values)
                keeper.attend()
            course.stopwatch.stop()
    except Diverged as error:
        saved = keeper.saved
        state = f"the state after step {saved} is saved" if saved else "no state was saved before that"
        raise Diverged(f"{error}; {state}, and a lower learning_rate usually helps") from None
    finally:
        journal.close()
    return course


def fabric(recipe: Recipe) -> Fabric:
    """The device and the arithmetic of a run."""
    device = best_device()
    return Fabric(
        accelerator=device.type,
        devices=[torch.cuda.current_device()] if device.type == "cuda" else 1,
        precision="bf16-mixed" if arithmetic(recipe.precision) == "bfloat16" else "32-true",
    )
