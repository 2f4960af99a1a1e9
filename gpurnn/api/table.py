"""A model as a table for people: its parts, their kinds, and the shapes and number of their parameters."""

from __future__ import annotations

import math

from gpurnn.network import ModelConfig
from gpurnn.network.chain import parts_of


def table_of_parts(config: ModelConfig) -> str:
    """A line for each part that has parameters, with those by their short names, and a last one with their number."""
    table = [("part", "kind", "parameters", "number")]
    total = 0
    for part in parts_of(config):
        specs = part.specs()
        count = sum(math.prod(spec.shape) for spec in specs)
        shapes = "  ".join(f"{spec.name.removeprefix(f'{part.name}.')} {spec.shape}" for spec in specs)
        if specs:
            table.append((part.name, part.kind, shapes, f"{count:,}"))
        total += count
    table.append(("", "", "", f"{total:,}"))
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    lines = (f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in table)
    return "\n".join(line.rstrip() for line in lines)
