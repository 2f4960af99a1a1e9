"""What `scripts/tasks` does: public data sets, trained on with defaults, beside baselines."""
