"""Tweets with a mood each."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from tasks_lib.tables import write_splits


def write_tweets(source: Path, folder: Path) -> Mapping[str, Path]:
    """Tables of mood and text, those of the splits; a text that is there twice is taken once."""
    moods: dict[str, str] = {}
    with source.open(encoding="utf-8", errors="replace", newline="") as lines:
        for row in csv.DictReader(lines):
            moods.setdefault(row["text"].strip(), row["sentiment"])
    moods.pop("", None)
    return write_splits(folder, [f"{mood}\t{' '.join(text.split())}\n" for text, mood in moods.items()])
