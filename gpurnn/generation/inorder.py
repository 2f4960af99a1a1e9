"""Things that are dealt with many at a time, and lines that are written so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from gpurnn.exceptions import DataError

_T = TypeVar("_T")
_CHUNK = 2048
"""Characters that are written at once: what a pipe takes without waiting, in most texts."""


def batches(items: Iterable[_T | None], size: Callable[[_T], int], most: int) -> Iterator[list[_T]]:
    """The items in lists, each of about `most` in size; a None among them ends a list, so that nothing has to wait.

    Where no more items can be had because of a DataError, those before it come first.
    """
    held: list[_T] = []
    total, failed = 0, list[DataError]()
    for item in until_failure(items, failed):
        if item is not None:
            held.append(item)
            total += size(item)
        if held and (item is None or total >= most):
            yield held
            held, total = [], 0
    if held:
        yield held
    if failed:
        raise failed[0]


def until_failure(items: Iterable[_T], failed: list[DataError]) -> Iterator[_T]:
    """The items up to where a DataError comes, which `failed` takes."""
    try:
        yield from items
    except DataError as error:
        failed.append(error)


def chunks(lines: Iterable[str]) -> Iterator[str]:
    """Lines put together; the last one of a chunk may go beyond what is written at once.

    Where no more lines can be had because of a DataError, those before it come first.
    """
    held: list[str] = []
    total, failed = 0, list[DataError]()
    for line in until_failure(lines, failed):
        held.append(line)
        total += len(line)
        if total >= _CHUNK:
            yield "".join(held)
            held, total = [], 0
    if held:
        yield "".join(held)
    if failed:
        raise failed[0]
