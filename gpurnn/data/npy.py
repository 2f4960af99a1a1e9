"""Plain .npy arrays of numbers: the header looked over before anything is read, nothing ever unpickled."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gpurnn.exceptions import DataError

_ADVICE = "save one array with numpy.save"
_HEADERS = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}
"""Of each version in how many bytes the length of the header is said, and what reads it from there on."""
_MOST_BYTES = 10_000
"""A header has at most so many: NumPy reads no longer ones either, but only after it has them in memory."""


class Header(NamedTuple):
    """What is said of an array before its numbers. by_column: whether these stand column by column."""

    shape: tuple[int, ...]
    by_column: bool
    dtype: np.dtype[Any]


def read_header(file: IO[bytes], path: Path) -> Header:
    """The header with which a file begins; its numbers come next.

    path: for messages. Raises DataError for what is no array of real or whole numbers.
    """
    try:
        version = npy.read_magic(file)
        if version not in _HEADERS:
            raise DataError(f"{path}: it has the version {version} of the format, expected 1.0 or 2.0")
        said, read = _HEADERS[version]
        size = file.read(said)
        length = int.from_bytes(size, "little")
        if length > _MOST_BYTES:
            raise DataError(f"{path}: it has a header of {length:,} bytes, expected up to {_MOST_BYTES:,}; {_ADVICE}")
        header = Header(*read(BytesIO(size + file.read(length))))
    except DataError:
        raise
    except Exception as error:  # a header that is none is Python text, which fails in many ways
        reason = " ".join(str(error).split()).partition(": <")[0]  # without the address of an object
        raise DataError(f"{path}: no .npy file: {reason:.80}; {_ADVICE}") from None
    if header.dtype.hasobject:
        raise DataError(f"{path}: it holds Python objects, which are not read; save an array of numbers")
    if header.dtype.kind not in "fiu" or header.dtype.itemsize > 8:
        raise DataError(f"{path}: it holds {header.dtype!s:.60}, expected real or whole numbers of up to 64 bits")
    return header


def rounded(found: NDArray[Any], path: Path, row_of: Callable[[int], int] = int) -> NDArray[np.float32]:
    """Rows of numbers, (n, width), as float32. row_of: the number of a row for the message, from its place among them.

    Raises DataError, which names the row, for what is no number.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        values = found.astype(np.float32)
    wrong = ~np.isfinite(values).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        value = found[row][~np.isfinite(values[row])][0]
        what = "too large a number" if np.isfinite(value) else "a number that is none"
        raise DataError(f"{path}: row {row_of(row):,} (the first is 0) has {what}, {value!s:.40}; correct it")
    return values
