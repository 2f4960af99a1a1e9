"""What lasts of a run: its directory, checkpoints, log and lock. Knows no network."""
