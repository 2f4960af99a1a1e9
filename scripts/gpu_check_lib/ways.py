"""The ways of gpurnn to compute a window."""

from __future__ import annotations

EAGER, GRAPH, WHOLE, WHOLE_GRAPH = "eager", "graph", "whole-window", "whole-window graph"
WAYS = (EAGER, GRAPH, WHOLE, WHOLE_GRAPH)
"""The steps of a window launch by launch, or all of them in one kernel; each without and with a CUDA graph."""
