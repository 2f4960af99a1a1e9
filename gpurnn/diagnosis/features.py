"""Simple features of a text, each a number at every symbol, counted from the symbols that were read up to there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from gpurnn.data.text.tokens import Vocabulary
from gpurnn.diagnosis.lanes import Numbers
from gpurnn.diagnosis.text import character

_QUOTES, _OPENING, _CLOSING = '"“”„«»', "([{", ")]}"


def features(vocabulary: Vocabulary, tokens: np.ndarray, carry: np.ndarray) -> dict[str, Numbers]:
    """Of each step of each lane, (T, B), by name. tokens, carry: of a window; where carry is 0 all begins anew.

    letter, capital: whether the symbol is one. position in the line: symbols of it so far, 0 at its end. line of the
    paragraph: lines that have ended since the last empty one. position in the word: letters of it so far, 0 at what is
    none. word of capitals: whether it is a letter, and all of the word so far are two or more capitals. inside quotes:
    whether quotation marks were odd in number since the last empty line. inside brackets: how many are open.
    """
    characters = [character(symbol) for symbol in vocabulary.symbols]

    def those(which: Callable[[str], bool]) -> Numbers:
        found: Numbers = np.array([float(which(each)) for each in characters])[tokens]
        return found

    letter, capital, end = those(str.isalpha), those(str.isupper), those(lambda each: each == "\n")
    inside, quote = those(lambda each: each not in "\r\n"), those(lambda each: each in _QUOTES)
    deeper = those(lambda each: each in _OPENING) - those(lambda each: each in _CLOSING)
    counts = np.zeros((6, tokens.shape[1]))
    counted: dict[str, list[Numbers]] = defaultdict(list)
    for t in range(len(tokens)):
        column, line, place, capitals, quotes, depth = counts * carry[t]
        goes_on = 1 - end[t] * (column == 0)  # 0 at the end of an empty line
        line, quotes = (line + end[t]) * goes_on, (quotes + quote[t]) % 2 * goes_on
        column, place, capitals = (column + inside[t]) * (1 - end[t]), (place + 1) * letter[t], capitals + capital[t]
        capitals, depth = capitals * letter[t], np.maximum(0, depth + deeper[t])
        counts = np.stack([column, line, place, capitals, quotes, depth])
        counted["position in the line"].append(column)
        counted["line of the paragraph"].append(line)
        counted["position in the word"].append(place)
        counted["word of capitals"].append(1.0 * (place > 1) * (capitals == place))
        counted["inside quotes"].append(quotes)
        counted["inside brackets"].append(depth)
    return {"letter": letter, "capital": capital} | {name: np.stack(each) for name, each in counted.items()}
