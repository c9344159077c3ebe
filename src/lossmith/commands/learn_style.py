"""`lossmith learn-style`: a network that paints photographs in the style of a painting."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from lossmith import data, evaluation, training
from lossmith.commands.command_line import command_line
from lossmith.commands.option_types import PathOption, PathsOption, ProgressOption
from lossmith.commands.outcome import Outcome
from lossmith.commands.trained_run import TrainedRun
from lossmith.core.devices import check_devices, device_name
from lossmith.core.errors import LossmithError, counted
from lossmith.core.files import atomic_write, path_list, refuse_existing
from lossmith.core.progress import progress_option
from lossmith.report.formatting import duration
from lossmith.training import StyleRecipe


@dataclass(frozen=True, repr=False)
class LearnedStyle(TrainedRun, Outcome):
    """A learned style: `result.model(images)` paints."""

    path: Path
    """The model file."""
    page: Path
    """The page that shows what it was learned from, and what it paints."""
    folder: Path
    """The run, with its checkpoint, its metrics and its samples."""
    summary: training.RunSummary
    """What the run cost."""
    network: str

    def __str__(self) -> str:
        model = shlex.quote(str(self.path))
        return (
            f"a style learned in {counted(self.summary.steps, 'step')}, {duration(self.summary.seconds)}\n"
            f"style: {self.path}, as in `lossmith stylize PHOTOS --model {model} --out OUT`\n"
            f"page: {self.page}"
        )


@progress_option
def learn_style(
    photos: PathsOption | None = None,
    *,
    style: PathsOption | None = None,
    style_share: list[float] | None = None,
    samples: PathsOption | None = None,
    recipe: StyleRecipe = StyleRecipe(),
    seed: int = 0,
    out: PathOption = Path("style.safetensors"),
    save_every: float = 60.0,
    devices: int = 1,
    progress: ProgressOption = True,
) -> LearnedStyle:
    """Learn to paint in the style of a painting; the same command continues a stopped run.

    `--preset johnson` trains as published; `--preset johnson_small` is for two CPU cores. Beside the
    file are a page that shows the style, and a folder with the run: its checkpoint, its metrics, and painted
    samples.

    Parameters
    ----------
    photos
        Photographs to train on: files, folders or patterns [default: photographs that scikit-image ships].
    style
        The painting; or several, whose styles are mixed.
    style_share
        The share of each of several paintings [default: equal ones].
    samples
        Photographs that are painted along the way [default: others that scikit-image ships].
    recipe
        The network, the objective and the budget.
    seed
        Seed of the network's first weights and of the patches.
    out
        The model file to write.
    save_every
        Seconds between two checkpoints.
    devices
        How many devices train together, each on its share of every batch: GPUs, or processes on the CPU.
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    from lossmith.commands.style_page import LearnedFrom, write_style_page

    out, run_recipe = Path(out), recipe.training
    if out.suffix != ".safetensors":
        raise LossmithError(f"a style is written to a file such as style.safetensors, not '{out}'")
    if not style:
        raise LossmithError("name a painting to learn from: `style`")
    run_recipe.per_device(devices)  # raises before images are read
    check_devices(devices)
    folder, page = out.with_suffix(".learning"), out.with_suffix(".html")
    if not folder.exists():
        refuse_existing(out, page)
    paintings = data.find_images(style)
    opened = training.open_style(paintings, recipe, style_share)
    train_files = data.find_images(photos) if photos else data.sample_images("train")
    sample_files = data.find_images(samples) if samples else data.sample_images("color")
    prepared = data.prepare_photos(train_files, sample_files, recipe.photo_size or recipe.patch, out)
    settings = training.RunSettings(
        protocol=evaluation.protocol_of(prepared.test_pairs), seed=seed, save_every=save_every, devices=devices
    )
    run = training.RunFolder(folder)
    summary = training.train_run(
        run,
        training.StyleTask(opened.loss, run_recipe, style={**opened.record, "photo_size": recipe.photo_size}),
        prepared,
        settings,
        observer=training.SampleWriter(folder / "samples"),
        announcement=(
            f"learning the style of {', '.join(map(str, paintings))} with {run_recipe.network} under "
            f"{opened.loss}, {run_recipe.budget}, on {counted(len(train_files), 'photograph')}; "
            f"{device_name(devices)}; into {out}"
        ),
    )
    with atomic_write(out) as partial:
        shutil.copyfile(run.model, partial)
    learned = LearnedStyle(out, page, folder, summary, str(run_recipe.network))
    if not page.exists():
        options = {"style": style, "style_share": style_share, "samples": samples, "seed": seed, "out": out}
        command = command_line("learn-style", path_list(photos or []), recipe, **options)
        shown = LearnedFrom(opened, sample_files, len(train_files), recipe, seed, command)
        write_style_page(page, shown, run, summary, learned.model)
    return learned
