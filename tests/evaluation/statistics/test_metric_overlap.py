"""Which losses were trained on what a metric measures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossmith.evaluation.statistics.metric_overlap import MEASURED, optimizes_metric
from lossmith.losses import LOSSES, PRESETS
from lossmith.losses.registry import CATALOGUE
from lossmith.metrics.registry import METRICS

CASES = [
    ("l1", "l1", True),
    ("l1", "l2", False),
    ("l2", "psnr", True),
    ("l1", "psnr", False),
    ("ssim", "ssim", True),
    ("ssim", "iw_ssim", False),
    ("mix", "ssim", True),
    ("mix(alpha=0.5)", "l1", True),
    ("0.84*ms_ssim_sigmas + 0.16*charbonnier", "ms_ssim", True),
    ("l1 until 50% then l2", "l2", True),
    ("charbonnier + 0.5*(l1 until 50% then 2*lpips(vgg))", "lpips_alex", True),
    ("lpips", "lpips_squeeze", True),
    ("lpips", "dists", False),
    ("dists(weights=random)", "dists", True),
    # a network in common is not yet the same measure
    ("features(squeezenet1_1, fire3)", "lpips_squeeze", False),
    ("l2 + 0*l1", "l1", False),
    ("torch.nn:L1Loss", "l1", False),
    ("object of my.losses:SSIM", "ssim", False),
    ("", "l1", False),
]


@pytest.mark.parametrize(("loss", "metric", "expected"), CASES)
def test_optimizes_metric_finds_the_metric_inside_a_loss(loss: str, metric: str, expected: bool) -> None:
    assert optimizes_metric(loss, metric) is expected


@given(st.sampled_from(sorted(MEASURED)), st.sampled_from(sorted(MEASURED)), st.sampled_from(sorted(METRICS)))
def test_a_sum_optimizes_the_metrics_of_its_terms(first: str, second: str, metric: str) -> None:
    either = optimizes_metric(first, metric) or optimizes_metric(second, metric)
    assert optimizes_metric(f"{first} + 0.5*{second}", metric) is either
    assert optimizes_metric(f"{first} until 30% then {second}", metric) is either


def test_every_loss_and_metric_of_the_overlap_table_exists() -> None:
    assert MEASURED.keys() <= CATALOGUE.keys()
    assert {stem for stems in MEASURED.values() for stem in stems} <= {*METRICS, "lpips", "dists"}
    # a preset is marked as the loss that it is
    for name in PRESETS:
        assert MEASURED.get(name) == MEASURED.get(LOSSES["mix"].name)
