"""Time and memory of the restorers that come with lossmith on a photograph of 12 megapixels.

    python benchmarks/restore_twelve_megapixels.py [--size 4000x3000] [--tasks jpeg x2] [--threads 2]

Each row is `lossmith restore PICTURE --task TASK` in a process of its own, from its start to its end, and the most
memory that the process held at a time. The pictures are made of scikit-image's astronaut, enlarged and repeated:
of the given size for jpeg and denoise; for x2 and x4 of that size, and so small that the result has it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data

from lossmith.core.devices import device_name

METER = """
import os, resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
size = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, size / 1e9)
"""
"""Runs a command. It is small, since what a process held before it became a command counts as the command's."""
SCALES = {"jpeg": 1, "denoise": 1, "x2": 2, "x4": 4}


@dataclass(frozen=True)
class Measurement:
    """What a process took."""

    seconds: float
    processor_seconds: float
    gigabytes: float
    """The most memory that it held, its pages of mapped files included."""


def picture(path: Path, width: int, height: int) -> None:
    """A photograph of a size: detail, noise of its own, and no place like another."""
    astronaut = np.asarray(Image.fromarray(data.astronaut()).resize((1024, 1024), Image.Resampling.BICUBIC))
    rows, columns = -(-height // 1024), -(-width // 1024)
    pixels = np.tile(astronaut, (rows, columns, 1))[:height, :width].astype(np.int16)
    pixels += np.random.default_rng(0).integers(-4, 5, pixels.shape, dtype=np.int16)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, compress_level=1)


def measure(image: Path, task: str, out: Path, threads: int) -> Measurement:
    """Restore an image by the command line, in a process of its own."""
    command = [sys.executable, "-m", "lossmith", "restore", str(image), "--task", task, "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    meter = [sys.executable, "-c", METER, *command, "--no-progress"]
    process = subprocess.run(meter, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Measurement(*map(float, process.stdout.split()[-3:]))


def cases(tasks: list[str], width: int, height: int) -> list[tuple[str, int, int]]:
    """Each task with the sizes of its pictures; what enlarges has two."""
    rows = []
    for task in tasks:
        scale = SCALES[task]
        rows += [(task, width // scale, height // scale)] + ([(task, width, height)] if scale > 1 else [])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="4000x3000", help="WIDTHxHEIGHT in pixels")
    parser.add_argument("--tasks", nargs="+", choices=SCALES, default=list(SCALES))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    print(f"{device_name()}, {options.threads} thread(s), torch {torch.__version__}\n")
    print("| task | picture | result | seconds | processor seconds | most memory, GB |")
    print("| --- | --- | --- | ---: | ---: | ---: |", flush=True)
    for task, wide, tall in cases(options.tasks, width, height):
        with tempfile.TemporaryDirectory() as name:
            image, scale = Path(name) / "picture.png", SCALES[task]
            picture(image, wide, tall)
            took = measure(image, task, Path(name) / "result.png", options.threads)
        sizes = f"{wide} x {tall} | {wide * scale} x {tall * scale}"
        times = f"{took.seconds:.0f} | {took.processor_seconds:.0f} | {took.gigabytes:.1f}"
        print(f"| {task} | {sizes} | {times} |", flush=True)


if __name__ == "__main__":
    main()
