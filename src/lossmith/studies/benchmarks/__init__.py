"""The benchmarks of a study, a module each."""
