"""How tags mark spans of words: IOB1, IOB2 and IOBES, found from which tags follow each other.

A tag of a scheme is O, outside of all spans, or B, I, E or S, a hyphen, and the type of the span. In IOB2 a span begins
with B and goes on with I. In IOB1 it begins with I, with B only right behind another span of its type. In IOBES a span
of one word is S, a longer one begins with B, goes on with I and ends with E.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from gpurnn.data.labelled.lines import Place
from gpurnn.exceptions import DataError

Pair = tuple[str | None, str | None]
"""Tags that follow each other; None is before the first one of a sentence, and after its last one."""
_TAG = re.compile(r"O|[BIES]-.+", re.DOTALL)


def _iob2(before: str | None, tag: str | None) -> bool:
    return tag is None or tag[0] != "I" or (before is not None and before[0] in "BI" and before[1:] == tag[1:])


def _iob1(before: str | None, tag: str | None) -> bool:
    return tag is None or tag[0] != "B" or (before is not None and before[0] in "BI" and before[1:] == tag[1:])


def _iobes(before: str | None, tag: str | None) -> bool:
    if before is not None and before[0] in "BI":
        return tag is not None and tag[0] in "IE" and tag[1:] == before[1:]
    return tag is None or tag[0] in "OBS"


SCHEMES: dict[str, Callable[[str | None, str | None], bool]] = {"IOB2": _iob2, "IOB1": _iob1, "IOBES": _iobes}
"""Whether a tag may follow another one in each scheme."""


def is_marked(tag: str) -> bool:
    """Whether a tag may be one of a scheme: O, or B-, I-, E- or S- and a type."""
    return _TAG.fullmatch(tag) is not None


def find_scheme(pairs: Mapping[Pair, int]) -> tuple[str | None, list[Pair]]:
    """The scheme of tags that follow each other so often, and which of the pairs it does not allow.

    None where the tags are of no scheme: one is neither O nor B-, I-, E- or S- and a type, or no span could begin.
    Of IOB1 and IOB2 it is the one that fewer pairs break; IOB2 where both are kept.
    """
    tags = {tag for pair in pairs for tag in pair if tag is not None}
    marks = {tag[:1] for tag in tags}
    if not all(map(is_marked, tags)) or marks <= {"O"} or not marks & set("OBI"):
        return None, []
    broken = {
        name: [pair for pair in pairs if not SCHEMES[name](*pair)]
        for name in (("IOBES",) if marks & set("ES") else ("IOB2", "IOB1"))
    }
    scheme = min(broken, key=lambda name: sum(pairs[pair] for pair in broken[name]))
    return scheme, broken[scheme]


class Transitions:
    """Which tags follow each other, how often, and where first."""

    def __init__(self) -> None:
        self.counts: Counter[Pair] = Counter()
        self._places: dict[Pair, Place] = {}

    def add(self, tags: Sequence[str], file: str, lines: Sequence[int]) -> None:
        """Takes the tags of a sentence and their lines."""
        pairs: Iterable[Pair] = list(zip((None, *tags), (*tags, None), strict=True))
        self.counts.update(pairs)
        if not self._places.keys() >= set(pairs):
            for pair, line in zip(pairs, (*lines, lines[-1]), strict=True):
                self._places.setdefault(pair, Place(file, line))

    def scheme(self) -> str | None:
        """The scheme, None where there is none. Raises DataError where tags break it, with the first place."""
        scheme, broken = find_scheme(self.counts)
        if not broken:
            return scheme
        pair = next(pair for pair in self._places if pair in set(broken))
        before, tag = pair
        if tag is None:
            what = f"the sentence ends inside a span, with {before!r:.40}"
        elif before is None:
            what = f"{tag!r:.40} cannot begin a sentence"
        else:
            what = f"{tag!r:.40} cannot follow {before!r:.40}"
        raise DataError(f"{self._places[pair]}: in {scheme}, which most tags are in, {what}; correct it")
