"""Key names of other people's weights, and what network they belong to. Tensors in, tensors out."""

import re
from collections.abc import Iterable, Mapping
from math import isqrt

from torch import Tensor

from lossmith.core.errors import LossmithError

RENAMED_KEYS = (
    # the first code of ESRGAN, where everything is numbered
    (r"^model\.0\.", "conv_first."),
    (r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
    (r"^model\.1\.sub\.\d+\.(weight|bias)$", r"conv_body.\1"),
    # its published test code, and MSRResNet of the same time
    (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
    (r"^recon_trunk\.", "body."),
    (r"^trunk_conv\.", "conv_body."),
    (r"^HRconv\.", "conv_hr."),
)


def canonicalize_keys(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under the names of today: `conv_first`, `body.0.rdb1.conv1`, `conv_up1` ...

    Three layouts of RRDBNet are known and two of SRResNet; what has other names keeps them.

    >>> weight = Tensor(1)
    >>> list(canonicalize_keys({"model.0.weight": weight, "model.1.sub.7.RDB2.conv5.0.bias": weight}))
    ['conv_first.weight', 'body.7.rdb2.conv5.bias']
    """
    renamed = {}
    rules = [*RENAMED_KEYS, *_numbered_tail(weights)]
    if any(name.startswith(("RRDB_trunk.", "body.0.rdb1.")) for name in weights):
        rules.append((r"^upconv(\d)\.", r"conv_up\1."))
    for name, value in weights.items():
        for old, new in rules:
            name = re.sub(old, new, name)
        renamed[name] = value
    return renamed


def _numbered_tail(weights: Iterable[str]) -> list[tuple[str, str]]:
    """What the numbers after `model.1` mean: every third an enlargement, then two convolutions, two apart."""
    numbers = {int(found[1]) for name in weights if (found := re.match(r"model\.(\d+)\.weight$", name))}
    tail = sorted(numbers - {0})
    if len(tail) < 2:
        return []
    enlarging = [(rf"^model\.{place}\.(?=weight|bias)", f"conv_up{i}.") for i, place in enumerate(tail[:-2], 1)]
    ends = zip(tail[-2:], ("conv_hr.", "conv_last."), strict=True)
    return enlarging + [(rf"^model\.{place}\.(?=weight|bias)", name) for place, name in ends]


def detect_network(weights: Mapping[str, Tensor]) -> str | None:
    """The expression of the network that weights under present names belong to, told from names and shapes.

    None for names that are neither those of an RRDBNet nor of an SRResNet, large or small.

    Raises LossmithError for what has the names of one, and is none of RGB images.
    """
    try:
        if "body.0.rdb1.conv1.weight" in weights:
            return _rrdbnet(weights)
        if "body.0.conv1.weight" in weights and "conv_hr.weight" in weights:
            return _srresnet(weights)
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
            f"holds an rrdbnet from {channels} to {len(weights['conv_last.weight'])} channels, and ours is for RGB"
        )
    scale = 2 ** _count(weights, r"conv_up(\d)\.") // fold
    usual = {1: 4, 2: 2}.get(scale, 1)
    unshuffle = "" if fold == usual else f", unshuffle={fold}"
    return f"rrdbnet(scale={scale}, features={features}, blocks={blocks}, growth={growth}{unshuffle})"


def _srresnet(weights: Mapping[str, Tensor]) -> str:
    features, blocks = len(weights["conv_first.weight"]), _count(weights, r"body\.(\d+)\.")
    scale = 1
    for index in range(1, _count(weights, r"upconv(\d)\.") + 1):
        scale *= round((len(weights[f"upconv{index}.weight"]) / features) ** 0.5)
    return f"srresnet(scale={scale}, features={features}, blocks={blocks})"


def _srresnet_small(weights: Mapping[str, Tensor]) -> str:
    features, blocks = len(weights["conv_first.weight"]), _count(weights, r"body\.(\d+)\.")
    scale = isqrt(len(weights["conv_last.weight"]) // 3)
    return f"srresnet_small(scale={scale}, features={features}, blocks={blocks})"


def _count(weights: Iterable[str], pattern: str) -> int:
    return len({found[1] for name in weights if (found := re.match(pattern, name))})


__all__ = ["canonicalize_keys", "detect_network"]
