"""`lossmith train`: one run."""

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from lossmith.devices import check_devices, share
from lossmith.errors import counted
from lossmith.evaluation import Row, protocol_of, read_csv
from lossmith.files import check_folder
from lossmith.images import Data, gather
from lossmith.losses import as_loss
from lossmith.losses import loss as parse
from lossmith.studies.content import content_loss
from lossmith.studies.opening import opening
from lossmith.studies.outcome import Outcome
from lossmith.studies.rehearsal import rehearse_test
from lossmith.studies.two_stages import train_in_stages
from lossmith.training import Contest, Recipe, RunFolder, Summary
from lossmith.training.init import open_init


@dataclass(frozen=True, repr=False)
class Trained(Outcome):
    """A finished run."""

    folder: Path
    summary: Summary
    rows: list[Row]
    before: "Trained | None" = None
    """The stage before this one, of two."""

    def __str__(self) -> str:
        psnr = fmean(row.scores["psnr"] for row in self.rows)
        before = f"{self.before}\n" if self.before else ""
        skipped = f", {self.summary.skipped} of them skipped," if self.summary.skipped else ""
        tested = f"{len(self.rows)} test pictures" if len(self.rows) > 1 else "the test picture"
        return before + (
            f"{counted(self.summary.steps, 'step')}{skipped} in {self.summary.seconds:.0f} s; "
            f"mean PSNR of {tested} {psnr:.2f} dB\n"
            f"model: {RunFolder(self.folder).model}"
        )


def train(
    data: Data = Data(),
    *,
    loss: str | None = None,
    seed: int = 0,
    recipe: Recipe = Recipe(),
    contest: Contest = Contest(),
    out: Path = Path("runs/train"),
    save_every: float = 60.0,
    devices: int = 1,
) -> Trained:
    """Train one restorer under one loss, or against a critic; the same command continues a stopped run.

    `--recipe esrgan` sets the options below as the paper did, and `--recipe esrgan_small` for two CPU cores; what
    you give besides comes first.

    Parameters
    ----------
    data
        The pictures.
    loss
        What is minimised: a name from `lossmith losses`, or an expression such as `mix + 0.01*tv` or
        `l1 until 50% then l2` [default: l1; with --critic, `esrgan + 0.01*l1` where the weights of VGG-19 are at
        hand, and else `20*mdf(sr)` in the place of esrgan].
    seed
        Of the network's first weights and of the patches.
    recipe
        The damage, the network and the budget.
    contest
        Training against a critic.
    out
        Folder of the run.
    save_every
        Seconds between two checkpoints.
    devices
        That train together, each on its share of every batch: GPUs where there are any, else processes on the CPU.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    out = Path(out)
    check_folder(out, "a run with its model")
    share(recipe.batch, devices)
    check_devices(devices)
    wanted = loss if loss is not None else content_loss() if contest.critic else "l1"
    criterion = parse(wanted) if isinstance(wanted, str) else as_loss(wanted)
    gathered = gather(data, recipe.degradation, out)
    recipe = replace(recipe, degradation=gathered.damage)
    recipe, init = open_init(recipe, gathered.source.scale)
    protocol = protocol_of(gathered.tests)
    rehearse_test(str(recipe.network), gathered.tests, protocol)
    before = f" (after {contest.first(recipe).budget} under {contest.psnr_loss})"
    against = f" and against {contest.critic}{before}" if contest.critic else ""
    begun = opening(f"{criterion}{against}", recipe, data, gathered, out, devices)
    if contest.critic is not None:
        stages = train_in_stages(
            out,
            criterion,
            recipe,
            contest,
            gathered,
            protocol,
            seed=seed,
            save_every=save_every,
            devices=devices,
            opening=begun,
            init=init,
        )
        first, second = (Trained(*stage) for stage in stages)
        return replace(second, before=first)
    folder = RunFolder(out)
    from lossmith.training.run import run

    summary = run(
        folder,
        criterion,
        recipe,
        gathered.source,
        gathered.tests,
        protocol,
        seed=seed,
        fingerprint=gathered.fingerprint,
        remarks=gathered.remarks,
        save_every=save_every,
        devices=devices,
        opening=begun,
        init=init,
    )
    return Trained(out, summary, read_csv(folder.scores))
