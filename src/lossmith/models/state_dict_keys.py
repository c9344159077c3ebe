"""The layouts of keys that state dicts of our networks have had, and the detection of networks by keys."""

import re
from collections.abc import Iterable, Mapping
from math import isqrt

from torch import Tensor

from lossmith.core.errors import LossmithError

RENAMED_KEYS = (
    # the first code of ESRGAN, in which layers are numbered
    (r"^model\.0\.", "conv_first."),
    (r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
    (r"^model\.1\.sub\.\d+\.(weight|bias)$", r"conv_body.\1"),
    # the published test code of ESRGAN, and MSRResNet of the same time
    (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
    (r"^recon_trunk\.", "body."),
    (r"^trunk_conv\.", "conv_body."),
    (r"^HRconv\.", "conv_hr."),
)

FAST_NEURAL_STYLE = {"conv1.conv2d.weight", "deconv3.conv2d.weight", "in1.weight"}
"""Names by which the transformer net of PyTorch's `fast_neural_style` example is known."""
STALE_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What instance normalization of PyTorch before 0.4 saved, and never used."""


def canonicalize_keys(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights under present names: `conv_first`, `body.0.rdb1.conv1`, `conv_up1` ...

    Three layouts of RRDBNet, two of SRResNet and two of TransformNet are known; other names are kept.

    >>> weight = Tensor(1)
    >>> list(canonicalize_keys({"model.0.weight": weight, "model.1.sub.7.RDB2.conv5.0.bias": weight}))
    ['conv_first.weight', 'body.7.rdb2.conv5.bias']
    """
    if weights.keys() >= FAST_NEURAL_STYLE:
        return _from_fast_neural_style(weights)
    renamed = {}
    rules = [*RENAMED_KEYS, *_numbered_tail(weights)]
    if any(name.startswith(("RRDB_trunk.", "body.0.rdb1.")) for name in weights):
        rules.append((r"^upconv(\d)\.", r"conv_up\1."))
    for name, value in weights.items():
        for old, new in rules:
            name = re.sub(old, new, name)
        renamed[name] = value
    return renamed


def _from_fast_neural_style(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a net of PyTorch's examples, for images in [0, 1] instead of 0 to 255."""
    renamed = {}
    for name, value in weights.items():
        if name.endswith(STALE_STATISTICS):
            continue
        layer, _, parameter = name.rpartition(".")
        renamed[f"{_transform_net_layer(layer)}.{parameter}"] = value
    factors = {"encoder.0.conv.weight": 255.0, "conv_last.weight": 1 / 255, "conv_last.bias": 1 / 255}
    return {name: value * factors[name] if name in factors else value for name, value in renamed.items()}


def _transform_net_layer(name: str) -> str:
    """Our name of a layer of PyTorch's `fast_neural_style`; other names are kept."""
    place = name.replace(".conv2d", "")
    if place == "deconv3":
        return "conv_last"
    if match := re.fullmatch(r"res(\d+)\.(conv|in)(\d)", place):
        return f"body.{int(match[1]) - 1}.{'norm' if match[2] == 'in' else 'conv'}{match[3]}"
    if match := re.fullmatch(r"(conv|deconv|in)(\d)", place):
        kind, number = match[1], int(match[2])
        side = "decoder" if kind == "deconv" or (kind == "in" and number > 3) else "encoder"
        index = number - 4 if kind == "in" and number > 3 else number - 1
        return f"{side}.{index}.{'norm' if kind == 'in' else 'conv'}"
    return name


def _numbered_tail(weights: Iterable[str]) -> list[tuple[str, str]]:
    """Rules for the numbered layers after `model.1`: upsampling convolutions, then the last two convolutions."""
    numbers = {int(match[1]) for name in weights if (match := re.match(r"model\.(\d+)\.weight$", name))}
    tail = sorted(numbers - {0})
    if len(tail) < 2:
        return []
    names = [*(f"conv_up{i}." for i in range(1, len(tail) - 1)), "conv_hr.", "conv_last."]
    return [(rf"^model\.{number}\.(?=weight|bias)", name) for number, name in zip(tail, names, strict=True)]


def detect_network(weights: Mapping[str, Tensor]) -> str | None:
    """The expression of an RRDBNet, SRResNet or TransformNet by present names and shapes of weights.

    None for other names. Raises LossmithError for weights with such names that fit no network for RGB images.
    """
    try:
        if "body.0.rdb1.conv1.weight" in weights:
            return _rrdbnet(weights)
        if "body.0.conv1.weight" in weights and "conv_hr.weight" in weights:
            return _srresnet(weights)
        if {"encoder.0.conv.weight", "body.0.conv1.weight", "conv_last.weight"} <= set(weights):
            return _transform_net(weights)
        if {"conv_first.weight", "body.0.conv1.weight", "conv_last.weight"} <= set(weights):
            return _srresnet_small(weights)
    except LossmithError:
        raise
    except (KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise LossmithError(f"holds weights that do not fit together: {error}") from error
    return None


def _rrdbnet(weights: Mapping[str, Tensor]) -> str:
    features, channels = weights["conv_first.weight"].shape[:2]
    growth, blocks = len(weights["body.0.rdb1.conv1.weight"]), _count(weights, r"body\.(\d+)\.")
    fold = {3: 1, 12: 2, 48: 4}.get(channels)
    if fold is None or len(weights["conv_last.weight"]) != 3:
        raise LossmithError(
            f"holds an rrdbnet from {channels} to {len(weights['conv_last.weight'])} channels; it must be for RGB"
        )
    scale = 2 ** _count(weights, r"conv_up(\d)\.") // fold
    default = {1: 4, 2: 2}.get(scale, 1)
    unshuffle = "" if fold == default else f", unshuffle={fold}"
    return f"rrdbnet(scale={scale}, features={features}, blocks={blocks}, growth={growth}{unshuffle})"


def _srresnet(weights: Mapping[str, Tensor]) -> str:
    features, blocks = len(weights["conv_first.weight"]), _count(weights, r"body\.(\d+)\.")
    scale = 1
    for index in range(1, _count(weights, r"upconv(\d)\.") + 1):
        scale *= round((len(weights[f"upconv{index}.weight"]) / features) ** 0.5)
    return f"srresnet(scale={scale}, features={features}, blocks={blocks})"


def _srresnet_small(weights: Mapping[str, Tensor]) -> str:
    features, blocks = len(weights["conv_first.weight"]), _count(weights, r"body\.(\d+)\.")
    fold = max(1, isqrt(weights["conv_first.weight"].shape[1] // 3))
    scale = isqrt(len(weights["conv_last.weight"]) // 3) // fold
    unshuffle = "" if fold == 1 else f", unshuffle={fold}"
    return f"srresnet_small(scale={scale}, features={features}, blocks={blocks}{unshuffle})"


def _transform_net(weights: Mapping[str, Tensor]) -> str:
    """For what shapes do not tell, the padding, and above scale 1 the kind of upsampling, the defaults."""
    is_style = "encoder.1.conv.weight" in weights
    scale = 1 if is_style else 2 ** _count(weights, r"decoder\.(\d+)\.")
    width = len(weights["encoder.0.conv.weight"]) / (32 if is_style else 64)
    affine = "instance" if "body.0.norm1.weight" in weights else "none"
    norm = "batch" if "body.0.norm1.running_mean" in weights else affine
    output = "tanh" if "mean_color" in weights else "linear"
    blocks = _count(weights, r"body\.(\d+)\.")
    # features become fewer, and the weights of transposed convolutions are (in, out)
    first, second = weights["decoder.0.conv.weight"].shape[:2]
    upsampling = "transposed" if first > second else "nearest"
    return (
        f"transform_net(scale={scale}, width={width}, blocks={blocks}, norm={norm}, upsampling={upsampling}, "
        f"output={output})"
    )


def _count(weights: Iterable[str], pattern: str) -> int:
    """The number of different texts that the group of a pattern matches in the names."""
    return len({match[1] for name in weights if (match := re.match(pattern, name))})


__all__ = ["canonicalize_keys", "detect_network"]
