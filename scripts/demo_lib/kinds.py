"""What each character of Python source belongs to, as Python itself reads it."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Iterator
from itertools import accumulate

BLANK = "blank"
"""White space, line ends, and the backslash that continues a line."""
KINDS = (BLANK, "comment", "keyword", "name", "number", "operator", "string")
_BY_TYPE = {"COMMENT": "comment", "NAME": "name", "NUMBER": "number", "OP": "operator", "STRING": "string"}
_OPENING, _CLOSING = ("FSTRING_START", "TSTRING_START"), ("FSTRING_END", "TSTRING_END")
_Place = tuple[int, int]


class NotPython(Exception):
    """A text that this version of Python does not read."""


def kinds_of(text: str) -> list[str]:
    """The kind of each character, in KINDS. text: line feeds end its lines.

    An f-string is one string with all that is in it, as in Python 3.11, where later ones see parts. Raises NotPython.
    """
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    kinds = [BLANK] * len(text)
    try:
        for kind, (row, column), (last, end) in _marked(text):
            begin, stop = starts[row - 1] + column, starts[last - 1] + end
            kinds[begin:stop] = [kind] * (stop - begin)
    except (tokenize.TokenError, SyntaxError) as error:
        raise NotPython(str(error)) from None
    return kinds


def _marked(text: str) -> Iterator[tuple[str, _Place, _Place]]:
    """The tokens that have a kind: that, and where they begin and end, row (from 1) and column."""
    opened: list[_Place] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name in _OPENING:
            opened.append(token.start)
        elif name in _CLOSING:
            start = opened.pop()
            if not opened:
                yield "string", start, token.end
        elif name in _BY_TYPE and not opened:
            reserved = name == "NAME" and keyword.iskeyword(token.string)
            yield "keyword" if reserved else _BY_TYPE[name], token.start, token.end
