"""Importing the training room loads Lightning Fabric alone."""

import subprocess
import sys

PROGRAM = """
import sys
import lossmith.training.fabric
loaded = {"torchmetrics", "torchvision", "pytorch_lightning"} & set(sys.modules)
import torchmetrics
print(sorted(loaded), torchmetrics.Metric.__name__)
"""


def test_what_fabric_does_not_need_is_not_imported_and_can_be_later() -> None:
    process = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert process.stdout == "[] Metric\n", process.stderr
