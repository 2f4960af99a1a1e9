"""Spans of tagged words, strictly: what is not as its scheme has it is no span."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.labelled.schemes import is_marked

_MARKS = "OBIES"
_START, _INSIDE, _END = 1, 2, 4
_SAME, _OTHER = (True,), (False,)
_ANY = _SAME + _OTHER
_Rules = tuple[tuple[str, str, tuple[bool, ...]], ...]
"""Marks of a word before, marks of the word itself, and whether both are of the same type."""


class _Grammar(NamedTuple):
    """start: with which word a span begins. inside: which goes on with it. end: which ends it that is not inside.

    A span whose last word and the one behind it are not in `end` does not count.
    """

    start: _Rules
    inside: _Rules
    end: _Rules


_GRAMMARS = {
    "IOB1": _Grammar(
        start=(("OB", "I", _ANY), ("I", "I", _OTHER), ("IB", "B", _SAME)),
        inside=(("BI", "I", _SAME),),
        end=(("BI", "I", _OTHER), ("BI", "O", _ANY), ("I", "B", _ANY), ("B", "B", _SAME)),
    ),
    "IOB2": _Grammar(
        start=((_MARKS, "B", _ANY),),
        inside=(("BI", "I", _SAME),),
        end=(("BI", "I", _OTHER), ("BI", "OB", _ANY)),
    ),
    "IOBES": _Grammar(
        start=((_MARKS, "BS", _ANY),),
        inside=(("BI", "IE", _SAME),),
        end=(("ES", _MARKS, _ANY),),
    ),
}


class Found(NamedTuple):
    """m spans in the order of their words. kinds: numbers of their types; starts, ends: all (m,) int64."""

    kinds: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


class SpanFinder:
    """Finds spans in numbered tags.

    labels: the tags by number. scheme: IOB1, IOB2 or IOBES. types: of spans, sorted; found ones are numbers in it.
    What counts as a span is what seqeval's strict mode takes for one, of broken sequences, too.
    """

    def __init__(self, labels: Sequence[str], scheme: str) -> None:
        marked = [is_marked(label) and label != "O" for label in labels]
        self.types = tuple(sorted({label[2:] for label, is_one in zip(labels, marked, strict=True) if is_one}))
        places = {kind: place for place, kind in enumerate(self.types)}
        marks = [_MARKS.index(label[0]) if is_one else 0 for label, is_one in zip(labels, marked, strict=True)]
        kinds = [places[label[2:]] if is_one else -1 for label, is_one in zip(labels, marked, strict=True)]
        self._marks, self._kinds = np.array([*marks, 0]), np.array([*kinds, -1])
        self._table = _table(_GRAMMARS[scheme])

    def find(self, sentences: Iterable[NDArray[Any]]) -> Found:
        """The spans of several sentences; their words are counted on from one to the next, with one left out between.

        sentences: of each the numbers of its tags, (n,).
        """
        outside = np.array([len(self._marks) - 1])
        tags = np.concatenate([outside, *(part for sentence in sentences for part in (sentence, outside))])
        marks, kinds = self._marks[tags], self._kinds[tags]
        same = kinds[1:] == kinds[:-1]
        flags = self._table[marks[:-1], marks[1:], same.astype(np.int64)]
        blocks = np.cumsum(flags & _INSIDE == 0)
        begins = np.flatnonzero(flags & _START)
        first = np.ones(len(begins), bool)
        first[1:] = blocks[begins[1:]] != blocks[begins[:-1]]
        begins = begins[first]
        ends = np.searchsorted(blocks, blocks[begins], "right")
        good = flags[ends] & _END > 0
        return Found(kinds[1:][begins[good]], begins[good], ends[good])


def _table(grammar: _Grammar) -> NDArray[np.uint8]:
    """What a word begins, goes on with or ends: by its mark and the one before, and by whether types are the same."""
    table = np.zeros((len(_MARKS), len(_MARKS), 2), np.uint8)
    for flag, rules in zip((_START, _INSIDE, _END), grammar, strict=True):
        for before, marks, types in rules:
            for a in before:
                for b in marks:
                    for same in types:
                        table[_MARKS.index(a), _MARKS.index(b), int(same)] |= flag
    return table
