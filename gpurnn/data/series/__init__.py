"""Measured series: rows of numbers at constant intervals, and what is known of their columns."""
