"""Tables of three splits."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path


def write_splits(folder: Path, documents: list[str]) -> Mapping[str, Path]:
    """Shuffles documents, and writes eight tenths of them, a tenth and a tenth: the paths by split."""
    random.Random(0).shuffle(documents)
    edges = [0, int(0.8 * len(documents)), int(0.9 * len(documents)), len(documents)]
    paths = {}
    for name, begin, end in zip(("train", "valid", "test"), edges[:-1], edges[1:], strict=True):
        paths[name] = folder / f"{name}.tsv"
        paths[name].write_text("".join(documents[begin:end]), encoding="utf-8", newline="\n")
    return paths
