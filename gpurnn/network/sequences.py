"""Fields that say where the sequences of a window lie: in its steps, and in those of its source.

A sequence lies in one lane; its places are rows, step B + lane. What is not there has the places 0, and `THERE` 0.
"""

from __future__ import annotations

from gpurnn.fields import Field

PAIR = Field("pair", "index", among="sequence")
"""Of each step: which sequence it is of."""
SOURCE_FIRST = Field("source_first", "index", per="sequence", among="source")
SOURCE_LAST = Field("source_last", "index", per="sequence", among="source")
TARGET_FIRST = Field("target_first", "index", per="sequence", among="step")
TARGET_LAST = Field("target_last", "index", per="sequence", among="step")
THERE = Field("there", "real", per="sequence")
"""1 for a sequence that is there, else 0."""
