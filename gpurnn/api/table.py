"""A model as a table for people: its parts, their kinds, and the shapes and number of their parameters."""

from __future__ import annotations

import math

from gpurnn.network import ModelConfig


def table_of_parts(config: ModelConfig) -> str:
    """A line for each part that has parameters, with those by their short names, and a last one with their number."""
    rows: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for spec in config.specs():
        part, _, name = spec.name.rpartition(".")
        rows.setdefault(part, []).append(f"{name} {spec.shape}")
        counts[part] = counts.get(part, 0) + math.prod(spec.shape)
    kinds = {"embedding": "embedding", "output": "softmax"}
    table = [("part", "kind", "parameters", "number")]
    table += [
        (part, kinds.get(part, config.cell), "  ".join(shapes), f"{counts[part]:,}") for part, shapes in rows.items()
    ]
    table.append(("", "", "", f"{sum(counts.values()):,}"))
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    lines = (f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in table)
    return "\n".join(line.rstrip() for line in lines)
