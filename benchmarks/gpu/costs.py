"""The cost of feature losses, and the speed of restoring, beside other packages where they are installed."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import features_cost
import restore_speed
from gpu.inputs import DEVICE
from gpu.tables import Page, reason_of

ORDER = (
    "vgg19_conv5_4",
    "lpips_alex",
    "dists",
    "style",
    "lpips_squeeze",
    "lpips_vgg",
    "vgg16_relu2_2",
    "contextual",
)
ROUNDS = 7


def run(page: Page, tiny: bool) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        restoring(page, folder, tiny)
        feature_losses(page, folder, tiny)


def restoring(page: Page, folder: Path, tiny: bool) -> None:
    """RRDBNet and SRResNet, as they come and by the engine of `restore`."""
    side, blocks, rounds = (16, 1, 1) if tiny else (256, 23, 5)
    cases = [lambda: restore_speed.rrdbnet(folder, blocks), lambda: restore_speed.srresnet(folder)]
    image = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(0))
    page.section("The speed of restoring", f"A tile of {side} x {side}, with the copies from and to the CPU.")
    for case in cases[: 1 if tiny else None]:
        try:
            title, rival, engine = case()
            page.line(f"{title}:\n")
            page.columns("by", "ms", "times as fast as plain", "largest difference", "8-bit values the same")
            for row in restore_speed.rows(restore_speed.contenders(rival, engine), image, rounds):
                page.row(*row)
        except Exception as error:
            page.line(reason_of(error))
            page.fault(reason_of(error))
        page.line()


def feature_losses(page: Page, folder: Path, tiny: bool) -> None:
    """Time and errors of the losses on features, forward and backward."""
    files = features_cost.weight_files(folder, ("squeezenet1_1",) if tiny else features_cost.NETWORKS)
    page.section("Feature losses, forward and backward", "Random weights, which cost what the usual ones cost.")
    for name in ("lpips_squeeze",) if tiny else ORDER:
        if tiny:
            features_cost.ENTRIES[name] = features_cost.tiny(features_cost.ENTRIES[name])
        try:
            rounds = 1 if tiny else ROUNDS
            measured = {"seconds": features_cost.seconds(name, files, DEVICE.type, rounds, compiled=False)}
            measured["off"] = features_cost.relative_errors(name, files, DEVICE.type, compiled=False)
            page.line(features_cost.table(name, measured))
        except Exception as error:
            page.line(f"{name}: {reason_of(error)}\n")
            page.fault(f"{name}: {reason_of(error)}")
