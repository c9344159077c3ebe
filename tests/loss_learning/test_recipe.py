"""The published procedure, in Python and as a file for the command line."""

from pathlib import Path

import yaml

from lossmith.loss_learning import PUBLISHED, LossRecipe

EXAMPLE = Path(__file__).parents[2] / "examples" / "published_loss.yaml"


def test_the_example_file_is_the_published_recipe() -> None:
    assert LossRecipe(**yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))) == PUBLISHED


def test_the_published_recipe_has_the_widths_of_the_published_weights() -> None:
    assert [PUBLISHED.width_at(scale) for scale in range(9)] == [32] * 4 + [64] * 4 + [128]
