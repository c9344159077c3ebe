"""What weights mean: who pulls how much in the losses of the papers, measured on photographs.

    python benchmarks/weights.py --page docs/weights.md [--only zhao esrgan ...] [--steps 300]

Restorers are trained on the sample photographs that come with scikit-image, and the shares are those of the terms'
gradients at what they make of other photographs. The folder LOSSMITH_WEIGHTS may hold the weights of VGG-19; rows
whose weights are not at hand are left out. The tables are printed, and written into the page between its marks,
`<!-- table NAME -->` and `<!-- end -->`; all of them take some ten minutes on one core.
"""

import argparse
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean, median

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lossmith.core.errors import LossmithError
from lossmith.core.files import write_text
from lossmith.data import Data, PatchDataset, prepare_data, sample_images
from lossmith.degradations import from_8bit
from lossmith.expressions import brief
from lossmith.losses import (
    CallableLoss,
    GradientShares,
    Loss,
    LossLike,
    SumLoss,
    as_numbers,
    gradient_shares,
    loss,
)
from lossmith.losses.adversarial import adversarial
from lossmith.losses.perceptual.style_networks import STYLE_NETWORKS, published_weights
from lossmith.losses.perceptual.style_transfer import StyleTransferLoss
from lossmith.losses.share_loss import end_warm_up
from lossmith.networks import discriminator, network
from lossmith.report.formatting import percent
from lossmith.training import Recipe
from lossmith.training.adversarial import AdversarialModule
from lossmith.training.distributed.environment import single_process_fabric
from lossmith.training.pulls import GradientLooks
from lossmith.training.supervised import SupervisedModule

BATCHES, BATCH, SIDE = 4, 4, 96
"""What a share is measured on: batches, patches in each, and their side, unless a loss needs larger ones."""
TASKS = {
    "JPEG, quality 10": "jpeg(10)",
    "super-resolution x2": "bicubic(2)",
    "noise and mosaic": "shot_noise | mosaic",
    "super-resolution x4": "bicubic(4)",
}
NETWORK = "srresnet_small"
Table = list[Sequence[str]]


@dataclass(frozen=True)
class State:
    """Pictures that a restorer makes, (N, C, H, W), and what they should be."""

    restored: Tensor
    target: Tensor


def data_of(task: str) -> PatchDataset:
    """The training patches of a task, of the sample photographs."""
    prepared = prepare_data(Data(list(sample_images("train")), channels=3), TASKS[task])
    return PatchDataset(prepared.source, 48, 0)


@cache
def trained(task: str, steps: int) -> nn.Module:
    """A restorer that was trained under L1 for so many steps."""
    torch.manual_seed(0)
    patches = data_of(task)
    recipe = Recipe(network=NETWORK, steps=steps, batch=8, patch=48)
    module = SupervisedModule(network(NETWORK, patches.images.scale), loss("l1"), recipe)
    module.setup(single_process_fabric(recipe))
    for step in range(steps):
        module.training_step(patches.batch(8 * step, 8), step / steps)
    return module.restorer.eval()


@cache
def states(task: str, steps: int, side: int = SIDE) -> list[State]:
    """What a restorer makes of patches that it was not trained on; with 0 steps, the input itself."""
    prepared = prepare_data(Data(list(sample_images("color")), channels=3), TASKS[task])
    patches = PatchDataset(prepared.source, side, 1)
    restorer = trained(task, steps) if steps else None
    several = []
    for index in range(BATCHES):
        degraded, clean = patches.batch(BATCH * index, BATCH)
        with torch.no_grad():
            restored = restorer(degraded) if restorer else enlarged(degraded, clean)
        several.append(State(restored.clamp(0, 1), clean))
    return several


def enlarged(degraded: Tensor, clean: Tensor) -> Tensor:
    """The degraded pictures in the size of the clean ones."""
    if degraded.shape == clean.shape:
        return degraded
    return interpolate(degraded, clean.shape[-2:], mode="bicubic", antialias=False)


def measured(criterion: LossLike, several: Sequence[State], scale: float = 1.0) -> GradientShares:
    """The mean shares, norms and cosines over the states, whose pictures are multiplied by `scale` first."""
    looks = [gradient_shares(criterion, scale * state.restored, scale * state.target) for state in several]
    first = looks[0]
    return GradientShares(
        {term: fmean(look.shares[term] for look in looks) for term in first.shares},
        {term: fmean(look.norms[term] for look in looks) for term in first.norms},
        {pair: fmean(look.cosines[pair] for look in looks if pair in look.cosines) for pair in first.cosines},
    )


def in_one_piece(expression: str) -> Loss:
    """A sum whose summands have one term each, as one that is learned at several scales has not."""
    summands = loss(expression)
    assert isinstance(summands, SumLoss)
    first, *others = (CallableLoss(summand, brief(str(summand))) for summand in summands.losses)
    return sum(others, start=first)


def shown(expression: str) -> str:
    """An expression for a table, without the file of its weights."""
    return f"`{re.sub(r', weights=[^),]+', '', expression)}`"


def shares_text(shares: Sequence[float]) -> str:
    return " / ".join(map(percent, shares))


def cosine_text(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


# --- the papers ------------------------------------------------------------------------------------------------


def zhao(steps: int) -> Table:
    """Structure beside L1, in the three tasks of Zhao et al."""
    rows: Table = [("loss", "task", "of the input", f"after {steps} steps", "cosine", "equal at")]
    for expression, alpha, side in (
        ("0.84*ms_ssim + 0.16*l1", 0.84, 176),
        ("mix", 0.84, SIDE),
        ("mix_pl4nn", 0.025, SIDE),
    ):
        for task in list(TASKS)[:3]:
            before, after = (measured(expression, states(task, count, side)) for count in (0, steps))
            structure, pixels = after.norms.values()
            # a norm is proportional to the weight of its term
            equal = (pixels / (1 - alpha)) / (structure / alpha + pixels / (1 - alpha))
            rows.append(
                (
                    f"`{expression}`",
                    task,
                    shares_text(list(before.shares.values())),
                    shares_text(list(after.shares.values())),
                    cosine_text(next(iter(after.cosines.values()))),
                    f"{equal:.3f}",
                )
            )
    return rows


@dataclass(frozen=True)
class Content:
    """A content loss in the place of ESRGAN's."""

    expression: str
    words: str


def half_of_vgg19() -> str | None:
    """The name of a file with the first layers of VGG-19, if it is the one that there is."""
    file = next(network.file() for network in STYLE_NETWORKS if network.name == "vgg19")
    return file.name if file and "conv3_4" in file.name else None


def torchvision_factor(file: str) -> float:
    """What features of a VGG-19 file are multiplied by, to be as large as those of torchvision's file.

    Published networks are for images from 0 to 255, and their features 57 times larger; see `published_weights`.
    """
    _, square, _ = published_weights("vgg19", "relu2_2", 1.0, 1.0, 0.0, file)
    return square**0.5 / 57


def contents() -> Iterator[Content]:
    """The content losses whose weights are at hand."""
    candidates = [Content("features(vgg19, conv5_4)", "the paper's")]
    if file := half_of_vgg19():
        candidates += [
            Content(
                f"{torchvision_factor(file):.3g}*features(vgg19, conv3_4, weights={file})",
                "VGG-19, an earlier layer, in the scale of torchvision",
            ),
            Content(f"features(vgg19, conv3_4, weights={file})", "the same, in the scale of its file"),
        ]
    candidates += [
        Content("features(squeezenet1_1, fire9)", "SqueezeNet"),
        Content("20*mdf(sr)", "MDF, as `esrgan` without VGG-19"),
    ]
    return (content for content in candidates if is_at_hand(content.expression))


def is_at_hand(expression: str) -> bool:
    """Whether the weights of a loss are on this machine."""
    with suppress(LossmithError):
        loss(expression)(*torch.rand(2, 1, 3, 64, 64))
        return True
    return False


def esrgan(steps: int, gan_steps: int = 100) -> Table:
    """Content, adversarial and L1 in the weights 1, 0.005 and 0.01, with a new and a trained discriminator."""
    task = "super-resolution x4"
    rows: Table = [
        ("content loss", "what it is", "at first", f"after {gan_steps} steps", "content against `ragan`")
    ]
    recipe = Recipe(network=NETWORK, steps=gan_steps, batch=4, patch=64, learning_rate=1e-4)
    patches = PatchDataset(data_of(task).images, recipe.patch, 0)
    for content in contents():
        torch.manual_seed(0)
        restorer = network(NETWORK, 4)
        restorer.load_state_dict(trained(task, steps).state_dict())
        module = AdversarialModule(
            restorer,
            in_one_piece(f"{content.expression} + 0.01*l1"),
            discriminator("vgg_any(features=16)", recipe.patch),
            adversarial("ragan"),
            0.005,
            recipe,
        )
        looks = looks_of(module, patches, gan_steps, at=(0, gan_steps - 1))
        cosine = next(value for name, value in looks[-1].items() if name.startswith("cosine") and "ragan" in name)
        rows.append((shown(content.expression), content.words, *map(logged, looks), cosine_text(cosine)))
    return rows


def looks_of(
    module: SupervisedModule, patches: PatchDataset, steps: int, at: Sequence[int]
) -> list[dict[str, float]]:
    """The metrics of these steps of a training, the first of which is 0."""
    module.setup(single_process_fabric(module.recipe))
    batch, looks = module.recipe.batch, []
    for step in range(steps):
        module.looks = GradientLooks() if step in at else Never()
        values = module.training_step(patches.batch(batch * step, batch), step / steps)
        if step in at:
            looks.append({name: float(value) for name, value in values.items()})
    return looks


class Never(GradientLooks):
    """No looks."""

    def _is_due(self, progress: float) -> bool:
        return False


def logged(look: dict[str, float]) -> str:
    """The shares in the metrics of a step."""
    return shares_text([value for name, value in look.items() if name.startswith("share")])


def johnson(steps: int) -> Table:
    """Content, style and total variation in the weights 1, 5 and 1e-6, converted to [0, 1] and as they are."""
    photo, painting = (
        from_8bit(torch.from_numpy(read(name)[:160, 144:304].copy()).permute(2, 0, 1))[None]
        for name in ("astronaut", "ihc")
    )
    rows: Table = [("network", "weights", "values", "of the photograph", f"after {PAINTING_STEPS} steps")]
    for choice in STYLE_NETWORKS:
        if not (file := choice.file()):
            continue
        args = (choice.name, choice.content_layers)
        converted = published_weights(*args, 1.0, 5.0, 1e-6, str(file))
        for words, weights in (("converted", converted), ("as published", (1.0, 5.0, 1e-6))):
            criterion = StyleTransferLoss([painting], *args, choice.style_layers, *weights, weights=str(file))
            painted = optimized(photo, criterion)
            texts = [
                shares_text(list(gradient_shares(criterion, state, photo).shares.values()))
                for state in (photo, painted)
            ]
            rows.append((choice.name, words, " / ".join(f"{value:g}" for value in weights), *texts))
    return rows


PAINTING_STEPS = 50
"""Steps of Adam on the pixels of a photograph."""


def read(name: str) -> NDArray[np.uint8]:
    path = next(path for path in sample_images("color") if path.stem == name)
    return np.asarray(Image.open(path).convert("RGB"))


def optimized(photo: Tensor, criterion: nn.Module) -> Tensor:
    """A photograph after some steps of Adam on its pixels."""
    image = photo.clone().requires_grad_()
    adam = torch.optim.Adam([image], lr=0.02)
    for _ in range(PAINTING_STEPS):
        adam.zero_grad()
        criterion(image, photo).backward()
        adam.step()
    return image.detach()


def mdf(steps: int) -> Table:
    """The sums that MDF is compared with in its paper, and those of MDF that lossmith proposes."""
    rows: Table = [("loss", "task", "of the input", f"after {steps} steps", "cosine")]
    file = half_of_vgg19()
    vgg = (
        f"{0.01 * torchvision_factor(file):.2g}*features(vgg19, conv3_4, distance=l2, weights={file})"
        if file
        else ""
    )
    for expression, task in (
        ("l1 + mdf(jpeg)", "JPEG, quality 10"),
        ("l1 + mdf(sr)", "super-resolution x2"),
        ("l2 + lpips(squeeze)", "JPEG, quality 10"),
        ("l2 + 0.01*features(squeezenet1_1, fire5, distance=l2)", "JPEG, quality 10"),
        *([(f"l2 + {vgg}", "JPEG, quality 10")] if file else []),
    ):
        if not is_at_hand(expression):
            continue
        before, after = (measured(in_one_piece(expression), states(task, count)) for count in (0, steps))
        texts = [shares_text(list(look.shares.values())) for look in (before, after)]
        rows.append((shown(expression), task, *texts, cosine_text(next(iter(after.cosines.values())))))
    return rows


# --- what moves a weight ---------------------------------------------------------------------------------------


def moves(steps: int) -> Table:
    """The share of the second term of three sums, when one thing is different."""
    task = "JPEG, quality 10"
    sums = ("l1 + 0.1*ssim", "l1 + l2", "l1 + 0.01*features(squeezenet1_1, fire5)")
    of_255 = ("l1 + 0.1*ssim(data_range=255)", "l1 + l2", None)
    rows: Table = [("", *(f"`{text}`" for text in sums))]

    def row(words: str, several: Sequence[State], losses: Sequence[str | None] = sums, scale: float = 1.0) -> None:
        cells = (
            "" if text is None else percent(list(measured(text, several, scale).shares.values())[1])
            for text in losses
        )
        rows.append((words, *cells))

    row(f"JPEG pictures in [0, 1], patches of {SIDE}", states(task, 0))
    row("the same pictures from 0 to 255", states(task, 0), of_255, 255.0)
    row("patches of 32", states(task, 0, 32))
    row("patches of 176", states(task, 0, 176))
    row("bicubic pictures instead (x2)", states("super-resolution x2", 0))
    row("noise and mosaic instead", states("noise and mosaic", 0))
    for count in (steps // 3, steps):
        row(f"restored, after {count} steps of L1", states(task, count))
    return rows


def layers(steps: int) -> Table:
    """Features of one network by layer: their share at the weight 0.01, and the weight of equal shares."""
    task = "JPEG, quality 10"
    rows: Table = [("layer", "share at 0.01, of the input", f"after {steps} steps", "equal shares at")]
    for layer in ("fire2", "fire3", "fire5", "fire7", "fire9"):
        expression = f"l1 + 0.01*features(squeezenet1_1, {layer})"
        before, after = (measured(expression, states(task, count)) for count in (0, steps))
        pixels, features = after.norms.values()
        texts = (percent(list(look.shares.values())[1]) for look in (before, after))
        rows.append((f"`{layer}`", *texts, f"{0.01 * pixels / features:.2g}"))
    return rows


# --- percentages -----------------------------------------------------------------------------------------------


def example(steps: int) -> Table:
    """One sum by numbers and by percentages: what it was trained as, and its shares during the run."""
    patches = data_of("JPEG, quality 10")
    at = tuple(range(0, steps + 1, 100))
    rows: Table = [("loss", "as trained", *(f"step {step + 1}" for step in at))]
    features = "features(squeezenet1_1, fire5)"
    for expression in (
        f"0.8*l1 + 0.2*{features}",
        f"80%*l1 + 20%*{features}",
        f"80%*l1 + 20%*{features} always",
    ):
        torch.manual_seed(0)
        recipe = Recipe(network=NETWORK, steps=steps, batch=4, patch=48)
        module = SupervisedModule(network(NETWORK, 1), loss(expression), recipe)
        looks = looks_of(module, patches, steps + 1, at)
        rows.append((f"`{expression}`", f"`{as_numbers(module.loss)}`", *map(logged, looks)))
    return rows


def cost(steps: int, rounds: int = 40) -> Table:
    """What percentages and looks add to a step, in turns, in one process."""
    patches = data_of("JPEG, quality 10")
    rows: Table = [("loss", "a step", "measuring adds", "after the warm-up", "a look adds")]
    recipe = Recipe(network=NETWORK, steps=10_000, batch=8, patch=48)
    for first, second in (("l1", "ssim"), ("l1", "features(squeezenet1_1, fire5)")):
        modules = {
            "plain": SupervisedModule(network(NETWORK, 1), loss(f"0.8*{first} + 0.2*{second}"), recipe),
            "measuring": SupervisedModule(network(NETWORK, 1), loss(f"80%*{first} + 20%*{second} always"), recipe),
            "warm": SupervisedModule(network(NETWORK, 1), loss(f"80%*{first} + 20%*{second}"), recipe),
            "looking": SupervisedModule(network(NETWORK, 1), loss(f"0.8*{first} + 0.2*{second}"), recipe),
        }
        for module in modules.values():
            module.setup(single_process_fabric(recipe))
        end_warm_up(modules["warm"].loss)
        times: dict[str, list[float]] = {name: [] for name in modules}
        for index in range(rounds):
            batch = patches.batch(8 * index, 8)
            for name, module in modules.items():
                module.looks = GradientLooks() if name == "looking" else Never()
                begin = time.perf_counter()
                module.training_step(batch, 0.0)
                times[name].append(time.perf_counter() - begin)
        # neighbors in time are compared, since the machine is faster at some times than at others
        plain = times["plain"]
        added = {
            name: median(one / other - 1 for one, other in zip(several, plain, strict=True))
            for name, several in times.items()
        }
        texts = (f"{100 * max(0.0, added[name]):.0f} %" for name in ("measuring", "warm", "looking"))
        rows.append((f"`80%*{first} + 20%*{second}`", f"{1000 * median(plain):.0f} ms", *texts))
    return rows


TABLES: dict[str, Callable[[int], Table]] = {
    "zhao": zhao,
    "esrgan": esrgan,
    "johnson": johnson,
    "mdf": mdf,
    "moves": moves,
    "layers": layers,
    "example": example,
    "cost": cost,
}


def markdown(table: Table) -> str:
    head, *body = table
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def written(page: str, name: str, table: str) -> str:
    """A page with this table between its marks."""
    mark = f"<!-- table {name} -->\n"
    return re.sub(f"{mark}.*?<!-- end -->", lambda _: f"{mark}{table}\n<!-- end -->", page, flags=re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, help="Markdown page whose tables are written")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--steps", type=int, default=300, help="of L1, before the shares are measured again")
    arguments = parser.parse_args()
    for name in arguments.only:
        begin = time.monotonic()
        table = markdown(TABLES[name](arguments.steps))
        print(f"{name} ({time.monotonic() - begin:.0f} s)\n\n{table}\n", flush=True)
        if arguments.page:
            write_text(arguments.page, written(arguments.page.read_text("utf-8"), name, table))


if __name__ == "__main__":
    main()
