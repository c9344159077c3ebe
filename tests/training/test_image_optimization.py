"""An image optimized under a loss: what it converges to, and what it reports on the way."""

import pytest
import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.training.image_optimization import OptimizationStep, coarse_to_fine, optimize_image


class ToColor(nn.Module):
    """The mean squared distance from one color, for which the optimum is known."""

    def __init__(self, color: float) -> None:
        super().__init__()
        self.color, self.calls = color, 0

    def forward(self, image: Tensor, photo: Tensor) -> Tensor:
        self.calls += 1
        return (image - self.color).square().mean()


@pytest.fixture
def photo() -> Tensor:
    return torch.rand(1, 3, 256, 260, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("color", "expected"), [(0.25, 0.25), (1.5, 1.0)], ids=["inside", "clamped"])
def test_the_optimum_of_a_quadratic_is_found_within_zero_and_one(
    photo: Tensor, color: float, expected: float
) -> None:
    result = optimize_image(ToColor(color), photo, iterations=4)
    # the gradient of a mean over 200,000 values is small beside rounding in float32
    torch.testing.assert_close(result, torch.full_like(photo, expected), atol=1e-3, rtol=0)


def test_every_size_is_optimized_and_the_value_never_rises_at_one_of_them(photo: Tensor) -> None:
    steps: list[OptimizationStep] = []
    blurred = photo.roll(1, 3)

    class Mixed(nn.Module):
        def forward(self, image: Tensor, target: Tensor) -> Tensor:
            edges = (image[..., 1:] - image[..., :-1]).square().mean()
            return (image - target).square().mean() + 0.1 * edges

    optimize_image(Mixed(), photo, iterations=5, levels=2, start=blurred, progress=steps.append)
    assert list(dict.fromkeys(step.size for step in steps)) == [(128, 130), (256, 260)]
    for size in ((128, 130), (256, 260)):
        values = [step.value for step in steps if step.size == size]
        assert values == sorted(values, reverse=True)
        assert values[-1] < values[0]
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 1)


def test_a_step_that_is_too_long_is_shortened(photo: Tensor) -> None:
    class Valley(nn.Module):
        """Straight walls and a round floor: steps of the length that fits the one are too long for the other."""

        def forward(self, image: Tensor, photo: Tensor) -> Tensor:
            return 1e4 * (1 + (20 * (image - 0.3)).square()).sqrt().mean()

    result = optimize_image(Valley(), photo[..., :32, :32], iterations=30, levels=1)
    torch.testing.assert_close(result, torch.full_like(result, 0.3), atol=1e-3, rtol=0)


def test_two_runs_give_the_same_image(photo: Tensor) -> None:
    first, second = (optimize_image(ToColor(0.3), photo, iterations=2) for _ in range(2))
    assert torch.equal(first, second)


def test_the_start_of_an_iteration_is_not_evaluated_again(photo: Tensor) -> None:
    loss = ToColor(0.3)
    optimize_image(loss, photo[..., :128, :128], iterations=1, levels=1)
    first = loss.calls
    loss.calls = 0
    optimize_image(loss, photo[..., :128, :128], iterations=2, levels=1)
    assert loss.calls == first + 1  # on a quadratic, the second line search takes the first step it tries


def test_sizes_below_the_coarsest_are_left_out_but_never_the_photographs_own() -> None:
    assert coarse_to_fine(1024, 600, 9) == [(256, 150), (512, 300), (1024, 600)]
    assert coarse_to_fine(16, 16, 3) == [(16, 16)]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"photo": torch.rand(2, 3, 8, 8)}, "one photograph"),
        ({"photo": torch.rand(1, 1, 8, 8)}, "one photograph"),
        ({"start": torch.rand(1, 3, 9, 8)}, "to begin with"),
        ({"iterations": 0}, "at least 1"),
        ({"levels": 0}, "at least 1"),
    ],
    ids=["two photographs", "gray", "start of another size", "no iteration", "no level"],
)
def test_wrong_arguments_are_refused_in_a_sentence(arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(LossmithError, match=reason):
        optimize_image(ToColor(0.5), **{"photo": torch.rand(1, 3, 8, 8), **arguments})  # type: ignore[arg-type]
