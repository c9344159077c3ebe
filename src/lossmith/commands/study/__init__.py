"""`lossmith study`: which network and which layer make the best loss, its runs, and its page."""
