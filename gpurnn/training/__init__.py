"""Training: optimizers, schedules, the loop, and how a run begins, goes on and is kept."""
