"""`lossmith compare`: the tournament, its runs, their executors, and its report."""
