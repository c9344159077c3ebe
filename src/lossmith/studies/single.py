"""`lossmith train`: one run."""

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from lossmith.evaluation import Row, protocol_for, read_csv
from lossmith.images import Data, gather
from lossmith.losses import as_loss
from lossmith.losses import loss as parse
from lossmith.studies.rehearsal import rehearse_test
from lossmith.training import Recipe, RunFolder, Summary


@dataclass(frozen=True)
class Trained:
    """A finished run."""

    folder: Path
    summary: Summary
    rows: list[Row]

    def __str__(self) -> str:
        psnr = fmean(row.scores["psnr"] for row in self.rows)
        return (
            f"{self.summary.steps} steps in {self.summary.seconds:.0f} s; "
            f"mean PSNR of {len(self.rows)} test pictures {psnr:.2f} dB\n"
            f"model: {RunFolder(self.folder).model}"
        )


def train(
    data: Data = Data(),
    *,
    loss: str = "l1",
    seed: int = 0,
    recipe: Recipe = Recipe(),
    out: Path = Path("runs/train"),
    save_every: float = 60.0,
) -> Trained:
    """Train one restorer under one loss; the same command continues a stopped run.

    Parameters
    ----------
    data
        The pictures.
    loss
        What is minimised: a name from `lossmith losses`, or an expression such as "mix + 0.01*tv" or
        "l1 until 50% then l2".
    seed
        Of the network's first weights and of the patches.
    recipe
        The damage, the network and the budget.
    out
        Folder of the run.
    save_every
        Seconds between two checkpoints.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    out = Path(out)
    criterion = parse(loss) if isinstance(loss, str) else as_loss(loss)
    gathered = gather(data, recipe.degradation)
    recipe = replace(recipe, degradation=gathered.damage)
    folder = RunFolder(out)
    from lossmith.training.run import run

    protocol = protocol_for(gathered.source.scale)
    rehearse_test(recipe.network, gathered.tests, protocol)
    summary = run(
        folder,
        criterion,
        recipe,
        gathered.source,
        gathered.tests,
        protocol,
        seed=seed,
        fingerprint=gathered.fingerprint,
        save_every=save_every,
    )
    return Trained(out, summary, read_csv(folder.scores))
