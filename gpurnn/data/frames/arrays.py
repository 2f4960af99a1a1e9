"""Frames that are rows of an array: .npy, and .npz with one array in it."""

import os
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.sizes import MAX_WIDTH
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.frames.limits import expect_numbers, wrong
from gpurnn.data.npy import Header, read_header, rounded
from gpurnn.exceptions import DataError

_TAIL = 22 + (1 << 16)
"""Where a .zip file ends its list of files: at most so many bytes before its end."""
_LIST_BYTES = 1 << 16
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SHOWN = 5


def look_npy(file: IO[bytes], path: Path) -> FrameForm:
    """The form of the frames of a .npy file. Raises DataError."""
    return FrameForm("arrays", _header(file, path).shape[1])


def read_npy(file: IO[bytes], path: Path, form: FrameForm) -> NDArray[np.float32]:
    """Its rows, (n, F) float32. Raises DataError."""
    return _rows(file, path, form)


def look_npz(file: IO[bytes], path: Path) -> FrameForm:
    """The same of the one array in a .npz file."""
    with _member(file, path) as member:
        return look_npy(member, path)


def read_npz(file: IO[bytes], path: Path, form: FrameForm) -> NDArray[np.float32]:
    """The same; of what is packed no more is unpacked than the array has."""
    with _member(file, path) as member:
        try:
            return _rows(member, path, form)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise wrong(path, f"it is damaged: {error!s:.80}; get it again") from None


def _header(file: IO[bytes], path: Path) -> Header:
    header = read_header(file, path)
    if len(header.shape) != 2 or not 0 < header.shape[1] <= MAX_WIDTH:
        raise wrong(path, f"it has the shape {header.shape!s:.60}, expected (frames, numbers), up to {MAX_WIDTH:,}")
    expect_numbers(path, *header.shape)
    return header


def _rows(file: IO[bytes], path: Path, form: FrameForm) -> NDArray[np.float32]:
    shape, by_column, dtype = _header(file, path)
    if shape[1] != form.width:
        raise wrong(path, f"it has {shape[1]:,} numbers a frame, the others {form.width:,}")
    size = shape[0] * shape[1] * dtype.itemsize
    data = file.read(size)
    if len(data) != size or file.read(1):
        raise wrong(path, f"it has not the {size:,} bytes of data that its header says; get it again")
    found: NDArray[Any] = np.frombuffer(data, dtype).reshape(shape, order="F" if by_column else "C")
    return rounded(found, path)


def _member(file: IO[bytes], path: Path) -> IO[bytes]:
    """The one array in a .npz file, opened."""
    _expect_short_list(file, path)
    try:
        packed = zipfile.ZipFile(file)
        members = packed.infolist()
        names = [member.filename.removesuffix(".npy") for member in members]
        if len(members) != 1:
            shown = ", ".join(f"{name!r:.40}" for name in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            raise wrong(path, f"it has {len(members)} arrays, {shown or 'none'}, expected one; save each by itself")
        if members[0].compress_type not in _PACKINGS or members[0].flag_bits & 1:
            raise wrong(path, "it is packed in a way that is not read; save it with numpy.savez_compressed")
        return packed.open(members[0])
    except DataError:
        raise
    except Exception as error:  # a list of files that is none fails in many ways
        raise wrong(path, f"no .npz file: {' '.join(str(error).split()):.80}; save one with numpy.savez") from None


def _expect_short_list(file: IO[bytes], path: Path) -> None:
    """Raises DataError for a list of files that would take much memory."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _TAIL))
    tail = file.read(_TAIL)
    file.seek(0)
    at = tail.rfind(b"PK\5\6")
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    comment = int.from_bytes(tail[at + 20 : at + 22], "little")
    if at < 0 or at + 22 + comment != len(tail):
        raise wrong(path, "no .npz file, or one that was cut short; save one with numpy.savez")
    if size > _LIST_BYTES or (at >= 20 and tail[at - 20 : at - 16] == b"PK\6\7"):  # the latter: it may be longer
        raise wrong(path, "it has far more arrays than one; save each by itself")
