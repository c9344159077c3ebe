"""The pairs of images that show a fault, drawn on the page."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from lossmith.report.example_pictures import SIDE, ExamplePicture, example_pictures
from lossmith.testing import pair

LINE = "from lossmith.testing import pair; x, y = {}; print(criterion(x, y))"


def pixels(picture: ExamplePicture) -> np.ndarray:
    content = picture.uri.partition("base64,")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def test_the_pictures_are_those_of_the_line_in_whole_multiples_of_their_size() -> None:
    prediction, target = example_pictures(LINE.format("pair('noisy', (1, 3, 11, 13), seed=4)"))
    assert (prediction.name, target.name) == ("prediction", "target")
    for picture, image in zip((prediction, target), pair("noisy", (1, 3, 11, 13), seed=4), strict=True):
        expected = (255 * image[0].permute(1, 2, 0)).round().byte().numpy()
        assert np.array_equal(pixels(picture), expected)
        assert (picture.width, picture.height) == (11 * 13, 11 * 11)


@pytest.mark.parametrize(
    ("call", "note"),
    [
        ("pair('two constants', (1, 1, 4, 4))", "0.2 everywhere"),
        ("pair('black for white', (3, 3, 4, 4))", "0 everywhere; the first of 3"),
        ("pair('huge and of other sign', (1, 2, 4, 4), dtype='float64')", "1e+04 everywhere"),
        ("pair('two constants', (1, 4, 300, 4))", f"0.2 everywhere; {SIDE} × 4 of 300 × 4 pixels"),
    ],
)
def test_a_note_says_what_a_picture_cannot(call: str, note: str) -> None:
    assert example_pictures(LINE.format(call))[0].note == note


def test_of_a_large_pair_the_part_where_they_differ_is_shown() -> None:
    prediction, target = example_pictures(LINE.format("pair('one pixel off', (1, 3, 200, 150))"))
    assert pixels(prediction).shape == (SIDE, SIDE, 3)
    assert not np.array_equal(pixels(prediction), pixels(target))  # they differ in the last row and column only
    assert np.array_equal(pixels(prediction)[:-1], pixels(target)[:-1])


@pytest.mark.parametrize(
    "code",
    [
        "print(1)",
        "x, y = pair(",
        "x, y = pair(*images)",
        "x, y = pair('no such contents', (1, 1, 2, 2))",
        "x, y = pair(open('/etc/passwd').read(), (1, 1, 2, 2))",
        "x, y = testing.pair('noisy', (1, 1, 2, 2))",
    ],
)
def test_of_another_line_nothing_is_drawn_and_nothing_is_run(code: str) -> None:
    assert example_pictures(code) == []
