"""Arrays of sequences, as programs hold them: what they have to be, how they are scaled, and their windows."""
