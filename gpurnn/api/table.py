"""A model as a table for people: its parts, their kinds and widths, and the shapes and number of their parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpurnn.network.part import Part


def table_of_parts(parts: Sequence[Part]) -> str:
    """A line for each part, with its parameters by their short names, and a last one with the number of all."""
    table = [("part", "kind", "width", "parameters", "number")]
    total = 0
    for part in parts:
        specs = part.specs()
        count = sum(math.prod(spec.shape) for spec in specs)
        shapes = "  ".join(f"{spec.name.removeprefix(f'{part.name}.')} {spec.shape}" for spec in specs)
        width = f"{part.inputs} to {part.outputs}" if part.inputs and part.outputs else f"{part.inputs or part.outputs}"
        table.append((part.name, part.kind, width, shapes, f"{count:,}" if count else ""))
        total += count
    table.append(("", "", "", "", f"{total:,}"))
    a, b, c, d, e = (max(len(row[column]) for row in table) for column in range(5))
    lines = (f"{row[0]:<{a}}  {row[1]:<{b}}  {row[2]:<{c}}  {row[3]:<{d}}  {row[4]:>{e}}" for row in table)
    return "\n".join(line.rstrip() for line in lines)
