"""Metrics under a declared protocol, rows of scores per image, and their statistics."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.evaluation.advice.advice import Advice, GoalAdvice, advise
    from lossmith.evaluation.advice.badges import Badge, badge
    from lossmith.evaluation.advice.race import Race, RaceRound, next_seeds
    from lossmith.evaluation.advice.wording import Card, cards, front_sentence, verdict
    from lossmith.evaluation.csv_io import check_table, read_csv, write_csv
    from lossmith.evaluation.inference import baseline, check_border, enlarged, protocol_of, restore_images
    from lossmith.evaluation.metric_choice import tournament_metrics
    from lossmith.evaluation.parallel_scoring import Restored, score_images
    from lossmith.evaluation.protocol import Protocol, protocol_for, scores_one_channel
    from lossmith.evaluation.pulls import MeanPulls, Pulls
    from lossmith.evaluation.results import DEGRADED, Difference, RankedMethod, Ranking, Row, Variation, as_columns
    from lossmith.evaluation.scoring import score, score_row, why_nan
    from lossmith.evaluation.statistics.criteria import Criteria, parse_margins
    from lossmith.evaluation.statistics.ranking import (
        differences,
        main_ranking,
        mean_ranks,
        ranked_methods,
        ranking,
        rankings,
    )
    from lossmith.evaluation.statistics.score_table import without_level
    from lossmith.evaluation.views import Targets
    from lossmith.metrics.registry import (
        GRID_METRICS,
        METRICS,
        NO_REFERENCE_METRICS,
        Metric,
        available_deep_metrics,
        default_metrics,
        find_metric,
    )
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "DEGRADED",
    "GRID_METRICS",
    "METRICS",
    "NO_REFERENCE_METRICS",
    "Advice",
    "Badge",
    "Card",
    "Criteria",
    "Difference",
    "GoalAdvice",
    "MeanPulls",
    "Metric",
    "Protocol",
    "Pulls",
    "Race",
    "RaceRound",
    "RankedMethod",
    "Ranking",
    "Restored",
    "Row",
    "Targets",
    "Variation",
    "advise",
    "as_columns",
    "available_deep_metrics",
    "badge",
    "baseline",
    "cards",
    "check_border",
    "check_table",
    "default_metrics",
    "differences",
    "enlarged",
    "find_metric",
    "front_sentence",
    "main_ranking",
    "mean_ranks",
    "next_seeds",
    "parse_margins",
    "protocol_for",
    "protocol_of",
    "ranked_methods",
    "ranking",
    "rankings",
    "read_csv",
    "restore_images",
    "score",
    "score_images",
    "score_row",
    "scores_one_channel",
    "tournament_metrics",
    "verdict",
    "why_nan",
    "without_level",
    "write_csv",
]
