"""What is said of each metric."""

import re
from pathlib import Path

from lossmith.metrics.registry import METRICS, NO_REFERENCE_METRICS
from lossmith.report.definitions import AGREEMENT, definition

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_agreement_with_people_is_that_of_the_table() -> None:
    labels = {metric.label: name for name, metric in (METRICS | NO_REFERENCE_METRICS).items()}
    labels |= {"LPIPS (SqueezeNet)": "lpips_squeeze", "EfficientNet-Lite0": "efficientnet_lite0"}
    rows = re.findall(r"^\| ([^|]+) \| (0\.\d{3}) \(", DOCS.read_text("utf-8"), re.M)
    table = {labels[label.strip()]: float(value) for label, value in rows if label.strip() in labels}
    assert table == AGREEMENT


def test_every_metric_is_defined() -> None:
    for metric in (METRICS | NO_REFERENCE_METRICS).values():
        assert "as scored by lossmith" not in definition(metric)
