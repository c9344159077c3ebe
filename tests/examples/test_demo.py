"""The demonstration: its options are sound, and its advice comes from the scores."""

from pathlib import Path

import yaml

from lossmith.commands import compare
from lossmith.data import Data, sample_images
from lossmith.evaluation import Row, advise
from lossmith.training import Recipe

DEMO = Path(__file__).parents[2] / "examples" / "demo.yaml"
BUDGET = {"steps": 2, "batch": 1}


def test_the_advice_of_the_demo_follows_from_its_scores(tmp_path: Path) -> None:
    """With a tiny budget: whose names are exchanged in the scores are exchanged in the advice."""
    options = yaml.safe_load(DEMO.read_text("utf-8"))
    losses, seeds = options.pop("losses"), options.pop("seeds")
    assert len(losses) >= 3
    assert seeds >= 2, "one seed decides nothing"
    options.pop("out")
    images = sample_images("test")[:2]
    outcome = compare(
        Data(test=images), losses=losses, seeds=2, recipe=Recipe(**{**options, **BUDGET}), out=tmp_path
    )
    following = dict(zip(losses, [*losses[1:], losses[0]], strict=True))
    exchanged = [
        Row(row.image, following.get(row.method, row.method), row.seed, row.scores) for row in outcome.rows
    ]
    for goal, other in zip(advise(outcome.rows, losses).goals, advise(exchanged, losses).goals, strict=True):
        assert other.best == following[goal.best]
        assert other.take == following.get(goal.take or "")
        for field in ("equivalent", "undecided", "avoid"):
            assert set(getattr(other, field)) == {following[name] for name in getattr(goal, field)}
