"""Frames with a text each: recordings, pictures of lines and arrays, and what a model of them has to know."""
