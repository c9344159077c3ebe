"""`lossmith compare`: the tournament, its runs, and its report."""
