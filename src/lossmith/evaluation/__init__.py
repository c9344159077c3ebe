"""Metrics under a declared protocol, rows per picture, and what they say about who is better."""

from lossmith.evaluation.deep import available_deep_metrics
from lossmith.evaluation.grid import without_level
from lossmith.evaluation.metrics import METRICS, default_metrics, find_metric, score, scored, why_nan
from lossmith.evaluation.protocol import Protocol, protocol_for
from lossmith.evaluation.restoring import baseline, check_border, protocol_of, restore_pictures
from lossmith.evaluation.results import DEGRADED, Difference, Metric, Row, Standing
from lossmith.evaluation.statistics import differences, mean_ranks, standing, standings
from lossmith.evaluation.tables import check_table, read_csv, write_csv
from lossmith.evaluation.verdict import verdict

__all__ = [
    "DEGRADED",
    "METRICS",
    "Difference",
    "Metric",
    "Protocol",
    "Row",
    "Standing",
    "available_deep_metrics",
    "baseline",
    "check_border",
    "check_table",
    "default_metrics",
    "differences",
    "find_metric",
    "mean_ranks",
    "protocol_for",
    "protocol_of",
    "read_csv",
    "restore_pictures",
    "score",
    "scored",
    "standing",
    "standings",
    "verdict",
    "why_nan",
    "without_level",
    "write_csv",
]
