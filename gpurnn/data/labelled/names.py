"""Labels on their way: numbers in the order in which they were met, and the place of each one's first."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.labelled.lines import Place
from gpurnn.data.labelled.words import SPACE
from gpurnn.exceptions import DataError

MOST = 65_536
"""Labels, or tags."""


class Names:
    """Numbers labels, or tags, in the order in which they come.

    setting: what chooses their column. numbers: of the names so far.
    """

    def __init__(self, setting: str) -> None:
        self.setting = setting
        self.noun = setting.removesuffix("_column")
        self.numbers: dict[str, int] = {}
        self._places: list[Place | str] = []

    def __len__(self) -> int:
        return len(self.numbers)

    def number(self, name: str, place: Place | str) -> int:
        """The number of a name. Raises DataError for too many, and for one that has half a character."""
        found = self.numbers.get(name)
        return self._new(name, place) if found is None else found

    def _new(self, name: str, place: Place | str) -> int:
        if len(self.numbers) == MOST:
            raise DataError(f"{place}: more than {MOST:,} different ones; is it the right `{self.setting}`?")
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise DataError(f"{place}: {name!a:.60} has half a character; give the right `encoding`")
        self._places.append(place)
        number = self.numbers[name] = len(self.numbers)
        return number

    def all(self) -> list[str]:
        """Every name, by its number."""
        return list(self.numbers)

    def place(self, number: int) -> Place | str:
        """Where a name stood first."""
        return self._places[number]


def expect_one_line(label: str, place: Place | str, setting: str) -> None:
    """Raises DataError for a label that has a tab or a line end. setting: what chooses its column."""
    if len(label.splitlines()) > 1 or "\t" in label:
        noun = setting.removesuffix("_column")
        raise DataError(f"{place}: the {noun} {label!r:.60} has a tab or a line end; is it the right `{setting}`?")


def final_labels(
    names: Names, train: NDArray[Any], remedy: str, given: tuple[str, ...] | None = None, source: str = "vocab_from"
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The labels of a corpus, in order of their names, that of the space last; and the place of each number, (n,).

    train: how often each occurs in the train split. given: used instead of new ones, those of what the setting `source`
    names. remedy: what to do about one that train lacks. Raises DataError for that, for a single one, and for one
    that is not among those that are given.
    """
    found = names.all()
    if given is None:
        _check(names, train, remedy)
    labels = tuple(sorted(found, key=lambda name: (name == SPACE, name))) if given is None else given
    places = {name: place for place, name in enumerate(labels)}
    for number, name in enumerate(found):
        if name not in places:
            raise DataError(f"{names.place(number)}: the {names.noun} {name!r:.60} is not among those of `{source}`")
    return labels, np.array([places[name] for name in found], np.int64)


def _check(names: Names, train: NDArray[Any], remedy: str) -> None:
    """Refuses a label that train lacks, and a single one."""
    found = names.all()
    for number, name in enumerate(found):
        if not train[number] and name != SPACE:
            raise DataError(
                f"{names.place(number)}: the {names.noun} {name!r:.60} is in other splits alone, train has none of it; "
                f"{remedy}"
            )
    real = [name for name in found if name != SPACE]
    if len(real) == 1:
        raise DataError(f"there is one {names.noun} alone, {real[0]!r:.60}; is it the right `{names.setting}`?")
