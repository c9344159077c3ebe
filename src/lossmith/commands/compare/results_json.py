"""The results of a tournament as JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lossmith.core.files import write_text
from lossmith.evaluation import Advice, GoalAdvice, MeanPulls, Ranking
from lossmith.evaluation.statistics.metric_overlap import optimizes_metric
from lossmith.report import LossResult, ReportData


def write_json(path: Path, contents: ReportData) -> None:
    """Write `results.json`."""
    plain = {
        "verdict": contents.verdict,
        "advice": _advice(contents.advice),
        "margins": {
            ranking.metric.name: contents.advice.criteria.margin(ranking.metric) for ranking in contents.rankings
        },
        "race": [
            {
                "seeds": dict(look.seeds),
                "training_seconds": look.seconds,
                "advice": _advice(look.advice),
                "ending": look.ending,
            }
            for look in contents.race
        ],
        "rates": [asdict(trial) for trial in contents.rates],
        "degradation": contents.degradation,
        "network": contents.network,
        "budget": contents.budget,
        "protocol": contents.protocol,
        "command": contents.command,
        "seeds": contents.seeds,
        "environment": contents.environment,
        "notes": [*contents.notes, *contents.curve_notes],
        "losses": [
            {
                **{key: value for key, value in asdict(result).items() if key not in ("curves", "pulls")},
                **_mean_pulls(result),
                "optimizes_metric": [
                    ranking.metric.name
                    for ranking in contents.rankings
                    if optimizes_metric(result.loss, ranking.metric.name)
                ],
            }
            for result in contents.results
        ],
        "rankings": [_ranking(ranking) for ranking in contents.rankings],
        "differences": [{**asdict(pair), "significant": pair.significant} for pair in contents.differences],
        "rows": [asdict(row) for row in contents.rows],
    }
    write_text(path, json.dumps(no_nan(plain), indent=1, allow_nan=False) + "\n")


def _mean_pulls(result: LossResult) -> Mapping[str, Any]:
    """How much each term of a loss pulled and against which, over all looks and seeds."""
    mean = MeanPulls.of(result.pulls)
    return {
        "shares": mean.shares,
        "cosines": [{"terms": list(pair), "cosine": cosine} for pair, cosine in mean.cosines.items()],
    }


def _ranking(ranking: Ranking) -> Mapping[str, Any]:
    """A ranking by a metric, without what the metric needs of images."""
    plain = asdict(ranking)
    del plain["metric"]["channels"], plain["metric"]["needs_8bit"]
    return plain


def _advice(advice: Advice) -> Mapping[str, Any]:
    """The advice by goal, and the front of fidelity and perception."""
    return {
        "seeds": advice.seeds,
        "images": advice.images,
        "goals": {goal.metrics.goal: _goal(goal) for goal in advice.goals},
        "front": list(advice.front),
    }


def _goal(goal: GoalAdvice) -> Mapping[str, Any]:
    return {
        "metrics": [metric.name for metric in goal.metrics.metrics],
        "excluded": dict(goal.metrics.excluded),
        "best": goal.best,
        "take": goal.take,
        "equivalent": list(goal.equivalent),
        "undecided": list(goal.undecided),
        "avoid": list(goal.avoid),
        "improves_input": goal.improves,
        "plans": {
            loss: {"more_seeds": plan.seeds, "more_images": plan.images} for loss, plan in goal.plans.items()
        },
        "differences": [asdict(pair) for pair in goal.differences],
    }


def no_nan(value: object) -> object:
    """The value with null for NaN and a string for infinity, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, dict):
        return {key: no_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [no_nan(item) for item in value]
    return value
