"""Labels on their way: numbers in the order in which they were met, and the place of each one's first."""

from gpurnn.data.labelled.lines import Place
from gpurnn.exceptions import DataError

MOST = 65_536
"""Labels, or tags."""


class Names:
    """Numbers labels, or tags, in the order in which they come.

    setting: what chooses their column. numbers: of the names so far.
    """

    def __init__(self, setting: str) -> None:
        self._setting = setting
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
            raise DataError(f"{place}: more than {MOST:,} different ones; is it the right `{self._setting}`?")
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
