"""Training: optimizers, schedules, the loop, and all that lasts of a run."""
