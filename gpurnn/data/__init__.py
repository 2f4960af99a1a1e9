"""Text in, windows out: vocabularies, the corpus file, and the stream of windows. NumPy only."""
