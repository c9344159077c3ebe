"""A benchmark of your own for `lossmith study`: a small network learns to remove noise.

    lossmith study --data benchmarks/ --benchmarks custom_benchmark:Denoising --networks squeezenet1_1

with clean pictures in benchmarks/denoising/train/ and benchmarks/denoising/test/.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from lossmith.core.devices import best_device
from lossmith.data import Data, PatchDataset, PreparedData, prepare_data, write_image
from lossmith.evaluation import Row
from lossmith.metrics import find_metric, psnr
from lossmith.studies import Configuration, Scale
from lossmith.studies.fitting import fit

STEPS = {"tiny": 2, "small": 500, "full": 20_000}


class Denoising:
    """Removes noise from pictures; the folder has clean ones in `train` and `test`."""

    name = "denoising"
    title = "Denoising"
    baseline = "mean squared error of pixels"
    metrics = (find_metric("psnr"),)
    image_note = "Noisy test pictures, as each network restores them."

    def open(self, folder: Path, scale: Scale) -> PreparedData:
        """The data for all runs; an object of your own needs `fingerprint`, a mapping of what is in the files."""
        return prepare_data(Data([folder / "train"], test=[folder / "test"]), "noise(25)")

    def run(
        self, configuration: Configuration, seed: int, data: PreparedData, folder: Path, scale: Scale
    ) -> list[Row]:
        """Train with one layer of one network, and give a score for each test picture."""
        device, patches = best_device(), PatchDataset(data.source, patch=48, seed=seed)
        torch.manual_seed(seed)
        layers = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 3, 3, padding=1)]
        network = nn.Sequential(*layers).to(device)
        loss = configuration.loss("weights").to(device) if configuration.network else nn.MSELoss()

        def objective(step: int) -> Tensor:
            noisy, clean = (part.to(device) for part in patches.batch(4 * step, 4))
            return loss(noisy - network(noisy), clean)

        fit(network, objective, STEPS[scale], folder / "training.ckpt", configuration.name)
        rows = []
        for pair in data.test_pairs:
            noisy, clean = (part[None].to(device) for part in (pair.degraded, pair.clean))
            with torch.no_grad():
                restored = (noisy - network(noisy)).clamp(0, 1)
            write_image(folder / "images" / f"{pair.name}.png", restored[0])
            rows.append(Row(pair.name, configuration.name, seed, {"psnr": psnr(restored, clean).item()}))
        return rows

    def originals(self, data: PreparedData, item: str) -> dict[str, Tensor]:
        """What the page shows beside the pictures of an item; {} for nothing."""
        return next({"original": pair.clean} for pair in data.test_pairs if pair.name == item)
