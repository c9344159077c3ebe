"""Learn what tells a picture from its restoration under L1: the filters and the weights that the study compares.

    python benchmarks/learn_texture.py filters --restorer base.pt --degradation "bicubic(4)" --out sr.safetensors
    python benchmarks/learn_texture.py fisher --bands laplace --restorer base.pt --out fisher.safetensors

Of one photograph of scikit-image, and of the study's restorer that was trained under L1. `filters` trains
filters of 5 x 5 pixels, at full and at half size, so that a small head tells restored crops from clean ones by the
logarithms of their deviations in windows. `fisher` gives every feature map of given bands the weight by which it
tells the picture from its restoration: the squared mean of the paired difference over its variance.
"""

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from learned_losses import NETWORKS
from lossmith.data import read_image, sample_images
from lossmith.degradations import degradation, from_8bit
from lossmith.networks import network
from texture_losses import FLOOR, Filters, bands_of, deviations

PICTURE = "motorcycle_left"


def pair(expression: str, restorer_file: Path) -> tuple[Tensor, Tensor]:
    """The picture and its restoration, (1, 3, H, W)."""
    path = next(path for path in sample_images("train") if path.stem == PICTURE)
    degrade = degradation(expression)
    clean = from_8bit(read_image(path))
    clean = clean[..., : clean.shape[-2] // 8 * 8, : clean.shape[-1] // 8 * 8]
    restorer = network(NETWORKS[degrade.scale > 1], degrade.scale)
    restorer.load_state_dict(torch.load(restorer_file))
    with torch.no_grad():
        return clean[None], restorer(degrade(clean)[None]).clamp(0, 1)


def crops(images: list[Tensor], count: int, side: int, random: torch.Generator) -> Tensor:
    """The same crops of all images, turned alike: (images * count, 3, side, side)."""
    cut = []
    for _ in range(count):
        top, left = (int(torch.randint(n - side, (), generator=random)) for n in images[0].shape[-2:])
        flip, turn = (int(torch.randint(n, (), generator=random)) for n in (2, 4))
        patch = torch.cat(images)[..., top : top + side, left : left + side]
        cut.append((patch.flip(-1) if flip else patch).rot90(turn, (-2, -1)))
    return torch.stack(cut, 1).flatten(0, 1)


def learn_filters(clean: Tensor, restored: Tensor, count: int, steps: int, seed: int, worse: bool) -> Filters:
    """Filters that name clean crops and restored ones; with `worse` also sharpened, noisy and gridded ones."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    images = [clean, restored]
    if worse:
        detail = restored - F.avg_pool2d(restored, 5, 1, 2)
        grid = torch.zeros_like(clean)
        grid[..., ::4, ::4] = 0.04
        images += [
            restored + detail,
            restored + 0.02 * torch.randn(clean.shape, generator=random),
            restored + grid,
        ]
    filters = Filters(count=count, classes=len(images))
    optimizer = torch.optim.Adam(filters.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, steps)
    labels = torch.arange(len(images)).repeat_interleave(8)
    for step in range(steps):
        scores = filters.scores(crops(images, 8, 48, random))
        value = F.cross_entropy(scores.float(), labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            right = (scores.argmax(1) == labels).float().mean()
            print(f"step {step + 1}: {value:.3f}, right {right:.2f}", flush=True)
    return filters


def fisher(bands: nn.Module, clean: Tensor, restored: Tensor, window: int) -> dict[str, Tensor]:
    """The weight of every channel of every map."""
    weights = {}
    with torch.no_grad():
        for number, (x, y) in enumerate(zip(bands(restored), bands(clean), strict=True)):
            scale = y.std((0, 2, 3), keepdim=True) + 1e-6
            gap = [(deviations(z / scale, window) + FLOOR).log() for z in (y, x)]
            difference = gap[0] - gap[1]
            weights[str(number)] = difference.mean((0, 2, 3)).square() / difference.var((0, 2, 3))
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("filters", "fisher"))
    parser.add_argument("--degradation", default="bicubic(4)")
    parser.add_argument("--restorer", type=Path, required=True)
    parser.add_argument("--bands", default="laplace")
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worse", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    start = time.perf_counter()
    clean, restored = pair(options.degradation, options.restorer)
    if options.what == "filters":
        filters = learn_filters(clean, restored, options.count, options.steps, options.seed, options.worse)
        save_file({name: t.contiguous() for name, t in filters.state_dict().items()}, options.out)
    else:
        weights = fisher(bands_of(options.bands), clean, restored, options.window)
        print({name: [round(v, 2) for v in w.tolist()] for name, w in weights.items()})
        save_file(weights, options.out)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
