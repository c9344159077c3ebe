"""`lossmith compare`: the tournament, its runs, where they are carried out, and its page."""
