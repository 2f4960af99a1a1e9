"""What is made of many things one after the other, with what stands beside each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_A = TypeVar("_A")
_B = TypeVar("_B")
_T = TypeVar("_T")


def beside(work: Callable[[Iterable[_A]], Iterator[_B]], pairs: Iterable[tuple[_A, _T]]) -> Iterator[tuple[_B, _T]]:
    """Of each pair what `work` makes of its first, and its second.

    work: makes one of each, in their order; it may take some more before it hands on the first.
    """
    held: deque[_T] = deque()

    def firsts() -> Iterator[_A]:
        for first, second in pairs:
            held.append(second)
            yield first

    for made in work(firsts()):
        yield made, held.popleft()
