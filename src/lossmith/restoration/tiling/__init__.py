"""Large images tile by tile: the receptive field, the plan, the run, and the pixels on disk."""
