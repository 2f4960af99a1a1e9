"""What is kept of many series while their rows come: the state of each, in arrays that grow with their number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from gpurnn.backend import Array, Backend
from gpurnn.exceptions import CheckpointError

_FIRST = 16
"""Series that there is room for at first."""


class KeyStates:
    """A place for each key: its state, its last known values, and the time of its last row.

    widths: of the arrays of a state, by name. real: their dtype. targets: C, how many last known values there are.
    times: of the last row of each place. now: (n, C) float64 or longer. Of a key it takes what is said here, and the
    key itself.
    """

    def __init__(self, be: Backend, widths: Mapping[str, int], real: Any, targets: int) -> None:
        self._be, self._real = be, real
        self._places: dict[str, int] = {}
        self.times: list[int] = []
        self.now = np.full((_FIRST, targets), math.nan)
        self._states = {name: be.zeros((_FIRST, width), real) for name, width in widths.items()}

    def __len__(self) -> int:
        return len(self.times)

    @property
    def keys(self) -> list[str]:
        """In the order in which they came."""
        return list(self._places)

    def find(self, key: str) -> int:
        """The place of a key, -1 where there is none."""
        return self._places.get(key, -1)

    def add(self, key: str, time: int) -> int:
        """The place of a key that is new."""
        place = self._places[key] = len(self.times)
        self.times.append(time)
        if place == len(self.now):
            self._grow()
        return place

    def write(self, place: int, state: Mapping[str, Array]) -> None:
        """state: of one lane, by name; it is kept as that of a place."""
        for name, array in state.items():
            self._states[name][place] = array[0]

    def read(self, place: int, state: Mapping[str, Array]) -> None:
        """state: overwritten with that of a place."""
        for name, array in state.items():
            array[0] = self._states[name][place]

    def _grow(self) -> None:
        used = len(self.now)
        self.now = np.concatenate((self.now, np.full_like(self.now, math.nan)))
        for name, array in self._states.items():
            self._states[name] = longer = self._be.zeros((2 * used, array.shape[1]), self._real)
            longer[:used] = array

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it, for a file."""
        n, keys = len(self), [key.encode("utf-8", "surrogateescape") for key in self._places]
        ends = np.cumsum([0, *map(len, keys)])
        return {
            **{name: self._be.to_host(array[:n]) for name, array in self._states.items()},
            "now": self.now[:n],
            "times": np.array(self.times, np.int64),
            "keys.bytes": np.frombuffer(b"".join(keys), np.uint8),
            "keys.offsets": ends.astype(np.int64),
        }

    def from_arrays(self, arrays: Mapping[str, np.ndarray], source: str) -> None:
        """Take what `to_arrays` gave, instead of what is here. Raises CheckpointError, and changes nothing, for other.

        source: where they come from, for the message.
        """
        n = len(arrays["times"]) if "times" in arrays and arrays["times"].ndim == 1 else 0
        expected: dict[str, tuple[Any, tuple[int, ...]]] = {
            **{name: (self._real, (n, array.shape[1])) for name, array in self._states.items()},
            "now": (np.dtype(np.float64), (n, self.now.shape[1])),
            "times": (np.dtype(np.int64), (n,)),
            "keys.offsets": (np.dtype(np.int64), (n + 1,)),
        }
        for name, (dtype, shape) in expected.items():
            found = arrays.get(name)
            if found is None or (found.dtype, found.shape) != (dtype, shape):
                raise CheckpointError(f"{source}: {name}: expected {dtype}, {shape}")
            if name in self._states and not np.isfinite(found).all():
                raise CheckpointError(f"{source}: {name}: expected finite numbers")
        keys = _keys(arrays.get("keys.bytes"), arrays["keys.offsets"], source)
        if np.isinf(arrays["now"]).any():
            raise CheckpointError(f"{source}: now: expected no infinite number")
        room = max(_FIRST, n)
        self._places = {key: place for place, key in enumerate(keys)}
        self.times = arrays["times"].tolist()
        self.now = np.full((room, self.now.shape[1]), math.nan)
        self.now[:n] = arrays["now"]
        for name, array in self._states.items():
            self._states[name] = mine = self._be.zeros((room, array.shape[1]), self._real)
            if n:
                self._be.from_host(arrays[name], out=mine[:n])


def _keys(data: np.ndarray | None, offsets: np.ndarray, source: str) -> Sequence[str]:
    """The keys out of their bytes. Raises CheckpointError."""
    whole = data is not None and data.dtype == np.uint8 and data.ndim == 1
    if data is None or not whole or offsets[0] != 0 or offsets[-1] != len(data) or (np.diff(offsets) < 0).any():
        raise CheckpointError(f"{source}: its keys are not in order")
    text, ends = data.tobytes(), offsets.tolist()
    keys = [text[a:b].decode("utf-8", "surrogateescape") for a, b in pairwise(ends)]
    if len(set(keys)) != len(keys):
        raise CheckpointError(f"{source}: a key is there twice")
    return keys
