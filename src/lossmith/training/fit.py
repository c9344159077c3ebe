"""The training loop."""

from collections.abc import Sequence

import torch

from lossmith.errors import Diverged
from lossmith.images import Pair, Patches
from lossmith.training.album import Album
from lossmith.training.course import Course
from lossmith.training.crew import crew
from lossmith.training.examiner import Examiner, centre_crops
from lossmith.training.folder import RunFolder
from lossmith.training.journal import WRITE_EVERY, Journal
from lossmith.training.keeper import Keeper
from lossmith.training.learner import Learner
from lossmith.training.lookout import Lookout
from lossmith.training.progress import ProgressLine
from lossmith.training.stream import batches


def fit(
    learner: Learner,
    patches: Patches,
    tests: Sequence[Pair],
    folder: RunFolder,
    title: str,
    save_every: float = 60.0,
    album: Album | None = None,
    devices: int = 1,
) -> Course:
    """Teach `learner` to the end of its budget, from the checkpoint in `folder` if there is one.

    `album` gets sample pictures. Each of the `devices` learns from its share of every batch; see `crew`.

    Raises Diverged when something is no longer a number, and KeyboardInterrupt after Ctrl-C or SIGTERM.
    """
    recipe = learner.recipe
    course = Course(recipe)
    lookout = Lookout(course)
    # as large and as many as a batch: a look costs less than a step, in time and in memory
    examiner = Examiner(*centre_crops(tests, recipe.patch, recipe.batch), album)
    journal = Journal(folder.journal, min(WRITE_EVERY, save_every))
    keeper = Keeper(folder.state, save_every, course, learner, lookout=lookout, examiner=examiner, journal=journal)
    try:
        with (
            keeper.listening(),
            torch.enable_grad(),
            crew(learner, patches, devices) as team,
            ProgressLine(title) as line,
        ):
            learner.prepare(team.fabric)
            keeper.restore()
            team.begin(learner, course.step)
            stream = batches(patches, recipe.batch, course.step, team.share)
            course.stopwatch.start()
            if not journal.rows:
                journal.enter(course, examiner.look(course, learner))
            while not course.over:
                team.order(course.progress)
                values = learner.step(next(stream), course.progress)
                lookout.note(course.step + 1, values)  # a step that breaks here has not been taken
                course.advance()
                seen = examiner.look(course, learner)
                if seen or journal.due(course):
                    journal.enter(course, {**lookout.means(), "learning_rate": learner.learning_rate, **seen})
                line.show(course, values)
                keeper.attend()
            course.stopwatch.stop()
    except Diverged as error:
        raise Diverged(f"{error}; {keeper.kept}, and a lower learning_rate usually helps") from None
    finally:
        journal.close()
    return course
