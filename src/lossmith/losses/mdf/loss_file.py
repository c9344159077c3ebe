"""Loss files: the discriminators of a learned loss and a card that describes them, in one safetensors file.

The tensors of discriminator k are `k.head.conv.weight`, `k.head.norm.running_mean`, `k.body.block1.conv.weight`,
..., `k.tail.bias`, coarsest discriminator first. The card is JSON, in the metadata under `lossmith-loss-1`:

- `scales` (required): for each discriminator its `width`, the `factor` by which its input is downscaled (1.0:
not at
  all), and, if they are not 5 and 1, its `layers` and `stride`;
- `range` (required): [0, 1] or [-1, 1], the range of the discriminators' inputs;
- `pixels`: the format of the image from which the loss was learned: its `channels`, the type of its values
  (`dtype`) and the ends of their range (`low`, `high`); by default 8-bit RGB;
- `default_scales`: how many discriminators the loss uses by default, from the coarsest; by default all;
- further facts: task, degradation, image, recipe, seed, versions, cost, license ...
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.core.legacy import rename_card
from lossmith.core.pixel_format import PixelFormat
from lossmith.core.safetensors_io import load_tensors, save_tensors
from lossmith.expressions import format_value
from lossmith.losses.mdf.discriminator import PatchDiscriminator
from lossmith.losses.pair_check import FLOATS

FORMAT = "lossmith-loss-1"
RANGES = {"0..1": [0, 1], "-1..1": [-1, 1]}
"""The ranges of the discriminators' inputs, by the values of the option `range` of the loss."""

MAX_CHANNELS = 4096
"""Of an image or a layer; larger numbers are a mistake, or meant to exhaust the memory."""

SHIPPED = Path(__file__).with_name("shipped")


def shipped_losses() -> list[str]:
    """The names of the losses that come with lossmith."""
    return sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def find_loss(name: str) -> Path:
    """The file of a shipped loss, such as `jpeg`; a name with a suffix or a folder is that of a file."""
    if Path(name).suffix or "/" in name or "\\" in name:
        return Path(name)
    if name not in shipped_losses():
        raise LossmithError(
            f"{unknown_name_error('shipped loss', name, shipped_losses())}; files end in .safetensors"
        )
    return SHIPPED / f"{name}.safetensors"


def expression_of(path: Path | str) -> str:
    """The expression of the loss of a file.

    >>> expression_of(Path("mine.safetensors")), expression_of(Path("a, b.safetensors"))
    ('mdf(mine.safetensors)', 'mdf("a, b.safetensors")')
    """
    return f"mdf({format_value(str(path))})"


def check_name(path: Path) -> None:
    """Refuse to write a loss file that does not end in .safetensors, since such a file is not found again."""
    if path.suffix != ".safetensors":
        name = f"{path.stem or 'my-loss'}.safetensors"
        raise LossmithError(f"a loss is stored in a .safetensors file; call it {name}")


def save_loss(
    path: Path, discriminators: Sequence[PatchDiscriminator], card: dict[str, Any], half: bool = False
) -> None:
    """Write a loss file.

    Parameters
    ----------
    path
        The file to write.
    discriminators
        The discriminators, the coarsest first.
    card
        The card; see the module.
    half
        Store the weights of convolutions in float16, which halves the size of the file.

    Raises
    ------
    LossmithError
        If the card does not fit the discriminators, or a weight is not finite.
    """
    state = {
        f"{k}.{name}": tensor.half() if half and tensor.ndim == 4 else tensor
        for k, discriminator in enumerate(discriminators)
        for name, tensor in discriminator.state_dict().items()
    }
    validate(path, state, card)
    save_tensors(path, state, FORMAT, card)


def load_loss(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the card of a loss file. No code in it is run.

    Raises LossmithError, in one sentence, if the file does not hold exactly what its card says.
    """
    if path.is_file() and _is_pickle(path):
        raise LossmithError(
            f"{path} is a pickle, which is never loaded; convert the published MDF files by: "
            "lossmith convert-mdf FILE --out LOSS.safetensors"
        )
    state, card = load_tensors(path, FORMAT)
    card = rename_card(card)
    validate(path, state, card)
    return state, card


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(9)
    # safetensors files begin with a length of eight bytes, which may look like a pickle, and then a brace
    looks_like_pickle = start[:2] == b"PK" or (start[:1] == b"\x80" and start[1:2] in b"\1\2\3\4\5")
    return looks_like_pickle and start[8:] != b"{"


def load_discriminators(state: dict[str, Tensor], card: dict[str, Any]) -> list[PatchDiscriminator]:
    """The discriminators from what `load_loss` returns, in eval mode, without gradients and in float32."""
    discriminators = []
    channels = PixelFormat.from_receipt(card).channels
    for k, scale in enumerate(card["scales"]):
        discriminator = _discriminator(scale, channels).float().to_empty(device="cpu")
        discriminator.load_state_dict({name: state[f"{k}.{name}"] for name in discriminator.state_dict()})
        discriminators.append(discriminator.eval().requires_grad_(False))
    return discriminators


def _discriminator(scale: dict[str, Any], channels: int) -> PatchDiscriminator:
    """The discriminator that an entry of the card describes, without weights."""
    with torch.device("meta"):
        return PatchDiscriminator(scale["width"], scale.get("layers", 5), scale.get("stride", 1), channels)


def validate(path: Path, state: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Raise LossmithError unless the tensors are exactly those that the card describes."""
    check_card(path, card)
    if len(card["scales"]) > len(state):  # before that many discriminators are built
        raise LossmithError(f"{path} lists {len(card['scales'])} discriminators, and holds {len(state)} tensors")
    channels = PixelFormat.from_receipt(card).channels
    shapes = {
        f"{k}.{name}": tensor.shape
        for k, scale in enumerate(card["scales"])
        for name, tensor in _discriminator(scale, channels).state_dict().items()
    }
    if missing := sorted(shapes.keys() - state.keys()):
        raise LossmithError(f"{path} lacks the tensor '{missing[0]}', which its card requires")
    if unexpected := sorted(state.keys() - shapes.keys()):
        raise LossmithError(f"{path} has a tensor {unexpected[0]!r}, which its card does not describe")
    for name, shape in shapes.items():
        if state[name].shape != shape:
            own_shape = tuple(state[name].shape)
            raise LossmithError(f"{path}: tensor '{name}' is {own_shape}, but its card says {tuple(shape)}")
        if state[name].dtype not in (*FLOATS, *([torch.int64] if name.endswith("num_batches_tracked") else [])):
            raise LossmithError(f"{path}: tensor '{name}' is {state[name].dtype}, not floating point")
        if not state[name].isfinite().all():
            raise LossmithError(f"{path}: tensor '{name}' holds a number that is not finite")
        if name.endswith("running_var") and (state[name] < 0).any():
            raise LossmithError(f"{path}: tensor '{name}' holds a negative variance")


def check_card(path: Path, card: dict[str, Any]) -> None:
    """Raise LossmithError for a card that does not describe a loss."""
    scales = card.get("scales")
    if not isinstance(scales, list) or not scales:
        raise LossmithError(f"{path}: its card must list 'scales', one entry for each discriminator")
    for k, scale in enumerate(scales):
        if not isinstance(scale, dict):
            raise LossmithError(f"{path}: scale {k} of its card must be an object with 'width' and 'factor'")
        for key, default, minimum, maximum in (
            ("width", None, 1, MAX_CHANNELS),
            ("layers", 5, 3, 64),
            ("stride", 1, 1, 16),
        ):
            value = scale.get(key, default)
            if type(value) is not int or not minimum <= value <= maximum:
                raise LossmithError(
                    f"{path}: '{key}' of scale {k} must be a whole number from {minimum} to {maximum}, "
                    f"not {value!r}"
                )
        factor = scale.get("factor")
        if not isinstance(factor, int | float) or not 0.01 <= factor <= 1:
            raise LossmithError(f"{path}: 'factor' of scale {k} must be a number from 0.01 to 1, not {factor!r}")
    if card.get("range") not in RANGES.values():
        raise LossmithError(f"{path}: 'range' of its card must be [0, 1] or [-1, 1], not {card.get('range')!r}")
    try:
        channels = PixelFormat.from_receipt(card).channels
    except (TypeError, ValueError) as error:
        raise LossmithError(f"{path}: 'pixels' of its card do not describe images: {error}") from error
    if channels > MAX_CHANNELS:
        raise LossmithError(
            f"{path}: 'pixels' of its card must have at most {MAX_CHANNELS} channels, not {channels}"
        )
    count = card.get("default_scales", len(scales))
    if type(count) is not int or not 1 <= count <= len(scales):
        raise LossmithError(f"{path}: 'default_scales' of its card must be from 1 to {len(scales)}, not {count!r}")


__all__ = [
    "FORMAT",
    "RANGES",
    "check_name",
    "expression_of",
    "find_loss",
    "load_discriminators",
    "load_loss",
    "save_loss",
    "shipped_losses",
    "validate",
]
