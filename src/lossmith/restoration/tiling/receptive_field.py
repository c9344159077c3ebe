"""Measures the receptive field of any network, regardless of its layers.

A NaN in one block of the input makes every output NaN that depends on the block, so a run of the real network
shows its receptive field. Runtimes other than PyTorch may lose NaN (vectorized maxima do); there the block is set
to large numbers instead, and every output that differs in any bit depends on it. The measurement is then verified:
a crop of an image must give the same output as the whole image does there.
"""

from dataclasses import dataclass
from math import lcm

import torch
from torch import Tensor

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.restoration.engine import Engine, TorchEngine
from lossmith.restoration.tiling.tiles import rounded_up

MIN_PROBE, MAX_PROBE = 256, 2048
"""Lengths of the first and the longest probe in pixels; beyond three eighths of it a field is unbounded."""
MAX_STRIDE_FACTOR = 64
"""The largest stride that is tried, in multiples of `multiple_of`."""
FACTORS = (*(n for n in range(1, 65) if n <= 16 or 2**6 * 3**3 * 5**2 * 7**2 % n == 0), 96, 128, 256)
"""Candidates for the multiple of sizes and for the stride: all up to 16, then products of 2, 3, 5 and 7."""
FIRST_SIDE, FURTHER_SIDES = 16, (64, 256)
"""Sides of about this many pixels are tried: first with the declared multiple only, then with all `FACTORS`."""
PROBE_HEIGHTS = (4, 16, 64, 192)
"""Heights of probes, of which the smallest that the network takes is used: only the length matters."""


@dataclass(frozen=True)
class Sizes:
    """The input sizes that a network takes."""

    multiple_of: int
    """Height and width must be multiples of this."""
    minimum: int
    """The smallest height and width."""


@dataclass(frozen=True)
class ReceptiveField:
    """The input pixels that an output pixel depends on, and where an image can be cut into tiles."""

    pixels: int | None
    """Radius in input pixels; None where it is unbounded."""
    stride: int
    """The network commutes with shifts by multiples of this: 1, or the side of the blocks that it takes."""
    multiple_of: int
    """Height and width of the input must be multiples of this."""


def sizes_of(engine: Engine) -> Sizes:
    """Find the sizes that an engine takes by trying; what it declares itself is taken for granted.

    Raises LossmithError when the network runs on none of the sizes that are tried.

    >>> sizes_of(TorchEngine(torch.nn.Sequential(torch.nn.PixelUnshuffle(2), torch.nn.PixelShuffle(2)), scale=1))
    Sizes(multiple_of=2, minimum=2)
    """
    if engine.size is not None:
        return Sizes(1, 1)
    side = rounded_up(max(FIRST_SIDE, engine.minimum), engine.multiple_of)
    if not _failure(engine, *_trial_sizes(side, engine.multiple_of)):
        return Sizes(engine.multiple_of, _minimum(engine, engine.multiple_of, side))
    failure: Exception | None = None
    multiples = [engine.multiple_of * factor for factor in FACTORS]
    for about in FURTHER_SIDES:
        for multiple in (multiple for multiple in multiples if multiple <= max(FURTHER_SIDES)):
            side = rounded_up(max(about, engine.minimum), multiple)
            failure = _failure(engine, *_trial_sizes(side, multiple))
            if failure is None:
                return Sizes(multiple, _minimum(engine, multiple, side))
    reason = str(failure).partition("\n")[0] or type(failure).__name__
    raise LossmithError(f"model '{engine.name}' runs on none of the sizes tried: {reason}") from failure


def _trial_sizes(side: int, multiple: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two sizes that only a network takes for which multiples of `multiple` are enough."""
    return (side, side + multiple), (side + multiple, side + 2 * multiple)


def _minimum(engine: Engine, multiple: int, working: int) -> int:
    """The smallest side on which the network runs: the declared one, else by bisection below `working`."""
    fails, runs = -(-engine.minimum // multiple) - 1, working // multiple
    middle = fails + 1
    while fails + 1 < runs:
        if _failure(engine, (middle * multiple, middle * multiple)):
            fails = middle
        else:
            runs = middle
        middle = (fails + runs) // 2
    return runs * multiple


def _failure(engine: Engine, *sizes: tuple[int, int]) -> Exception | None:
    """The exception that a network raises on images of these sizes; None without one."""
    try:
        for tall, wide in sizes:
            engine(_noise(engine, tall, wide))
    except Exception as error:  # networks refuse sizes by any kind of exception
        if out_of_memory(error):
            raise
        return error
    return None


def measure_receptive_field(
    engine: Engine, longest: int = MAX_PROBE, sizes: Sizes | None = None
) -> ReceptiveField:
    """Measure the receptive field of an engine on the CPU in float32, rounded up to multiples of its stride.

    It counts as unbounded beyond three eighths of `longest`, and for a network without any stride.

    Raises LossmithError when the network runs on none of the sizes that are tried.

    >>> from lossmith.networks import network
    >>> measure_receptive_field(TorchEngine(network("fcn"), scale=1))
    ReceptiveField(pixels=8, stride=1, multiple_of=1)
    """
    sizes = sizes or sizes_of(engine)
    multiple = sizes.multiple_of
    unbounded = ReceptiveField(None, multiple, multiple)
    try:
        tall = _probe_height(sizes)
        pixels = _radius(engine, multiple, tall, longest)
        if pixels is None:
            return unbounded
        stride = _stride(engine, multiple, tall, pixels)
        if stride is None:
            return unbounded
        if stride > multiple:  # a whole block counts as one position
            pixels = _radius(engine, stride, tall, longest)
    except Exception as error:
        if not out_of_memory(error):
            raise
        return unbounded
    return ReceptiveField(pixels, stride, multiple)


def receptive_field_at_fixed_size(engine: Engine) -> ReceptiveField:
    """The receptive field of an engine of one fixed size; unbounded where that size is too small for it."""
    assert engine.size is not None
    radii, strides = [], []
    for turned in (False, True):
        tall, length = engine.size[::-1] if turned else engine.size
        image = _noise(engine, tall, length)
        radius = _radius_across_middle(engine, image, turned)
        if radius is None:
            return ReceptiveField(None, 1, 1)
        shifts = (step for step in FACTORS if _commutes_with_shift(engine, image, step, radius, turned))
        if (stride := next(shifts, None)) is None:
            return ReceptiveField(None, 1, 1)
        radii.append(radius)
        strides.append(stride)
    stride = lcm(*strides)
    return ReceptiveField(rounded_up(max(radii), stride), stride, 1)


def _radius_across_middle(engine: Engine, image: Tensor, turned: bool) -> int | None:
    """How far one half of an image affects the other; None when it does up to the end."""
    length = image.shape[-1]
    half, radius = length // 2, 0
    for block, other in ((slice(half, length), slice(0, half)), (slice(0, half), slice(half, length))):
        affected = _affected(engine, image, block, turned)[other.start * engine.scale : other.stop * engine.scale]
        columns = affected.nonzero().flatten() // engine.scale
        if len(columns):
            radius = max(radius, half - int(columns[0]) if other.start == 0 else int(columns[-1]) + 1)
    return None if radius >= min(half, length - half) else radius


def _commutes_with_shift(engine: Engine, image: Tensor, step: int, pixels: int, turned: bool) -> bool:
    """Whether an image shifted by `step` gives the same output, shifted, away from the ends."""
    first, last = pixels + step, image.shape[-1] - pixels - step
    if last - first < step:
        return False
    shifted = _run(engine, torch.roll(image, -step, -1), turned)
    expected = torch.roll(_run(engine, image, turned), -step * engine.scale, -1)
    inner = slice(first * engine.scale, last * engine.scale)
    return _close(shifted[..., inner], expected[..., inner])


def _probe_height(sizes: Sizes) -> int:
    """The height of the long thin images on which the receptive field is measured."""
    heights = (rounded_up(height, sizes.multiple_of) for height in PROBE_HEIGHTS)
    fitting = (height for height in heights if height >= sizes.minimum)
    return next(fitting, rounded_up(sizes.minimum, sizes.multiple_of))


def _radius(engine: Engine, stride: int, tall: int, longest: int) -> int | None:
    """The radius of the receptive field; the longest probe confirms what a shorter one showed."""
    length = MIN_PROBE
    while length < max(2 * tall, 8 * stride):
        length *= 2
    while length <= longest:
        radius = _radius_in_probe(engine, stride, tall, length)
        if radius is not None:
            return radius if length == longest else _radius_in_probe(engine, stride, tall, longest)
        length *= 2
    return None


def _radius_in_probe(engine: Engine, stride: int, tall: int, length: int) -> int | None:
    length = length // stride * stride
    across = _spread(engine, stride, tall, length, turned=False)
    down = None if across is None else _spread(engine, stride, tall, length, turned=True)
    return None if across is None or down is None else max(across, down)


def _spread(engine: Engine, stride: int, tall: int, length: int, turned: bool) -> int | None:
    """How far a block in the middle of a long thin image affects the output; None when it does up to an end."""
    # a wide block: a dilated network could skip from a narrow one over the ends of the image
    start, stop = 3 * length // 8 // stride * stride, 5 * length // 8 // stride * stride
    columns = _affected(engine, _noise(engine, tall, length), slice(start, stop), turned).nonzero().flatten()
    if len(columns) == 0:
        return 0
    first, last = int(columns[0]) // engine.scale, int(columns[-1]) // engine.scale
    if first == 0 or last == length - 1:
        return None
    return rounded_up(max(start - first, last - (stop - 1), 0), stride)


def _affected(engine: Engine, image: Tensor, block: slice, turned: bool) -> Tensor:
    """Which columns of the output depend on a block of columns of the input, as booleans."""
    probe = image.clone()
    if isinstance(engine, TorchEngine):
        probe[..., block] = float("nan")
        affected = _run(engine, probe, turned).isnan()
    else:
        before = _run(engine, image, turned)
        affected = torch.zeros_like(before, dtype=torch.bool)
        for factor in (1e2, -1e4):
            probe[..., block] = factor * image[..., block]
            affected |= _run(engine, probe, turned) != before
    return affected.flatten(0, -2).any(0)


def _stride(engine: Engine, multiple: int, tall: int, pixels: int) -> int | None:
    """The smallest step at which cutting an image changes nothing `pixels` away; None without one."""
    down, across = (_stride_along(engine, multiple, tall, pixels, turned) for turned in (True, False))
    return None if down is None or across is None else lcm(down, across)


def _stride_along(engine: Engine, multiple: int, tall: int, pixels: int, turned: bool) -> int | None:
    steps = [multiple * factor for factor in FACTORS if factor <= MAX_STRIDE_FACTOR]
    enough = (2 * rounded_up(pixels, steps[-1]) + 4 * steps[-1]) // multiple
    # several lengths, since a network may align its blocks at the far end, or at both
    images = [_noise(engine, tall, multiple * (enough + more)) for more in range(1, 4)]
    pairs = [(image, _run(engine, image, turned)) for image in images]
    cuttable = (
        step
        for step in steps
        if all(_can_be_cut(engine, image, output, step, pixels, turned) for image, output in pairs)
    )
    return next(cuttable, None)


def _can_be_cut(engine: Engine, image: Tensor, output: Tensor, step: int, pixels: int, turned: bool) -> bool:
    """Whether crops that begin on a step, and end on one or with the image, give the output of the image there."""
    length, halo = image.shape[-1], rounded_up(pixels, step)
    inner = step + (length - 1 - step) // step * step
    for end, valid_end in ((inner, inner - halo), (length, length)):
        crop = _run(engine, image[..., step:end].contiguous(), turned)
        actual, expected = (
            values[..., engine.scale * (step + halo - start) : engine.scale * (valid_end - start)]
            for values, start in ((crop, step), (output, 0))
        )
        if not _close(actual, expected):
            return False
    return True


def _close(actual: Tensor, expected: Tensor) -> bool:
    """Whether two outputs are equal up to float rounding."""
    return torch.allclose(actual, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def _noise(engine: Engine, tall: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return 0.25 + 0.5 * torch.rand((1, engine.channels, tall, length), generator=generator)


def _run(engine: Engine, image: Tensor, turned: bool) -> Tensor:
    """The output for an image; with `turned` for its transpose, transposed back."""
    return engine(image.mT.contiguous()).mT if turned else engine(image)
