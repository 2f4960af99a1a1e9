"""Reads the allocator: what a piece of work takes, even where it gives it back at once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

SMALL = 4096
"""Bytes: no array as large as this may be made inside a window."""
LIMIT = 6144
"""Bytes that a phase may hold at once: views and iterators of a call, some 100 bytes to 3 KiB each, but no two `SMALL`.

The peak is of all domains, NumPy's and Python's. Sizes are to be chosen so that an array made inside a window has
2 SMALL bytes or more; then this limit tells.
"""


def check_no_allocation(
    phases: Mapping[str, Callable[[], None]], *, windows: int = 16, warm: int = 2, limit: int = LIMIT
) -> None:
    """Run the phases of each window in order; fails where one, after `warm` windows, makes a large array.

    Two readings: the peak of each phase over what was there when it began, which sees temporaries; and at the end what
    is alive in NumPy's domain that was not after the first windows. limit: bytes that a phase may hold at once; where
    views are many it may be higher, as long as every array of a window is larger still.
    """
    worst = dict.fromkeys(phases, 0)
    with _tracing():  # the warm ones too: what the interpreter keeps for itself comes with the first traced window
        for _ in range(warm):
            for work in phases.values():
                work()
        before = _large_arrays()
        for _ in range(windows):
            for name, work in phases.items():
                held = tracemalloc.get_traced_memory()[0]
                tracemalloc.reset_peak()
                work()
                worst[name] = max(worst[name], tracemalloc.get_traced_memory()[1] - held)
        kept = _large_arrays() - before
    too_much = {name: peak for name, peak in worst.items() if peak >= limit}
    assert not too_much, f"bytes allocated inside a window: {too_much}"
    assert kept == 0, f"{kept} arrays of {SMALL} bytes or more were made and kept"


@contextmanager
def _tracing() -> Iterator[None]:
    """tracemalloc on, and the buffers that NumPy's loops take for themselves, of a fixed size, made small.

    They are no array's data and not in NumPy's domain (np.setbufsize: 8192 elements for each operand), but they would
    hide in the peak what is looked for.
    """
    size = np.setbufsize(128)
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        np.setbufsize(size)


def _large_arrays() -> int:
    """How many arrays of `SMALL` bytes or more are alive that were made since tracing began."""
    snapshot = tracemalloc.take_snapshot()
    arrays = snapshot.filter_traces([tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)])
    return sum(trace.size >= SMALL for trace in arrays.traces)
