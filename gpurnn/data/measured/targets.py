"""The labels or tags of rows: numbers of them, a label for each key, a tag for each row."""

from array import array
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.labelled.lines import Place
from gpurnn.data.labelled.names import Names, expect_one_line
from gpurnn.data.series.grid import Piece
from gpurnn.data.series.reader import Block
from gpurnn.exceptions import DataError


class Targets(Protocol):
    """Takes what rows say of labels or tags. width: columns that it adds to their numbers. names: found so far."""

    width: int
    names: Names

    def take(self, file: str, block: Block, keys: NDArray[np.uint32]) -> NDArray[np.float32]:
        """The numbers of the rows of a file, (n, F + width). keys: (n,), numbers of their keys, new ones by one."""


class NoTargets:
    """What measured series have."""

    width = 0

    def __init__(self) -> None:
        self.names = Names("label_column")

    def take(self, file: str, block: Block, keys: NDArray[np.uint32]) -> NDArray[np.float32]:
        """See `Targets`."""
        return block.values


class RowTags:
    """A tag for each row: its number is one more column, which a float32 holds exactly."""

    width = 1

    def __init__(self) -> None:
        self.names = Names("tag_column")

    def take(self, file: str, block: Block, keys: NDArray[np.uint32]) -> NDArray[np.float32]:
        """See `Targets`."""
        return np.column_stack((block.values, numbers_of(self.names, file, block))).astype(np.float32)


class KeyLabels:
    """A label for each key, which all of its rows have. of_keys: the number of each key's, as the keys came."""

    width = 0

    def __init__(self, names_of_keys: Sequence[str]) -> None:
        """names_of_keys: by their numbers, growing as rows are taken."""
        self.names = Names("label_column")
        self.of_keys = array("I")
        self._names_of_keys = names_of_keys
        self._files: list[str] = []
        self._places = array("I"), array("Q")

    def take(self, file: str, block: Block, keys: NDArray[np.uint32]) -> NDArray[np.float32]:
        """See `Targets`. Raises DataError for a key with two labels."""
        if file not in self._files[-1:]:
            self._files.append(file)
        numbers = numbers_of(self.names, file, block)
        known = len(self.of_keys)
        there, first = np.unique(keys, return_index=True)
        for index in first[there >= known].tolist():
            self.of_keys.append(int(numbers[index]))
            self._places[0].append(len(self._files) - 1)
            self._places[1].append(block.lines[index])
        wrong = np.flatnonzero(np.frombuffer(self.of_keys, np.uintc)[keys] != numbers)
        if len(wrong):
            raise self._two(file, block, int(wrong[0]), int(keys[wrong[0]]))
        return block.values

    def _two(self, file: str, block: Block, index: int, key: int) -> DataError:
        place = Place(self._files[self._places[0][key]], self._places[1][key])
        before = self.names.all()[self.of_keys[key]]
        return DataError(
            f"{Place(file, block.lines[index])}: {self._names_of_keys[key]!r:.40} has the label "
            f"{block.targets[index]!r:.40}, in {place} it has {before!r:.40}; all rows of a `key` have one label: "
            "correct one, or give `tags` for a tag each row"
        )


def numbers_of(names: Names, file: str, block: Block) -> NDArray[np.uint32]:
    """The number of each row's label or tag, (n,)."""
    known = names.numbers
    if not known.keys() >= set(block.targets):
        for name, line in zip(block.targets, block.lines, strict=True):
            if name not in known:
                expect_one_line(name, Place(file, line), names.setting)
                names.number(name, Place(file, line))
    return np.fromiter(map(known.__getitem__, block.targets), np.uint32, len(block.targets))


class Continued:
    """Gives the rows that fill a gap the tag of the row before; the tag is the last column."""

    def __init__(self) -> None:
        self._last = np.float32(0)

    def piece(self, piece: Piece) -> Piece:
        """The same rows, every one with a tag."""
        if np.isnan(piece.values[0, -1]):
            values = piece.values.copy()
            values[:, -1] = self._last
            return piece._replace(values=values)
        self._last = piece.values[-1, -1]
        return piece
