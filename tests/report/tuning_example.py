"""A search that was never run: scores from a known trade-off between distortion and perception."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lossmith.metrics.registry import known_metric
from lossmith.report import (
    FrontMember,
    ImageComparison,
    ScoreMean,
    SearchRange,
    TuningContents,
    TuningTrial,
)

from .conftest import imitation, jpeg, photographs

LOSS = "l1 + W*features(squeezenet1_1, fire5) + V*tv"
RANGES = (SearchRange("W", "0.001..1 log", logarithmic=True), SearchRange("V", "0..0.1"))
SCORES = {"psnr": 28.0, "lpips_squeeze": 0.2, "ssim": 0.82}


def expression(values: dict[str, float]) -> str:
    return f"l1 + {values['W']:g}*features(squeezenet1_1, fire5) + {values['V']:g}*tv"


def scores_of(values: dict[str, float], seed: int) -> dict[str, float]:
    """A larger W looks better and is less true; V does harm to both."""
    pull = (math.log10(values["W"]) + 3) / 3
    noise = np.random.default_rng(seed).normal(0, 0.03, 2)
    return {
        "psnr": float(28.4 - 1.2 * pull**2 - 5 * values["V"] + noise[0]),
        "lpips_squeeze": float(0.26 - 0.1 * math.sqrt(pull) + 0.5 * values["V"] + 0.02 * noise[1]),
    }


def trial(number: int) -> TuningTrial:
    rng = np.random.default_rng(number)
    values = {"W": float(f"{10 ** rng.uniform(-3, 0):.3g}"), "V": float(f"{rng.uniform(0, 0.1):.3g}")}
    scores, seconds = scores_of(values, number), 21.5 + number / 10
    if number % 11 == 5:
        return TuningTrial(number, values, expression(values), "failed", {}, 4.0, "the loss became NaN at step 12")
    if number % 4 == 3:
        lower = {"psnr": scores["psnr"] - 0.6, "lpips_squeeze": scores["lpips_squeeze"] + 0.03}
        note = "at half of its budget trial 0 had been better in every goal"
        return TuningTrial(number, values, expression(values), "pruned", lower, seconds / 2, note)
    return TuningTrial(number, values, expression(values), "complete", scores, seconds)


def member(origin: TuningTrial, goals: Sequence[str], on_front: bool = True, reason: str = "") -> FrontMember:
    means = {name: origin.scores[name] - (0.05 if name == "psnr" else -0.002) for name in goals}
    widths = {"psnr": 0.08, "lpips_squeeze": 0.004, "ssim": 0.003}
    validation = {name: ScoreMean(mean, mean - widths[name], mean + widths[name]) for name, mean in means.items()}
    test = {
        name: ScoreMean(mean, mean - 6 * widths[name], mean + 6 * widths[name])
        for name, mean in {**SCORES, **means}.items()
    }
    return FrontMember(
        origin.number, origin.values, origin.loss, validation, test, (1, 2, 3), on_front, reason, 53.2, 23.0
    )


def undominated(trials: Sequence[TuningTrial], goals: Sequence[str]) -> list[TuningTrial]:
    """The complete trials that no other is better than in one goal and as good as in all, best PSNR first."""
    gains = {
        t.number: [t.scores[g] * (1 if known_metric(g).higher_is_better else -1) for g in goals]
        for t in trials
        if t.state == "complete"
    }
    front = [
        n
        for n, own in gains.items()
        if not any(
            other != own and all(a >= b for a, b in zip(other, own, strict=True)) for other in gains.values()
        )
    ]
    return sorted((t for t in trials if t.number in front), key=lambda t: -t.scores["psnr"])


def search_example(goals: Sequence[str] = ("psnr", "lpips_squeeze"), count: int = 40) -> TuningContents:
    """Forty trials; with several goals four of the front trained again, of which one falls off it."""
    trials = [trial(number) for number in range(count)]
    front = undominated(trials, goals)
    if len(goals) > 1:
        chosen = [front[round(place * (len(front) - 1) / 3)] for place in range(4)]
        members = [member(origin, goals) for origin in chosen]
        members[2] = replace(
            members[2], on_front=False, reason=f"trial {members[1].trial} is better in both goals"
        )
    else:
        ranked = sorted((t for t in trials if t.state == "complete"), key=lambda t: -t.scores[goals[0]])[:3]
        members = [member(t, goals, not i, "" if not i else "another is better") for i, t in enumerate(ranked)]
    comparisons = [
        ImageComparison(
            name,
            target,
            jpeg(target),
            {m.name: imitation(target, jpeg(target), index, 0) for index, m in enumerate(members)},
        )
        for name, target in photographs().items()
    ]
    return TuningContents(
        loss=LOSS,
        ranges=RANGES,
        goals=[known_metric(name) for name in goals],
        trials=trials,
        members=members,
        metrics=[known_metric(name) for name in (*goals, "ssim")],
        comparisons=comparisons,
        degradation="jpeg(10)",
        network="srresnet_small",
        budget="400 steps per run",
        protocol="RGB, no crop, rounded to 8 bits",
        command=f"lossmith tune photos --loss '{LOSS}' --search 'W=0.001..1 log' --goals {' '.join(goals)}",
        environment={"Device": "CPU, 2 cores", "Sampler": "TPE, seed 0"},
        images=14,
        degraded={"psnr": 26.9, "lpips_squeeze": 0.31, "ssim": 0.79},
        notes=["the goal lpips_squeeze looks through the network of the loss"],
    )
