"""How much `--deflicker` lowers the flicker of a network that was never told about time.

    python benchmarks/video_flicker.py

A disc moves over a still photograph with a little noise; each frame goes through a random network with instance
normalization, which answers the disc everywhere.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data
from torch import nn

from lossmith.restoration import TorchEngine
from lossmith.video import Deflicker, FramePainter, flicker

FRAMES = 24


def scene() -> Iterator[NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    ground = data.astronaut()[::2, ::2].astype(np.int64)
    rows, columns = np.mgrid[: ground.shape[0], : ground.shape[1]]
    for number in range(FRAMES):
        frame = ground + random.integers(-2, 3, ground.shape)
        frame[(rows - 60) ** 2 + (columns - 40 - 6 * number) ** 2 < 900] = 255
        yield frame.clip(0, 255).astype(np.uint8)


def main() -> None:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 16, 9, padding=4), nn.InstanceNorm2d(16), nn.ReLU(), nn.Conv2d(16, 3, 9, padding=4)
    painter = FramePainter(TorchEngine(nn.Sequential(*layers, nn.Sigmoid()), 1))
    frames = list(scene())
    painted = [painter(frame) for frame in frames]
    for strength in (0.0, 0.5, 0.8, 0.9):
        deflicker = Deflicker(strength)
        results = [np.round(255 * deflicker(*pair)).astype(np.uint8) for pair in zip(frames, painted, strict=True)]
        print(f"--deflicker {strength}: {flicker(frames, results):.2f}")


if __name__ == "__main__":
    main()
