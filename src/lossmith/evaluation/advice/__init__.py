"""From scores to advice: which loss to take for which goal, how sure that is, and which seeds would tell more."""
