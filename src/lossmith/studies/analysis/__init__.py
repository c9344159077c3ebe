"""From the scores of a study to findings: tables, ranks, correlations and recommendations."""
