"""Rows in any order become rows by key and time: sorted runs in a file without a name, then merged."""

import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

RUN_BYTES = 1 << 24
"""About so many bytes of rows are sorted in memory at once."""
_MERGE_BYTES = 1 << 24
_FEWEST = 256  # rows of a run that are merged at once


def row_type(columns: int) -> np.dtype[Any]:
    """A row as it lies in the file: the number of its key, its time in seconds, its values, NaN where missing."""
    return np.dtype([("key", "<u4"), ("time", "<i8"), ("values", "<f4", (columns,))])


class RowFile:
    """Rows in a file without a name in `folder`; nothing of it is left when the process ends. len: how many.

    Errors of the disk are OSError.
    """

    def __init__(self, folder: Path, columns: int) -> None:
        self.dtype = row_type(columns)
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, rows: NDArray[Any]) -> None:
        """Adds rows at the end; all are added before any is read."""
        self._file.write(rows.tobytes())
        self._count += len(rows)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """The rows start .. stop, (n,) of `dtype`."""
        self._file.seek(start * self.dtype.itemsize)
        data = self._file.read((stop - start) * self.dtype.itemsize)
        if len(data) < (stop - start) * self.dtype.itemsize:
            raise OSError("a temporary file is shorter than what was written to it")
        return np.frombuffer(data, self.dtype)

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()


class RowSorter:
    """Takes rows in any order and gives them back by key and time, in bounded memory; of equal ones the first first."""

    def __init__(self, folder: Path, columns: int) -> None:
        self._folder = folder
        self._columns = columns
        self._file = RowFile(folder, columns)
        self._waiting: list[NDArray[Any]] = []
        self._count = 0
        self._run_rows = max(1, RUN_BYTES // self._file.dtype.itemsize)
        self._runs: list[int] = []  # where each begins
        self._last: tuple[int, int] | None = None
        self.sorted = True
        """Whether every run comes after the one before, by key and time, so that there is nothing to merge."""

    def __len__(self) -> int:
        return len(self._file) + self._count

    def append(self, keys: NDArray[np.uint32], times: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Adds rows: keys, (n,), times, (n,), and values, (n, F)."""
        rows = np.empty(len(times), self._file.dtype)
        rows["key"], rows["time"], rows["values"] = keys, times, values
        self._waiting.append(rows)
        self._count += len(rows)
        if self._count >= self._run_rows:
            self._write_run()

    def finish(self) -> RowFile:
        """All rows in order; this object has none any more."""
        if self._count:
            self._write_run()
        if self.sorted:
            return self._file
        merged = RowFile(self._folder, self._columns)
        try:
            _merge(self._file, self._runs, merged)
        except BaseException:
            merged.close()
            raise
        self._file.close()
        return merged

    def close(self) -> None:
        """Gives the file back where `finish` was not reached."""
        self._file.close()

    def _write_run(self) -> None:
        rows = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._waiting, self._count = [], 0
        if not _in_order(rows):
            rows = rows[np.lexsort((rows["time"], rows["key"]))]
        first = (int(rows["key"][0]), int(rows["time"][0]))
        if self._last is not None and first < self._last:
            self.sorted = False
        self._last = (int(rows["key"][-1]), int(rows["time"][-1]))
        self._runs.append(len(self._file))
        self._file.append(rows)


def _in_order(rows: NDArray[Any]) -> bool:
    keys, times = rows["key"], rows["time"]
    later = (keys[1:] > keys[:-1]) | ((keys[1:] == keys[:-1]) & (times[1:] >= times[:-1]))
    return bool(later.all())


def _merge(source: RowFile, runs: list[int], target: RowFile) -> None:
    """Writes the sorted runs, which begin at these rows, as one."""
    ends = [*runs[1:], len(source)]
    rows = max(_FEWEST, _MERGE_BYTES // source.dtype.itemsize // len(runs))
    places = list(runs)
    ahead = [source.read(start, start) for start in runs]
    while True:
        for number, end in enumerate(ends):
            if not len(ahead[number]) and places[number] < end:
                stop = min(places[number] + rows, end)
                ahead[number] = source.read(places[number], stop)
                places[number] = stop
        unread = [part for part, place, end in zip(ahead, places, ends, strict=True) if place < end]
        bound = min(((int(part["key"][-1]), int(part["time"][-1])) for part in unread), default=None)
        taken = []
        for number, part in enumerate(ahead):
            count = len(part) if bound is None else _up_to(part, *bound)
            taken.append(part[:count])
            ahead[number] = part[count:]
        merged = np.concatenate(taken)
        if not len(merged):
            return
        target.append(merged[np.lexsort((merged["time"], merged["key"]))])


def _up_to(rows: NDArray[Any], key: int, time: int) -> int:
    """How many of the sorted rows are not after this key and time."""
    low, high = (int(np.searchsorted(rows["key"], np.uint32(key), side)) for side in ("left", "right"))
    return low + int(np.searchsorted(rows["time"][low:high], time, "right"))
