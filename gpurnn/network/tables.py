"""The tables of parts, by the names that a `ModelConfig` has for them; read anew for each model.

Each folder of parts enters its own when it is imported. A new part is one file and one entry; a program of one's own
enters it before it makes a model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

INPUTS: dict[str, Callable[..., Any]] = {}
"""What makes the first part of a network: from a `ModelConfig`."""

STARTS: dict[str, Callable[..., Any]] = {}
"""What makes the start of a layer: from a `ModelConfig`, the start's name and the widths of the layer's states."""

LAYERS: dict[str, Callable[..., Any]] = {}
"""What makes a layer: from a `ModelConfig`, how many of its kind are below it, and the width of what it reads."""

POOLS: dict[str, Callable[..., Any]] = {}
"""What makes the part that joins the steps of a sequence: from a `ModelConfig` and the width of what it reads."""

ATTENTIONS: dict[str, Callable[..., Any]] = {}
"""What makes the part that shows each step its source: from a `ModelConfig` and the width of what it reads."""

HEADS: dict[str, Callable[..., Any]] = {}
"""What makes the last part: from a `ModelConfig` and the width of what it reads."""
