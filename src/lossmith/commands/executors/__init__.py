"""Where the jobs of a tournament or a study are carried out: in this process, or on a Ray cluster."""
