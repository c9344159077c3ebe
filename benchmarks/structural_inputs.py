"""What structural losses make of awkward input, ours and other packages': writes docs/structural_inputs.md.

    python benchmarks/structural_inputs.py        # a minute or two on one core; --out FILE writes elsewhere

The words of the page are in structural_inputs.md, beside this file.
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
SIDES = {"ssim": 96, "ms_ssim": 192, "mix": 64}
TOO_SMALL = {"ssim": 8, "ms_ssim": 96, "mix": 8}
OTHERS = {"ssim": rivals.ssim, "ms_ssim": rivals.ms_ssim, "mix": rivals.mix}
BY_DEFAULT = {
    "ssim": rivals.ssim_by_default,
    "ms_ssim": rivals.ms_ssim_by_default,
    "mix": rivals.mix_by_default,
}
VALUE_TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 1e-2
NO_VALUE, NO_GRADIENT = 1e-5, 1e-5
"""What counts as 0, of a value and of the norm of a gradient; usual gradients have norms of some 1e-3 to 1e-2."""
SCALE = 2.0**12
"""The value is multiplied by it before the backward pass, as one does when training in float16."""


@dataclass(frozen=True)
class Awkward:
    """An input, made of a usual pair in [0, 1], and what a sentence that refuses it has to speak of."""

    says: str
    made: Callable[[Tensor, Tensor], Pair]
    clue: str = r"(?!)"  # matches nothing: whoever refuses this cannot say why
    meant: Callable[[Tensor], Tensor] | None = lambda image: image
    """From an image as given to the image in [0, 1] that its owner means; none where no value has a sense."""
    called: Callable[[Criterion], Criterion] = lambda criterion: criterion


def autocast(criterion: Criterion) -> Criterion:
    def call(prediction: Tensor, target: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return criterion(prediction, target)

    return call


def flat_and_bright(x: Tensor, _: Tensor) -> Pair:
    """Variances far below the square of the mean, from which one subtracts to have them."""
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


def inputs(name: str) -> list[Awkward]:
    small = TOO_SMALL[name]
    return [
        Awkward("[0, 1], float32", lambda x, y: (x, y)),
        Awkward("0..255, range left at 1", both(lambda x: x * 255), "range|values", lambda x: x / 255),
        Awkward("[-1, 1], range left at 1", both(lambda x: x * 2 - 1), "range|values", lambda x: (x + 1) / 2),
        Awkward("a prediction a little outside [0, 1]", lambda x, y: (x * 1.2 - 0.1, y), "range|values"),
        Awkward("uint8", both(lambda x: (x * 255).byte()), "float|type|values", lambda x: x / 255),
        Awkward(
            f"{small} x {small}",
            both(lambda x: x[..., :small, :small].contiguous()),
            "at least|larger than|Input size: ",
            (lambda x: x) if name == "mix" else None,  # the mix has a meaning at any size
        ),
        Awkward("width differs by one", lambda x, y: (x, y[..., :-1]), "shape|size|dimension", None),
        Awkward("batch of 2 against 1", lambda x, y: (x, y[:1]), "shape|size|dimension", None),
        Awkward("3 channels against 1", lambda x, y: (x, y[:, :1]), "shape|size|dimension|channels", None),
        Awkward("1 channel", both(lambda x: x[:, :1]), "channels"),
        Awkward("a NaN pixel", with_a_nan, "NaN|finite", None),
        Awkward("float64", both(Tensor.double)),
        Awkward("float16", both(Tensor.half)),
        Awkward("bfloat16", both(Tensor.bfloat16)),
        Awkward("float32 under bfloat16 autocast", lambda x, y: (x, y), called=autocast),
        Awkward("float32 against float64", lambda x, y: (x, y.double()), "same (d|data )?type"),
        Awkward("an empty batch", both(lambda x: x[:0]), "batch|empty", None),
        Awkward("equal black images", partial(constant, 0.0, 0.0)),
        Awkward("equal constant images", partial(constant, 0.6, 0.6)),
        Awkward("constants 0.2 and 0.8", partial(constant, 0.2, 0.8)),
        Awkward("the target, brighter by 0.2", lambda _, y: (0.8 * y + 0.2, 0.8 * y)),
        Awkward("identical images", lambda _, y: (y.clone(), y)),
        Awkward("a negative for its positive", lambda _, y: (1 - y, y)),
        Awkward("nearly flat and bright", flat_and_bright),
        Awkward("channels-last", both(lambda x: x.contiguous(memory_format=torch.channels_last))),
        Awkward(
            "transposed, every second column of a wider image",
            both(lambda x: x.repeat_interleave(2, 3)[..., ::2].transpose(2, 3)),
        ),
        Awkward(
            "target that requires a gradient",
            lambda x, y: (x, y),
            "gradient",
            called=lambda criterion: lambda x, y: criterion(x, y.detach().requires_grad_()),
        ),
        Awkward(
            "prediction and target swapped",
            lambda x, y: (x, y),
            "gradient",
            called=lambda criterion: lambda x, y: criterion(y, x),
        ),
    ]


@dataclass(frozen=True)
class Answer:
    value: float
    gradient: Tensor | None
    """By the prediction, where it can have one."""
    rounding: float
    """Of the dtype in which the value came, relative to it."""

    @property
    def dead(self) -> bool:
        return self.gradient is not None and self.gradient.numel() > 0 and not self.gradient.any()


def answer(criterion: Criterion, prediction: Tensor, target: Tensor) -> Answer:
    leaf = prediction.detach().requires_grad_(prediction.is_floating_point())
    value = criterion(leaf, target)
    gradient = None
    if leaf.requires_grad:
        gradient = torch.autograd.grad(SCALE * value.double(), leaf)[0].double() / SCALE
    return Answer(value.item(), gradient, torch.finfo(value.dtype).eps / 2)


def truth(criterion: Criterion, meant: Callable[[Tensor], Tensor], prediction: Tensor, target: Tensor) -> Answer:
    """What the same criterion gives in float64 (float32 if it takes no other) for what the images mean."""

    def properly(x: Tensor, y: Tensor) -> Tensor:
        return criterion(meant(x).contiguous(), meant(y).contiguous())

    try:
        return answer(properly, prediction.double(), target.double())
    except RuntimeError:
        return answer(properly, prediction.float(), target.float())


def verdict(criterion: Criterion, awkward: Awkward, usual: Pair, properly: Criterion) -> tuple[str, str]:
    """The cell of the table, and the sentence if it is a refusal."""
    prediction, target = awkward.made(*usual)
    try:
        found = answer(awkward.called(criterion), prediction, target)
    except Exception as error:
        words = " ".join(str(error).split()) or "(no words)"
        clear = re.search(awkward.clue, words, re.IGNORECASE)
        return "refused" if clear else "*refused unclearly*", f"{type(error).__name__}: {words}"
    if found.value != found.value:
        return "NaN, **gradient 0**" if found.dead else "NaN", ""
    if awkward.meant is None:
        return f"**{found.value:.4g}**, means nothing", ""
    true = truth(properly, awkward.meant, prediction, target)
    return ", ".join(faults(found, true, torch.equal(prediction, target))) or "right", ""


def faults(found: Answer, true: Answer, equal: bool) -> list[str]:
    if found.dead and not equal:
        return [f"{found.value:.4g}, **gradient 0**"]
    return value_faults(found, true) + gradient_faults(found, true)


def value_faults(found: Answer, true: Answer) -> list[str]:
    tolerance = NO_VALUE + max(VALUE_TOLERANCE, found.rounding) * abs(true.value)
    return [f"**{found.value:.4g}** for {true.value:.4g}"] if abs(found.value - true.value) > tolerance else []


def gradient_faults(found: Answer, true: Answer) -> list[str]:
    if found.gradient is None or true.gradient is None:
        return []
    if not found.gradient.isfinite().all():
        return ["**gradient NaN**"]
    norm, off = true.gradient.norm().item(), (found.gradient - true.gradient).norm().item()
    if norm < NO_GRADIENT:
        return [f"gradient {off:.0e} for 0"] if off > NO_GRADIENT else []
    return [f"gradient {off / norm:.1%} off"] if off > GRADIENT_TOLERANCE * norm else []


def departures(criterion: Criterion, published: Criterion, usual: Pair) -> list[str]:
    """How its definition, computed in float64, differs from the published one."""
    found, true = (truth(each, lambda image: image, *usual) for each in (criterion, published))
    return faults(found, true, equal=False)


def section(name: str, refusals: dict[str, str]) -> list[str]:
    """The table of a loss; each new kind of refusal is added to `refusals`."""
    usual = images((2, 3, SIDES[name], SIDES[name]))
    criteria: dict[str, Criterion] = {"lossmith": loss(name), **OTHERS[name]()}
    first_written: dict[str, Criterion] = {"lossmith": loss(name), **BY_DEFAULT[name]()}
    by_default = Awkward("called with no option", lambda x, y: (x, y))
    departing = {who: departures(criterion, criteria["lossmith"], usual) for who, criterion in criteria.items()}
    # where definitions agree the published one is the truth: some others' float64 is not exact, or does not exist
    properly = {who: criteria[who if departing[who] else "lossmith"] for who in criteria}
    rows = [
        ["definition, in float64", *(", ".join(departing[who]) or "as published" for who in criteria)],
        [by_default.says, *(verdict(first_written[who], by_default, usual, properly[who])[0] for who in criteria)],
    ]
    for awkward in inputs(name):
        row = [awkward.says]
        for who, criterion in criteria.items():
            cell, sentence = verdict(criterion, awkward, usual, properly[who])
            row.append(cell)
            if sentence:
                kind = re.sub(r"[-\d.]+", "", f"{who}: {sentence.replace(name, '')}")
                quoted = sentence[:150].replace("`", "'")
                refusals.setdefault(kind, f"- {who}, {awkward.says}: `{quoted}`")
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
