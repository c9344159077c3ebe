"""`lossmith blend`: interpolation between the weights of two models, as a model or as a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmith import data, degradations, exporting, models, networks
from lossmith.commands.command_line import command_line
from lossmith.commands.option_types import AlphaOption, DegradationOption, NetworkOption, ProgressOption
from lossmith.commands.outcome import Outcome
from lossmith.core.errors import LossmithError
from lossmith.core.files import FILE_EXTENSIONS, refuse_existing
from lossmith.core.progress import progress_option
from lossmith.core.provenance import versions

if TYPE_CHECKING:
    from lossmith.commands.blend_report import ModelPair

MIN_COSINE = 0.5
"""The cosine between weights below which two models are taken for unrelated."""
MAX_ALPHAS = 101
"""The most values of alpha in one command."""
SHARED_ENTRIES = ("network", "scale", "pixels", "degradation", "style")
"""Entries of the first model's receipt that hold for a blend, too."""


@dataclass(frozen=True, repr=False)
class BlendResult(Outcome):
    """A blended model, or a page of them."""

    path: Path
    note: str
    """A warning if the two models seem to be unrelated, else empty."""

    def __str__(self) -> str:
        return f"{'model' if self.path.suffix == '.safetensors' else 'page'}: {self.path}" + (
            f"\nnote: {self.note}" if self.note else ""
        )


@progress_option
def blend(
    first: Path,
    second: Path,
    *,
    alpha: AlphaOption = "0:1:0.1",
    out: Path,
    test: list[Path] | None = None,
    recursive: bool = False,
    degradation: DegradationOption = None,
    network: NetworkOption = None,
    progress: ProgressOption = True,
) -> BlendResult:
    """Blend two models of one architecture: their weights become (1 - alpha) FIRST + alpha SECOND.

    A single alpha gives a model. Several give a page: what every blend makes of the test images, the same mix
    of the two models' images beside it, and both on the plane of distortion and perception.

    Parameters
    ----------
    first
        The model at alpha 0, usually the PSNR-oriented one: of lossmith, or any RRDBNet, SRResNet or network that
        spandrel knows.
    second
        The model at alpha 1, usually trained adversarially from the first.
    alpha
        One number from 0 to 1, rising numbers with commas between, or a range as start:stop:step. From Python
        also a number or a sequence of them.
    out
        The model to write, such as 4x-blend.safetensors; for several alphas, the folder of the page.
    test
        The clean images of the page: files, folders or patterns [default: test photographs of scikit-image].
    recursive
        Search folders within folders for targets too.
    degradation
        How the targets are degraded [default: as the first model was trained; bicubic for one that does not say].
    network
        The network of the models, if it is your own: import.path:Class.
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For models of two architectures or two formats of images, for wrong alphas or images, and for results that
        exist.
    """
    from lossmith.commands.blend_report import write_page

    first, second, out = Path(first), Path(second), Path(out)
    alphas = parse_alphas(alpha)
    _check_out(out, single=len(alphas) == 1)
    model_pair = _load_pair(first, second, network)
    cosine = models.weight_cosine(*(model.restorer.state_dict() for model in model_pair.models))
    note = "" if cosine >= MIN_COSINE else _unrelated_note(cosine)
    if len(alphas) == 1:
        exporting.check_scale(out, model_pair.scale)
        models.save_model(out, model_pair.between(alphas[0]), _receipt(model_pair, alphas[0]))
        return BlendResult(out, note)
    if model_pair.pixels.receipt_entries:
        raise LossmithError(
            f"a page is made of 8-bit RGB, and these models are for {model_pair.pixels}; give one `alpha`"
        )
    kind = degradations.degradation(
        _known_degradation(model_pair.models[0]) if degradation is None else degradation
    )
    targets = data.find_images(test, recursive) if test else data.sample_images("test")
    pairs = data.prepare_test_images(targets, kind, out)
    if pairs[0].scale != model_pair.scale:
        raise LossmithError(f"the models have scale {model_pair.scale}, but '{kind}' has scale {pairs[0].scale}")
    command = command_line(
        "blend",
        [first, second],
        alpha=_alpha_text(alpha),
        test=test,
        recursive=recursive,
        degradation=None if degradation is None else kind,
        network=None if network is None else networks.network_expression(network),
        out=out,
    )
    write_page(out, model_pair, alphas, pairs, degradation=str(kind), note=note, cosine=cosine, command=command)
    return BlendResult(out / "blend.html", note)


def parse_alphas(alpha: str | float | Sequence[float]) -> list[float]:
    """The values of alpha, one or several in rising order; a range includes its end where a step meets it.

    >>> parse_alphas("0.8"), parse_alphas("0:1:0.25"), parse_alphas("0,0.3,1")
    ([0.8], [0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.3, 1.0])
    >>> parse_alphas(0.8), parse_alphas([0, 0.3, 1])
    ([0.8], [0.0, 0.3, 1.0])
    """
    text = _alpha_text(alpha)
    separator = ":" if ":" in text else ","
    try:
        numbers = [float(part) for part in text.split(separator)]
    except ValueError:
        numbers = []
    inside = bool(numbers) and all(0 <= number <= 1 for number in numbers)
    if separator == ":" and inside and len(numbers) == 3 and numbers[0] < numbers[1] and numbers[2] > 0:
        start, stop, step = numbers
        count = math.floor((stop - start) / step + 1e-9) + 1  # steps such as 0.1 are not exact in binary
        if not 2 <= count <= MAX_ALPHAS:
            raise LossmithError(f"`alpha='{text}'` has {count} values; a range has 2 to {MAX_ALPHAS}")
        return [round(start + index * step, 9) for index in range(count)]
    rising = all(low < high for low, high in pairwise(numbers))
    if separator == "," and inside and rising and len(numbers) <= MAX_ALPHAS:
        return numbers
    raise LossmithError(
        f"`alpha` must be a number from 0 to 1, up to {MAX_ALPHAS} rising ones such as 0,0.3,1, or a range "
        f"start:stop:step such as 0:1:0.1, not '{text}'"
    )


def _alpha_text(alpha: str | float | Sequence[float]) -> str:
    """Alpha as it is typed on the command line."""
    return str(alpha) if isinstance(alpha, str | float | int) else ",".join(map(str, alpha))


def _check_out(out: Path, single: bool) -> None:
    if single and out.suffix != ".safetensors":
        raise LossmithError(f"one alpha gives one model, a .safetensors file, and {out} has another ending")
    if not single and (out.is_file() or out.suffix.lower() in FILE_EXTENSIONS) and not out.is_dir():
        raise LossmithError(f"several alphas give a page in a folder, and {out} names a file")
    refuse_existing(*((out,) if single else (out / "blend.html", out / "blend.csv")))


def _load_pair(first: Path, second: Path, network: networks.NetworkLike | None) -> ModelPair:
    from lossmith.commands.blend_report import ModelPair

    pair = models.load_any_model(first, network), models.load_any_model(second, network)
    models.check_formats(*(model.pixels for model in pair))
    model_pair = ModelPair(pair, (_title(first), _title(second)))
    try:
        model_pair.between(0)
    except LossmithError as error:
        architectures = [models.architecture_of(model.restorer) for model in pair]
        both = [f"{path} is {name}" for path, name in zip((first, second), architectures, strict=True)]
        raise LossmithError(f"{' and '.join(both)}; only models of one architecture can be blended") from error
    return model_pair


def _unrelated_note(cosine: float) -> str:
    return (
        f"the weights of the two models have a cosine of {cosine:.2f}, so neither seems to be trained from the "
        "other, and blends of them may restore nothing"
    )


def _receipt(model_pair: ModelPair, alpha: float) -> dict[str, Any]:
    first, second = (model.receipt for model in model_pair.models)
    shared: dict[str, Any] = {key: first[key] for key in SHARED_ENTRIES if key in first}
    return {
        **shared,
        "versions": versions(),
        "loss": f"blend of {' and '.join(model_pair.names)} at {alpha:g}",
        "blend": {"alpha": alpha, "first": first, "second": second},
    }


def _known_degradation(model: models.Model) -> str:
    """The degradation that a model was trained on; bicubic for one of a scale whose receipt has none."""
    expression = str(model.receipt.get("degradation") or "")
    if not expression and model.scale > 1:
        return f"bicubic({model.scale})"
    if not expression or ":" in expression or expression.startswith("pairs of"):
        raise LossmithError("what the first model undoes is not known, or your own code: give `degradation`")
    return expression


def _title(path: Path) -> str:
    return path.resolve().parent.name if path.stem == "model" else path.stem
