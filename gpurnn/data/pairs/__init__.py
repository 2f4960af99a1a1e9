"""Pairs of texts, and texts with vectors: what they are read from, and what their symbols mean."""
