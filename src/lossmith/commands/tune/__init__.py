"""`lossmith tune`: the weights, options and learning rates of a loss, found by a search."""
