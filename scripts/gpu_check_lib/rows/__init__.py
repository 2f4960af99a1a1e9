"""What the rows do: each function takes a `Context` and returns plain values."""
