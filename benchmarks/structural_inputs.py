"""Structural losses on awkward input, ours and other packages': writes docs/structural_inputs.md.

    python benchmarks/structural_inputs.py        # a minute or two on one core; --out FILE writes elsewhere

The text of the page is in structural_inputs.md, beside this file.
"""

import argparse
import platform
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from string import Template

import torch
from torch import Tensor

import rivals
from lossmith import loss
from lossmith.core.files import write_text
from rivals import Criterion
from structural_cost import images

Pair = tuple[Tensor, Tensor]
USUAL_SIDES = {"ssim": 96, "ms_ssim": 192, "mix": 64}
SMALL_SIDES = {"ssim": 8, "ms_ssim": 96, "mix": 8}
OTHERS = {"ssim": rivals.ssim, "ms_ssim": rivals.ms_ssim, "mix": rivals.mix}
OTHERS_BY_DEFAULT = {
    "ssim": rivals.ssim_by_default,
    "ms_ssim": rivals.ms_ssim_by_default,
    "mix": rivals.mix_by_default,
}
VALUE_TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 1e-2
ZERO_VALUE, ZERO_GRADIENT = 1e-5, 1e-5
"""Below these, a value and the norm of a gradient count as 0; usual gradients have norms of 1e-3 to 1e-2."""
LOSS_SCALE = 2.0**12
"""Loss scale before the backward pass, as usual when training in float16."""


@dataclass(frozen=True)
class AwkwardInput:
    """An input made from a usual pair in [0, 1], and a pattern that a clear error message about it matches."""

    label: str
    make: Callable[[Tensor, Tensor], Pair]
    clue: str = r"(?!)"  # matches nothing: there is no reason to refuse it
    meaning: Callable[[Tensor], Tensor] | None = lambda image: image
    """From the input to the image in [0, 1] that it stands for; None if no value is defined."""
    wrap: Callable[[Criterion], Criterion] = lambda criterion: criterion


def autocast(criterion: Criterion) -> Criterion:
    def call(prediction: Tensor, target: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return criterion(prediction, target)

    return call


def flat_and_bright(x: Tensor, _: Tensor) -> Pair:
    """Variances far below the square of the mean, from which they are computed by a subtraction."""
    first, second = torch.randn((2, *x.shape), generator=torch.Generator().manual_seed(3)) * 0.002
    return 0.9 + first + second, 0.9 + first


def with_a_nan(x: Tensor, y: Tensor) -> Pair:
    x = x.clone()
    x[0, 0, 5, 5] = torch.nan
    return x, y


def constant(of_prediction: float, of_target: float, x: Tensor, _: Tensor) -> Pair:
    return torch.full_like(x, of_prediction), torch.full_like(x, of_target)


def both(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Pair]:
    return lambda x, y: (change(x), change(y))


def inputs(name: str) -> list[AwkwardInput]:
    small = SMALL_SIDES[name]
    return [
        AwkwardInput("[0, 1], float32", lambda x, y: (x, y)),
        AwkwardInput("0..255, range left at 1", both(lambda x: x * 255), "range|values", lambda x: x / 255),
        AwkwardInput("[-1, 1], range left at 1", both(lambda x: x * 2 - 1), "range|values", lambda x: (x + 1) / 2),
        AwkwardInput("a prediction a little outside [0, 1]", lambda x, y: (x * 1.2 - 0.1, y), "range|values"),
        AwkwardInput("uint8", both(lambda x: (x * 255).byte()), "float|type|values", lambda x: x / 255),
        AwkwardInput(
            f"{small} x {small}",
            both(lambda x: x[..., :small, :small].contiguous()),
            "at least|larger than|Input size: ",
            (lambda x: x) if name == "mix" else None,  # the mix is defined at any size
        ),
        AwkwardInput("width differs by one", lambda x, y: (x, y[..., :-1]), "shape|size|dimension", None),
        AwkwardInput("batch of 2 against 1", lambda x, y: (x, y[:1]), "shape|size|dimension", None),
        AwkwardInput("3 channels against 1", lambda x, y: (x, y[:, :1]), "shape|size|dimension|channels", None),
        AwkwardInput("1 channel", both(lambda x: x[:, :1]), "channels"),
        AwkwardInput("a NaN pixel", with_a_nan, "NaN|finite", None),
        AwkwardInput("float64", both(Tensor.double)),
        AwkwardInput("float16", both(Tensor.half)),
        AwkwardInput("bfloat16", both(Tensor.bfloat16)),
        AwkwardInput("float32 under bfloat16 autocast", lambda x, y: (x, y), wrap=autocast),
        AwkwardInput("float32 against float64", lambda x, y: (x, y.double()), "same (d|data )?type"),
        AwkwardInput("an empty batch", both(lambda x: x[:0]), "batch|empty", None),
        AwkwardInput("equal black images", partial(constant, 0.0, 0.0)),
        AwkwardInput("equal constant images", partial(constant, 0.6, 0.6)),
        AwkwardInput("constants 0.2 and 0.8", partial(constant, 0.2, 0.8)),
        AwkwardInput("the target, brighter by 0.2", lambda _, y: (0.8 * y + 0.2, 0.8 * y)),
        AwkwardInput("identical images", lambda _, y: (y.clone(), y)),
        AwkwardInput("a negative for its positive", lambda _, y: (1 - y, y)),
        AwkwardInput("nearly flat and bright", flat_and_bright),
        AwkwardInput("channels-last", both(lambda x: x.contiguous(memory_format=torch.channels_last))),
        AwkwardInput(
            "transposed, every second column of a wider image",
            both(lambda x: x.repeat_interleave(2, 3)[..., ::2].transpose(2, 3)),
        ),
        AwkwardInput(
            "target that requires a gradient",
            lambda x, y: (x, y),
            "gradient",
            wrap=lambda criterion: lambda x, y: criterion(x, y.detach().requires_grad_()),
        ),
        AwkwardInput(
            "prediction and target swapped",
            lambda x, y: (x, y),
            "gradient",
            wrap=lambda criterion: lambda x, y: criterion(y, x),
        ),
    ]


@dataclass(frozen=True)
class Answer:
    value: float
    gradient: Tensor | None
    """With respect to the prediction, if it can have one."""
    rounding: float
    """Relative rounding error of the value's dtype."""

    @property
    def dead(self) -> bool:
        return self.gradient is not None and self.gradient.numel() > 0 and not self.gradient.any()


def answer(criterion: Criterion, prediction: Tensor, target: Tensor) -> Answer:
    leaf = prediction.detach().requires_grad_(prediction.is_floating_point())
    value = criterion(leaf, target)
    gradient = None
    if leaf.requires_grad:
        gradient = torch.autograd.grad(LOSS_SCALE * value.double(), leaf)[0].double() / LOSS_SCALE
    return Answer(value.item(), gradient, torch.finfo(value.dtype).eps / 2)


def truth(criterion: Criterion, meaning: Callable[[Tensor], Tensor], prediction: Tensor, target: Tensor) -> Answer:
    """The value of the same criterion in float64 (float32 if it takes no other) for the images that are meant."""

    def reference(x: Tensor, y: Tensor) -> Tensor:
        return criterion(meaning(x).contiguous(), meaning(y).contiguous())

    try:
        return answer(reference, prediction.double(), target.double())
    except RuntimeError:
        return answer(reference, prediction.float(), target.float())


def verdict(criterion: Criterion, awkward: AwkwardInput, usual: Pair, reference: Criterion) -> tuple[str, str]:
    """The cell of the table, and the error message if the input was refused."""
    prediction, target = awkward.make(*usual)
    try:
        result = answer(awkward.wrap(criterion), prediction, target)
    except Exception as error:
        message = " ".join(str(error).split()) or "(no message)"
        clear = re.search(awkward.clue, message, re.IGNORECASE)
        return "refused" if clear else "*refused unclearly*", f"{type(error).__name__}: {message}"
    if result.value != result.value:
        return "NaN, **gradient 0**" if result.dead else "NaN", ""
    if awkward.meaning is None:
        return f"**{result.value:.4g}**, means nothing", ""
    true = truth(reference, awkward.meaning, prediction, target)
    return ", ".join(faults(result, true, torch.equal(prediction, target))) or "right", ""


def faults(result: Answer, true: Answer, equal: bool) -> list[str]:
    if result.dead and not equal:
        return [f"{result.value:.4g}, **gradient 0**"]
    return value_faults(result, true) + gradient_faults(result, true)


def value_faults(result: Answer, true: Answer) -> list[str]:
    tolerance = ZERO_VALUE + max(VALUE_TOLERANCE, result.rounding) * abs(true.value)
    return [f"**{result.value:.4g}** for {true.value:.4g}"] if abs(result.value - true.value) > tolerance else []


def gradient_faults(result: Answer, true: Answer) -> list[str]:
    if result.gradient is None or true.gradient is None:
        return []
    if not result.gradient.isfinite().all():
        return ["**gradient NaN**"]
    norm, off = true.gradient.norm().item(), (result.gradient - true.gradient).norm().item()
    if norm < ZERO_GRADIENT:
        return [f"gradient {off:.0e} for 0"] if off > ZERO_GRADIENT else []
    return [f"gradient {off / norm:.1%} off"] if off > GRADIENT_TOLERANCE * norm else []


def definition_faults(criterion: Criterion, published: Criterion, usual: Pair) -> list[str]:
    """The differences of its definition, computed in float64, from the published one."""
    own, true = (truth(c, lambda image: image, *usual) for c in (criterion, published))
    return faults(own, true, equal=False)


def section(name: str, refusals: dict[str, str]) -> list[str]:
    """The table of a loss; each new kind of error message is added to `refusals`."""
    usual = images((2, 3, USUAL_SIDES[name], USUAL_SIDES[name]))
    criteria: dict[str, Criterion] = {"lossmith": loss(name), **OTHERS[name]()}
    defaults: dict[str, Criterion] = {"lossmith": loss(name), **OTHERS_BY_DEFAULT[name]()}
    by_default = AwkwardInput("called with no option", lambda x, y: (x, y))
    own_definitions = {
        who: definition_faults(criterion, criteria["lossmith"], usual) for who, criterion in criteria.items()
    }
    # where definitions agree the published one is the reference: not all packages are exact in float64
    references = {who: criteria[who if own_definitions[who] else "lossmith"] for who in criteria}
    rows = [
        ["definition, in float64", *(", ".join(own_definitions[who]) or "as published" for who in criteria)],
        [by_default.label, *(verdict(defaults[who], by_default, usual, references[who])[0] for who in criteria)],
    ]
    for awkward in inputs(name):
        row = [awkward.label]
        for who, criterion in criteria.items():
            cell, message = verdict(criterion, awkward, usual, references[who])
            row.append(cell)
            if message:
                kind = re.sub(r"[-\d.]+", "", f"{who}: {message.replace(name, '')}")
                quoted = message[:150].replace("`", "'")
                refusals.setdefault(kind, f"- {who}, {awkward.label}: `{quoted}`")
        rows.append(row)
    return [f"## {name}", "", *table(["input", *criteria], rows), ""]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "structural_inputs.md")
    out: Path = parser.parse_args().out
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    packages = ("lossmith", "torch", "numba", "pytorch-msssim", "piq", "piqa", "kornia", "torchmetrics")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    refusals: dict[str, str] = {}
    tables = [line for name in OTHERS for line in section(name, refusals)]
    page = Template(Path(__file__).with_suffix(".md").read_text(encoding="utf-8")).substitute(
        versions=f"a CPU ({platform.machine()}) with {versions}",
        tables="\n".join(tables).rstrip(),
        refusals="\n".join(sorted(refusals.values(), key=lambda line: ("lossmith" not in line, line))),
    )
    write_text(out, page)


if __name__ == "__main__":
    main()
