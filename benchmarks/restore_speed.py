"""The speed of restoring beside plain PyTorch with the same weights, and the difference of the results.

    python benchmarks/restore_speed.py [--side 128] [--rounds 5] [--blocks 23] [--threads 2]

RRDBNet is spandrel's own, opened by both sides from the same file; SRResNet is ours. One process, all in turn in
every round, each called twice and timed the second time; medians. "plain" is the module under no_grad;
"channels-last" the fastest arrangement known for float32 (channels-last weights and input, inference mode).
"lossmith" is the engine of `lossmith restore`, with its copies from and to the CPU and its retained buffers, in
float32 and in the half precisions that the device supports in hardware.
"""

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from lossmith.core.devices import best_device, device_name, synchronize
from lossmith.models.model_file import save_model
from lossmith.networks import network
from lossmith.restoration import TorchEngine, load_engine, retained_buffers
from lossmith.restoration.half_precision import agreement, faster_precisions

Contender = Callable[[Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128, help="side of the tile, in input pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--blocks", type=int, default=23, help="blocks of the RRDBNet")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{device_name()}, torch {torch.__version__}, tile of {options.side} x {options.side}")
    image = torch.rand((1, 3, options.side, options.side), generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        for title, rival, engine in (rrdbnet(Path(folder), options.blocks), srresnet(Path(folder))):
            report(title, contenders(rival, engine), image, options.rounds)


def rrdbnet(folder: Path, blocks: int) -> tuple[str, nn.Module, TorchEngine]:
    """spandrel's network with random weights, and our engine for its file; without spandrel, our own network."""
    torch.manual_seed(0)
    restorer = network(f"rrdbnet(blocks={blocks})", 4)
    if find_spec("spandrel") is None:
        path = folder / "4x-rrdbnet.safetensors"
        save_model(path, restorer, {"network": f"rrdbnet(blocks={blocks})", "scale": 4})
        return f"RRDBNet x4, {blocks} blocks (rival: the module itself)", restorer, torch_engine(path)
    from spandrel import ModelLoader
    from spandrel.architectures.ESRGAN import ESRGANArch  # its builder gives the network for a state dict

    path = folder / "4x-rrdbnet.pth"
    torch.save(restorer.state_dict(), path)
    rival = ModelLoader("cpu").load_from_file(path)
    assert isinstance(rival.architecture, ESRGANArch)
    return f"RRDBNet x4, {blocks} blocks (rival: spandrel)", rival.model, torch_engine(path)


def srresnet(folder: Path) -> tuple[str, nn.Module, TorchEngine]:
    torch.manual_seed(0)
    net = network("srresnet", 4)
    path = folder / "4x-srresnet.safetensors"
    save_model(path, net, {"network": "srresnet", "scale": 4})
    return "SRResNet x4 (rival: the module itself)", net, torch_engine(path)


def torch_engine(path: Path) -> TorchEngine:
    engine = load_engine(path)
    assert isinstance(engine, TorchEngine)
    return engine.on(best_device())


def contenders(rival: nn.Module, engine: TorchEngine) -> dict[str, Contender]:
    device = best_device()
    plain = copy.deepcopy(rival).eval().to(device)
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last)

    def run_plain(image: Tensor) -> Tensor:
        with torch.no_grad():
            output: Tensor = plain(image.to(device)).cpu()
        return output

    def run_channels_last(image: Tensor) -> Tensor:
        with torch.inference_mode():
            output: Tensor = last(image.to(device).contiguous(memory_format=torch.channels_last)).cpu()
        return output

    runners: dict[str, Contender] = {
        "plain": run_plain,
        "channels-last": run_channels_last,
        "lossmith float32": engine,
    }
    for precision in faster_precisions(device):
        runners[f"lossmith {precision}"] = engine.computing_in(precision)
    return runners


def rows(runners: dict[str, Contender], image: Tensor, rounds: int) -> list[list[str]]:
    """Of each: its name, the median time in ms, the speed beside plain, and how far the result is from plain's."""
    results = {name: run(image) for name, run in runners.items()}  # warm-up too
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            with retained_buffers() if name.startswith("lossmith") else nullcontext():
                run(image)  # as in an image of many tiles
                synchronize()
                start = time.perf_counter()
                run(image)
                synchronize()
                times[name].append(time.perf_counter() - start)
    exact, slowest = results["plain"], statistics.median(times["plain"])
    table = []
    for name, seconds in times.items():
        median = statistics.median(seconds)
        difference = float((results[name] - exact).abs().max() / exact.abs().max())
        same = agreement(results[name], exact)
        table.append([name, f"{1000 * median:.1f}", f"{slowest / median:.2f}", f"{difference:.1e}", f"{same:.2%}"])
    return table


def report(title: str, runners: dict[str, Contender], image: Tensor, rounds: int) -> None:
    print(f"\n{title}\n{'':20}  {'median':>9}  {'speed':>6}  {'largest difference':>18}  8-bit values the same")
    for name, median, speed, difference, same in rows(runners, image, rounds):
        print(f"{name:20}  {median:>6} ms  {speed:>5}x  {difference:>18}  {same}")


if __name__ == "__main__":
    main()
