"""How each number of the page follows from others: formulas of names in braces, `tanh({a.3.0})`, and their values.

A name is a key and indices: {h.3.0} is h of unit 0 at step 3, {theta_W.1.0.2} an element of the W of window 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

PLACES = 4
"""Decimals of every number on the page."""
_MOST_PLACES = 15
_NAME = re.compile(r"\{([^}]+)\}")
_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-", "²": "**2"})
_FUNCTIONS: dict[str, Any] = {
    "__builtins__": {},
    "exp": math.exp,
    "ln": math.log,
    "tanh": math.tanh,
    "σ": lambda x: 1 / (1 + math.exp(-x)),
}

Values = Mapping[str, Any]
"""Numbers in nested lists, by key."""


def look_up(values: Values, name: str) -> float:
    """The number that a name means."""
    key, *indices = name.split(".")
    found = values[key]
    for index in indices:
        found = found[int(index)]
    return float(found)


def printed(value: float, places: int = PLACES) -> str:
    """A number as the page shows it; zero has no sign."""
    text = f"{value:.{places}f}"
    return text if text.strip("-0.") else text.lstrip("-")


def evaluated(formula: str, number: Callable[[str], str]) -> float:
    """What a formula of this room comes to; no text of anybody else gets here. number: what a name stands for."""
    filled = _NAME.sub(lambda name: f"({number(name[1])})", formula)
    return float(eval(filled.translate(_SIGNS), _FUNCTIONS))


def places_for(formula: str, values: Values, shown: float) -> int:
    """How many decimals its numbers need so that one who reckons it again gets what is printed of `shown`."""
    for places in range(PLACES, _MOST_PLACES):
        result = evaluated(formula, lambda name, n=places: printed(look_up(values, name), n))  # type: ignore[misc]
        if printed(result) == printed(shown):
            return places
    return _MOST_PLACES


def total(terms: Iterable[str]) -> str:
    """The sum of some terms; 0 where there is none."""
    return " + ".join(terms) or "0"


def names_in(formulas: Values) -> Iterable[tuple[str, str]]:
    """The name of every number that has a formula, and the formula."""

    def within(name: str, found: Any) -> Iterable[tuple[str, str]]:
        if isinstance(found, str):
            yield from [(name, found)] if found else []
        else:
            for index, inner in enumerate(found):
                yield from within(f"{name}.{index}", inner)

    for key, found in formulas.items():
        yield from within(key, found)
