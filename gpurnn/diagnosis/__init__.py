"""What a run does to errors and gradients through time: measured, told, drawn."""
