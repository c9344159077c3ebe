"""The page that explains verdicts is true."""

import re
from pathlib import Path

from lossmith.metrics.registry import METRICS, find_metric, known_metric

PAGE = (Path(__file__).parents[3] / "docs" / "verdict.md").read_text(encoding="utf-8")


def test_the_margins_are_those_of_the_registry():
    table = PAGE.partition("| metric | margin |")[2].partition("\n\n")[0]
    margins = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE)[1:])
    names = [*METRICS, "niqe", "lpips_alex", "lpips_squeeze", "lpips_vgg", "dists", "efficientnet_lite0"]
    metrics = [known_metric(name) for name in names]
    assert margins == {metric.label: f"{metric.margin:g} {metric.unit}".strip() for metric in metrics}


def test_the_metrics_of_goals_are_those_of_the_registry():
    for goal, name in (("fidelity", "psnr"), ("structure", "fsimc"), ("perception", "niqe")):
        assert find_metric(name).goal == goal
        assert find_metric(name).label in PAGE.partition(f"| {goal} |")[2].partition("\n")[0]
