"""Output out of range is refused before anything is written, or reported."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.restoration import FileRestorer, RestoreOptions, TorchEngine


class Does(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images)


def restorer_of(function: Callable[[Tensor], Tensor], **options: float) -> FileRestorer:
    return FileRestorer(TorchEngine(Does(function), 1, "m"), RestoreOptions(precision="float32", **options))


def photo(path: Path, channels: int = 3, light: float = 1.0) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (40, 50, channels)) * light
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x: x + 60, r"gives 60 to 61, not 0 to 1; was it trained on 0 to 255\?"),
        (lambda x: 255 * (0.1 + x), r"gives 25\.5 to 280, not 0 to 1; was it trained on 0 to 255\?"),
        (lambda x: 0.3 * x - 0.8, r"gives -0\.8 to -0\.5, not 0 to 1; was it trained on -1 to 1\?"),
        (lambda x: x - 60, r"gives -60 to -59, not 0 to 1$"),
    ],
)
@pytest.mark.parametrize("channels", [3, 4])  # alpha, which is right, does not hide it
def test_output_almost_entirely_out_of_range_is_refused(
    function, sentence: str, channels: int, tmp_path: Path
) -> None:
    image = photo(tmp_path / "a.png", channels)
    for memory, words in ((1.0, sentence), (5e-5, "gives .* not 0 to 1")):  # whole, and in tiles
        with pytest.raises(LossmithError, match=f"^model 'm' {words}"):
            restorer_of(function, memory=memory).restore(image, tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize(
    ("function", "light", "sentence"),
    [
        (lambda x: 2 * x - 1, 1.0, "much of the output of model 'm' lies outside of 0 to 1"),
        (lambda x: x / 255, 1.0, "the output of model 'm' is almost black"),
        (lambda x: x / 255, 0.01, None),  # as the image is
        (lambda x: 1.1 * x - 0.05, 1.0, None),  # some contrast
        (lambda x: x - 0.05, 0.0, None),  # a little below black
    ],
)
def test_doubtful_output_is_reported_once_for_the_image(function, light: float, sentence, tmp_path: Path) -> None:
    restorer = restorer_of(function)
    for name in ("a", "b", "c"):
        restorer.restore(photo(tmp_path / f"{name}.png", light=light), tmp_path / "out" / f"{name}.png")
    if sentence is None:
        assert restorer.final_notes() == []
    else:
        (remark,) = restorer.final_notes()
        assert remark.startswith(sentence)
        assert remark.endswith("'a.png' and 2 more")
