"""Small corpora of frames with texts, with the values that they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.series.columns import Columns
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from tests.corpora import Made

Line = tuple[np.ndarray, str]
"""Frames, (n, F), and their text of characters."""
LETTERS, WIDTH = "abcde", 3


@dataclass
class Framed:
    """What the lines of one split hold. frames: (n, F) float32 of each, scaled. strings: (m,) int32 labels of each."""

    corpus: Corpus
    frames: list[np.ndarray]
    strings: list[np.ndarray]


def framed(path: Path, lengths: Sequence[tuple[int, int]], seed: int = 0, *, split: str = "train") -> Framed:
    """A corpus of lines at random with so many frames and labels; lengthened where repeated labels need more."""
    draw = np.random.default_rng(seed)
    lines = []
    for frames, labels in lengths:
        text = "".join(draw.choice(list(LETTERS), labels))
        frames = max(frames, needed(text))
        lines.append((draw.normal(3, 2, (frames, WIDTH)).astype("<f4"), text))
    return write_lines(path, {split: lines}, letters=LETTERS)[split]


def needed(text: Sequence[Any]) -> int:
    """Least frames of a string."""
    return len(text) + sum(a == b for a, b in pairwise(text))


def write_lines(path: Path, splits: Mapping[str, Sequence[Line]], *, letters: str = "") -> dict[str, Framed]:
    """A corpus of these lines by split; labels are characters, `letters` or those that are there. Scaled by train."""
    every = [line for lines in splits.values() for line in lines]
    vocabulary = Vocabulary("chars", sorted(set(letters or "".join(text for _, text in every))))
    columns = _columns(np.concatenate([frames for frames, _ in splits.get("train", every)]))
    strings = {name: [vocabulary.encode(text) for _, text in lines] for name, lines in splits.items()}
    found, key = {}, 0
    for name, lines in splits.items():
        found[name] = {
            "reals": np.concatenate([frames for frames, _ in lines]).astype("<f4"),
            "documents": _edges([frames for frames, _ in lines])[:-1],
            "targets": np.concatenate(strings[name]).astype("u1"),
            "targets_offsets": _edges(strings[name]),
            "keys": np.arange(key, key + len(lines), dtype="u1" if len(every) <= 256 else "<u2"),
        }
        key += len(lines)
    tables = Tables(columns=columns, keys=tuple(f"{i}.npy" for i in range(key)), strings=vocabulary)
    counts = np.bincount(np.concatenate(strings.get("train", [np.zeros(0, int)])), minlength=len(vocabulary))
    Made("frames", found, tables, TextPolicy(), {"labels": counts.tolist()}).write(path)
    corpus, made = Corpus.open(path), {}
    for name, lines in splits.items():
        scaled = [np.empty(frames.shape, np.float32) for frames, _ in lines]
        for (frames, _), out in zip(lines, scaled, strict=True):
            columns.scaled(frames.astype(np.float32), out)
        made[name] = Framed(corpus, scaled, strings[name])
    return made


def _columns(rows: np.ndarray) -> Columns:
    width = rows.shape[1]
    scale = rows.std(axis=0, dtype=np.float64)
    return Columns(
        tuple(map(str, range(1, width + 1))),
        rows.mean(axis=0, dtype=np.float64),
        np.where(scale > 0, scale, 1),
        np.full(width, np.nan),
        interval=1,
        form=FrameForm("arrays", width).to_json(),
    )


def _edges(parts: Sequence[Any]) -> np.ndarray:
    return np.append(0, np.cumsum([len(each) for each in parts])).astype("<u8")


def learnable(path: Path, train: int = 60) -> Corpus:
    """Lines of up to four letters; each is two or three frames that say which it is, with a gap behind them."""
    draw = np.random.default_rng(8)
    counts = {"train": train, "valid": 12, "test": 12}
    return write_lines(path, {name: [_line(draw) for _ in range(count)] for name, count in counts.items()})[
        "train"
    ].corpus


def _line(draw: np.random.Generator) -> Line:
    text = "".join(draw.choice(list(LETTERS[:4]), draw.integers(1, 4, endpoint=True)))
    return np.concatenate([_letter(draw, LETTERS.index(letter)) for letter in text]), text


def _letter(draw: np.random.Generator, number: int) -> np.ndarray:
    frames = np.zeros((draw.integers(3, 5), WIDTH))
    frames[: draw.integers(2, 4)] = 1 - 2 * (number & 1), 1 - (number & 2), 1
    noisy: np.ndarray = frames + draw.normal(0, 0.1, frames.shape)
    return noisy
