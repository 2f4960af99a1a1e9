"""Things that are dealt with many at a time, and lines that are written so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")
_CHUNK = 2048
"""Characters that are written at once: what a pipe takes without waiting, in most texts."""


def batches(items: Iterable[_T | None], size: Callable[[_T], int], most: int) -> Iterator[list[_T]]:
    """The items in lists, each of about `most` in size; a None among them ends a list, so that nothing has to wait."""
    held: list[_T] = []
    total = 0
    for item in items:
        if item is not None:
            held.append(item)
            total += size(item)
        if held and (item is None or total >= most):
            yield held
            held, total = [], 0
    if held:
        yield held


def chunks(lines: Iterable[str]) -> Iterator[str]:
    """Lines put together; the last one of a chunk may go beyond what is written at once."""
    held: list[str] = []
    total = 0
    for line in lines:
        held.append(line)
        total += len(line)
        if total >= _CHUNK:
            yield "".join(held)
            held, total = [], 0
    if held:
        yield "".join(held)
