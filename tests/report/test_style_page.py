"""The page of a learned style."""

from pathlib import Path

import numpy as np

from lossmith.report.pages.side_by_side import RestoredImage
from lossmith.report.pages.style import StyleContents, write_style


def flat_image(level: int) -> np.ndarray:
    return np.full((32, 48, 3), level, np.uint8)


def test_the_page_shows_all_that_it_is_given_and_escapes_it(tmp_path: Path) -> None:
    contents = StyleContents(
        name="waves <b>",
        lead="Learned in 100 steps.",
        styles={"the painting": flat_image(10)},
        images=[RestoredImage("cat", {"photograph": flat_image(20), "painting": flat_image(30)})],
        curves={"style": [3.0, 2.0, 1.0], "content": [1.0, 1.5, 2.0]},
        command="lossmith learn-style photos",
        facts={"steps": "100"},
        weights={"weight 1": flat_image(40), "weight 10": flat_image(50)},
    )
    write_style(tmp_path / "style.html", contents)
    page = (tmp_path / "style.html").read_text()
    assert page.count("<img ") == 5
    assert page.count("<polyline ") == 2
    assert "waves &lt;b&gt;" in page
    assert "weight 10" in page
    write_style(tmp_path / "bare.html", StyleContents("a", "", {}, [], {}, "", {}))
    assert "Over the weight" not in (tmp_path / "bare.html").read_text()
