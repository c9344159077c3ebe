"""Pairs of images of any shape, dtype, memory layout and contents."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from random import Random

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

Pair = tuple[Tensor, Tensor]
MakePair = Callable[[Tensor, Tensor], Pair]


def _apply_to_both(change: Callable[[Tensor], Tensor]) -> MakePair:
    return lambda x, y: (change(x), change(y))


def _constant(x: Tensor, value: float) -> Tensor:
    return torch.full_like(x, value)


def _checkers(x: Tensor) -> Tensor:
    rows, columns = (torch.arange(side, dtype=x.dtype) for side in x.shape[-2:])
    return (rows[:, None] + columns).remainder(2).expand(x.shape).clone()


def _one_pixel_off(y: Tensor) -> Tensor:
    x = y.clone()
    x[0, 0, -1, -1] = 1 - x[0, 0, -1, -1]
    return x


def _of_one_brightness(y: Tensor) -> Tensor:
    return 0.5 + 0.7 * (y - y.mean(dim=1, keepdim=True))


def _half(x: Tensor) -> Tensor:
    return (torch.arange(x.shape[-1], dtype=x.dtype) < x.shape[-1] // 2).to(x).expand(x.shape).clone()


TAME: dict[str, MakePair] = {
    "noisy": lambda x, y: (0.7 * y + 0.3 * x, y),
    "unrelated": lambda x, y: (x, y),
    "identical": lambda _, y: (y.clone(), y),
    "one pixel off": lambda _, y: (_one_pixel_off(y), y),
    "colors of one brightness": lambda _, y: (_of_one_brightness(y), _of_one_brightness(y)),
    "two constants": lambda x, y: (_constant(x, 0.2), _constant(y, 0.8)),
    "equal constants": lambda x, y: (_constant(x, 0.6), _constant(y, 0.6)),
    "both black": lambda x, y: (_constant(x, 0), _constant(y, 0)),
    "both white": lambda x, y: (_constant(x, 1), _constant(y, 1)),
    "black for white": lambda x, y: (_constant(x, 0), _constant(y, 1)),
    "white for black": lambda x, y: (_constant(x, 1), _constant(y, 0)),
    "flat for textured": lambda x, y: (_constant(x, 0.5), y),
    "textured for flat": lambda x, y: (x, _constant(y, 0.5)),
    "negative": lambda _, y: (1 - y, y),
    "opposite checkers": lambda x, y: (1 - _checkers(x), _checkers(y)),
    "nearly flat and bright": lambda x, y: (0.9 + 0.004 * (x + y - 1), 0.9 + 0.004 * (y - 0.5)),
    "a little outside": lambda x, y: (1.2 * (0.7 * y + 0.3 * x) - 0.1, y),
}
"""Contents as training brings them, of a noise x and a smooth image y, both in [0, 1]."""

WILD: dict[str, MakePair] = {
    "negated": lambda _, y: (-y, y),
    "a network that ran away": lambda x, y: (1e4 * x, y),
    "bytes": _apply_to_both(lambda x: 255 * x),
    "huge": _apply_to_both(lambda x: 1e6 * x),
    "huge by half": lambda x, y: (1e4 * _half(x), 1e4 * (1 - _half(y))),
    "huge and nearly flat": lambda x, y: (1e4 + 0.01 * x, 1e4 + 0.01 * y),
    "huge and of other sign": lambda x, y: (_constant(x, 1e4), _constant(y, -1e4)),
    "tiny": _apply_to_both(lambda x: 1e-7 * x),
    "denormal": _apply_to_both(lambda x: 1e-40 * x),
}
"""Contents that nobody means."""

CONSTANT_CASES = (
    "flat for textured",
    "two constants",
    "equal constants",
    "both black",
    "both white",
    "black for white",
    "white for black",
)
"""Where the prediction is one constant."""
EQUAL = ("identical", "colors of one brightness", "equal constants", "both black", "both white")

LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "plain": lambda x: x,
    "channels-last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "every second pixel": lambda x: x.repeat_interleave(2, -1).repeat_interleave(2, -2)[..., ::2, ::2],
    "transposed": lambda x: x.mT.contiguous().mT,
    "cut out": lambda x: pad(x, (3, 2, 1, 4))[..., 1:-4, 3:-2],
    "batch behind": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
    "expanded": lambda x: x[:1, :1].expand(x.shape),
}
"""The same numbers, stored otherwise; "expanded" repeats the first channel of the first image without a copy."""

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
STEPS = (0, 0, 1, 2, 5, 8, 13)
THIN = 120
"""How much longer than the least side a long and thin image is."""


@dataclass(frozen=True)
class Case:
    """A pair of images."""

    shape: tuple[int, int, int, int]
    values: str
    dtypes: tuple[torch.dtype, torch.dtype]
    layouts: tuple[str, str]
    seed: int
    autocast: bool = False
    """Whether the loss is called under autocast to bfloat16."""

    def __str__(self) -> str:
        dtypes, layouts = (
            " and ".join(dict.fromkeys(str(name).removeprefix("torch.") for name in names))
            for names in (self.dtypes, self.layouts)
        )
        unusual = [
            *(["under autocast"] if self.autocast else []),
            *([layouts] if layouts != "plain" else []),
            *([f"seed {self.seed}"] if self.seed else []),
        ]
        return ", ".join([self.values, str(self.shape), dtypes, *unusual])

    @property
    def numbers(self) -> int:
        return prod(self.shape)

    @property
    def tame(self) -> bool:
        return self.values in TAME

    @property
    def equal(self) -> bool:
        return self.values in EQUAL and self.dtypes[0] == self.dtypes[1]

    @property
    def flat(self) -> bool:
        """Whether the prediction is one constant."""
        return self.values in CONSTANT_CASES or (
            self.values == "colors of one brightness" and (self.shape[1] == 1 or "expanded" in self.layouts)
        )

    def pair(self) -> Pair:
        """Prediction and target, as they are to be given to a loss."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.rand(self.shape, generator=generator, dtype=torch.float64)
        coarse = torch.rand((*self.shape[:2], 5, 5), generator=generator, dtype=torch.float64)
        smooth = interpolate(coarse, self.shape[2:], mode="bilinear", align_corners=True)
        noisy_pair = {**TAME, **WILD}[self.values](noise, 0.9 * smooth + 0.1 * noise.flip(-1))
        if "expanded" in self.layouts:  # before both are compared, so that what was equal stays it
            noisy_pair = (noisy_pair[0][:1, :1].expand(self.shape), noisy_pair[1][:1, :1].expand(self.shape))
        prediction, target = (
            LAYOUTS[layout](image.clamp(-3e4, 3e4).to(dtype))
            for image, dtype, layout in zip(noisy_pair, self.dtypes, self.layouts, strict=True)
        )
        return prediction, target


FLOAT32 = (torch.float32, torch.float32)
PLAIN = ("plain", "plain")


def first_side(min_side: int, odd: bool) -> int:
    """The least side that a loss takes, which may be one that is odd."""
    return min_side + (odd and min_side % 2 == 0)


def random_case(
    rng: Random, channels: Sequence[int], min_side: int, odd: bool = False, small: bool = False
) -> Case:
    """A case for a loss that takes so many channels and sides from `min_side` on, perhaps odd ones only.

    `small` cases have sides near the least, and at most two images.
    """
    step, first = 2 if odd else 1, first_side(min_side, odd)
    height, width = (first + step * rng.choice(STEPS) for _ in range(2))
    thin = rng.choice((None, None, None, None, "high", "wide"))
    if thin and not small:
        height, width = (first + THIN, first) if thin == "high" else (first, first + THIN)
    dtype = rng.choice(DTYPES)
    return Case(
        (rng.randint(1, 2 if small else 4), rng.choice(channels), height, width),
        rng.choice([*TAME, *WILD]),
        (dtype, rng.choice([dtype, dtype, dtype, *DTYPES])),
        (rng.choice([*LAYOUTS]), rng.choice([*LAYOUTS])),
        rng.randrange(10_000),
        rng.random() < 0.25,
    )


def planned_cases(
    count: int, seed: int, channels: Sequence[int], min_side: int, odd: bool = False, small: bool = False
) -> list[Case]:
    """So many cases: usual contents in float32, each dtype and layout, these contents in float16, random ones."""
    rng, step = Random(seed), 2 if odd else 1
    side = first_side(min_side, odd) + step * (1 if small else 5)
    shape = (2, 3 if 3 in channels else channels[0], side, side + step)
    noisy = Case(shape, "noisy", FLOAT32, PLAIN, seed)
    one = replace(noisy, shape=(1, *shape[1:])) if small else noisy
    planned = [
        noisy,
        *(replace(one, values=values) for values in TAME if values != "noisy"),
        *(replace(noisy, dtypes=(dtype, dtype)) for dtype in DTYPES if dtype != torch.float32),
        replace(noisy, autocast=True),
        *(replace(noisy, layouts=(layout, layout)) for layout in LAYOUTS if layout != "plain"),
        *(replace(one, values=values, dtypes=(torch.float16, torch.float16)) for values in reversed(TAME)),
    ]
    draws = (random_case(rng, channels, min_side, odd, small) for _ in range(max(0, count - len(planned))))
    return [*planned, *draws][:count]


__all__ = [
    "CONSTANT_CASES",
    "DTYPES",
    "EQUAL",
    "LAYOUTS",
    "TAME",
    "WILD",
    "Case",
    "Pair",
    "first_side",
    "planned_cases",
    "random_case",
]
