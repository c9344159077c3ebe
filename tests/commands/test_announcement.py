"""The sentence with which a training announces itself."""

from dataclasses import replace
from pathlib import Path

import pytest

from lossmith import Recipe
from lossmith.commands.announcement import announcement
from lossmith.data import Data, PreparedData


@pytest.mark.parametrize(("untested", "tests"), [(0, "tested on 1 more;"), (199, "tested on 1 of 200;")])
def test_it_says_how_many_images_are_tested_on_and_of_how_many(
    untested: int, tests: str, photos: Path, prepared_photos: PreparedData
) -> None:
    prepared = replace(prepared_photos, untested=untested)
    sentence = announcement("l1", Recipe(), Data([photos]), prepared, Path("out"), 1)
    assert f"on 5 images, {tests}" in sentence
