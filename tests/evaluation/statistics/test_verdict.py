"""The sentence that a person reads."""

import re

import numpy as np
import pytest

from lossmith.evaluation.results import DEGRADED, Difference, Ranking, Row
from lossmith.evaluation.statistics.ranking import differences, rankings
from lossmith.evaluation.statistics.verdict import verdict
from lossmith.metrics.registry import METRICS

PSNR, SSIM, GMSD, FSIM = (METRICS[name] for name in ("psnr", "ssim", "gmsd", "fsim"))


def ranking(metric, leaders, **means):
    order = tuple(sorted(means, key=means.get, reverse=metric.higher_is_better))
    return Ranking(metric, order, means, {}, leaders)


CASES = {
    "a winner": (
        [ranking(PSNR, ("mix",), mix=31.42, l1=31.21, l2=31.0)],
        [Difference("psnr", "mix", "l1", 0.21, 0.15, 0.27, 0.9, "undecided")],
        "mix wins on PSNR with 31.42 dB, 0.21 dB ahead of l1 (95 % interval 0.15 to 0.27).",
    ),
    "a winner where less is more": (
        [ranking(GMSD, ("mix",), mix=0.05, l1=0.06)],
        [Difference("gmsd", "mix", "l1", -0.01, -0.012, -0.008, 0.9, "undecided")],
        "mix wins on GMSD with 0.0500, 0.0100 ahead of l1 (95 % interval 0.0080 to 0.0120).",
    ),
    "a tie": (
        [ranking(PSNR, ("mix", "l1"), mix=31.42, l1=31.40, l2=31.0)],
        [Difference("psnr", "l1", "mix", -0.02, -0.05, 0.01, 0.4, "undecided")],
        "No clear winner on PSNR: mix (31.42 dB) is not distinguishable from l1 "
        "(0.02 dB behind; 95 % interval -0.01 to 0.05).",
    ),
    "a tie of three, not with the second": (
        [ranking(PSNR, ("mix", "l2", "tv"), mix=31.42, l1=31.40, l2=31.39, tv=31.38)],
        [Difference("psnr", "mix", "l2", 0.03, -0.05, 0.11, 0.6, "undecided")],
        "No clear winner on PSNR: mix (31.42 dB) is not distinguishable from l2 "
        "(0.03 dB behind; 95 % interval -0.05 to 0.11) or tv.",
    ),
    "a tie of many": (
        [ranking(PSNR, tuple("abcdef"), a=31.6, b=31.5, c=31.4, d=31.3, e=31.2, f=31.1)],
        [Difference("psnr", "a", "b", 0.1, -0.5, 0.7, 0.6, "undecided")],
        "No clear winner on PSNR: a (31.60 dB) is not distinguishable from b "
        "(0.10 dB behind; 95 % interval -0.50 to 0.70), c, d or 2 others.",
    ),
    "one method": (
        [ranking(PSNR, ("l1",), l1=31.2, degraded=28.0)],
        [Difference("psnr", "l1", DEGRADED, 3.2, 3.0, 3.4, 1.0, "undecided")],
        "l1 is alone, with 31.20 dB PSNR.",
    ),
    "a winner that may not have helped": (
        [ranking(PSNR, ("mix",), mix=31.42, degraded=31.4, l1=31.21)],
        [
            Difference("psnr", "mix", "l1", 0.21, 0.15, 0.27, 0.9, "undecided"),
            Difference("psnr", "mix", DEGRADED, 0.02, -0.1, 0.14, 0.5, "undecided"),
        ],
        "mix wins on PSNR with 31.42 dB, 0.21 dB ahead of l1 (95 % interval 0.15 to 0.27), "
        "but it is not distinguishable from the degraded input.",
    ),
    "a tie that may not have helped": (
        [ranking(PSNR, ("mix", "l1"), mix=31.42, l1=31.40, degraded=31.39)],
        [
            Difference("psnr", "mix", "l1", 0.02, -0.01, 0.05, 0.6, "undecided"),
            Difference("psnr", "mix", DEGRADED, 0.03, -0.1, 0.16, 0.5, "undecided"),
        ],
        "No clear winner on PSNR: mix (31.42 dB) is not distinguishable from l1 "
        "(0.02 dB behind; 95 % interval -0.01 to 0.05), nor from the degraded input.",
    ),
    "nobody helped": (
        [ranking(PSNR, (DEGRADED,), degraded=31.0, l1=30.0, l2=29.0)],
        [Difference("psnr", "l1", DEGRADED, -1.0, -1.2, -0.8, 0.0, "undecided")],
        "No method reaches the degraded input on PSNR: it has 31.00 dB, 1.00 dB ahead of l1 "
        "(95 % interval 0.80 to 1.20).",
    ),
    "nobody is known to have helped": (
        [ranking(PSNR, (DEGRADED, "l1"), degraded=31.0, l1=30.9)],
        [Difference("psnr", "l1", DEGRADED, -0.1, -0.3, 0.1, 0.4, "undecided")],
        "No method is known to beat the degraded input on PSNR: it has 31.00 dB, 0.10 dB ahead of l1 "
        "(95 % interval -0.10 to 0.30).",
    ),
    "only the input": (
        [ranking(PSNR, (DEGRADED,), degraded=31.0)],
        [],
        "Only the degraded input was scored, with 31.00 dB PSNR.",
    ),
    "one image": (
        [ranking(PSNR, ("mix", "l1"), mix=31.4, l1=31.2)],
        [Difference("psnr", "mix", "l1", 0.2, float("nan"), float("nan"), 1.0, "undecided")],
        "No clear winner on PSNR: mix (31.40 dB) is not distinguishable from l1 "
        "(0.20 dB behind; one image and one seed give no interval).",
    ),
    "a tiny margin": (
        [ranking(PSNR, ("mix",), mix=31.4203, l1=31.42)],
        [Difference("psnr", "mix", "l1", 0.0003, 0.0002, 0.0004, 1.0, "undecided")],
        "mix wins on PSNR with 31.42 dB, 0.0003 dB ahead of l1 (95 % interval 0.0002 to 0.0004).",
    ),
    "other metrics": (
        [
            ranking(SSIM, ("mix",), mix=0.9, l1=0.8),
            ranking(PSNR, ("mix",), mix=31.4, l1=31.2),
            ranking(GMSD, ("l1",), mix=0.2, l1=0.1),
            ranking(FSIM, ("l1", "mix"), mix=0.9, l1=0.91),
        ],
        [Difference("psnr", "mix", "l1", 0.2, 0.1, 0.3, 1.0, "undecided")],
        "mix wins on PSNR with 31.40 dB, 0.20 dB ahead of l1 (95 % interval 0.10 to 0.30). "
        "mix also wins on SSIM; l1 wins on GMSD; FSIM has no clear winner.",
    ),
    "other metrics where nobody helped": (
        [
            ranking(PSNR, ("l1",), l1=31.2, degraded=29.0),
            ranking(SSIM, (DEGRADED,), l1=0.8, degraded=0.9),
            ranking(GMSD, (DEGRADED, "l1"), l1=0.2, degraded=0.1),
        ],
        [],
        "l1 is alone, with 31.20 dB PSNR. No method is known to beat the degraded input on SSIM and GMSD.",
    ),
    "nothing": ([], [], "Nothing could be compared: no method has scores for every image and seed."),
}  # fmt: skip


@pytest.mark.parametrize(("standings", "pairs", "sentence"), CASES.values(), ids=CASES.keys())
def test_verdict_sentences(standings, pairs, sentence):
    assert verdict(standings, pairs) == sentence


def test_verdict_of_simulated_rows():
    rng = np.random.default_rng(0)
    base = rng.normal(30, 3, 14)
    rows = [
        Row(f"{p}", method, seed, {"psnr": base[p] + gain + rng.normal(0, 0.02), "ssim": 0.9 + gain / 100})
        for method, gain in (("l2", 1.0), ("mix", 1.3))
        for seed in range(3)
        for p in range(14)
    ]
    rows += [Row(f"{p}", DEGRADED, 0, {"psnr": base[p], "ssim": 0.9}) for p in range(14)]
    standings = rankings(rows, [PSNR, SSIM])
    words = verdict(standings, differences(rows, PSNR))
    pattern = r"mix wins on PSNR with 3\d\.\d\d dB, 0\.3\d dB ahead of l2 \(95 % interval 0\.\d\d to 0\.\d\d\)\. "
    assert re.fullmatch(pattern + r"mix also wins on SSIM\.", words)
