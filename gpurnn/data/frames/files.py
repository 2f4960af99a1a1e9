"""From a file to frames, by the end of its name."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.frames.arrays import look_npy, look_npz, read_npy, read_npz
from gpurnn.data.frames.form import FrameForm, FrameKind
from gpurnn.data.frames.limits import expect_numbers, wrong
from gpurnn.data.frames.pictures import look_png, read_png
from gpurnn.data.frames.sound import look_wav, read_wav
from gpurnn.exceptions import DataError
from gpurnn.files.output import open_regular


class FileKind(NamedTuple):
    """A kind of file. look: what its frames are, from its beginning. read: its frames, (n, width) float32."""

    kind: FrameKind
    look: Callable[[IO[bytes], Path], FrameForm]
    read: Callable[[IO[bytes], Path, FrameForm], NDArray[np.float32]]


FILE_KINDS = {
    ".npy": FileKind("arrays", look_npy, read_npy),
    ".npz": FileKind("arrays", look_npz, read_npz),
    ".wav": FileKind("sound", look_wav, read_wav),
    ".png": FileKind("pictures", look_png, read_png),
}
"""Every kind of file that has frames, by the end of its name."""
_NAMES = {"arrays": "an array", "sound": "sound", "pictures": "a picture"}


def is_frames(path: Path) -> bool:
    """Whether the name of a file says that it has frames."""
    return path.suffix.lower() in FILE_KINDS


def form_of(path: Path, *, splice: int = 0, skip: int = 1) -> FrameForm:
    """What the frames of this file are, and so those of all that shall be like it. Raises DataError."""
    kind = _kind(path)
    with _opened(path) as file:
        found = kind.look(file, path)
    try:
        return dataclasses.replace(found, splice=splice, skip=skip)
    except DataError as error:
        raise wrong(path, f"its {error}") from None


def read_frames(path: Path, form: FrameForm) -> NDArray[np.float32]:
    """The frames of a file as a model sees them but for their scaling, (n, F) float32, spliced and skipped.

    Raises DataError, which names the file, where it is missing, damaged, too large, or not like the form.
    """
    kind = _kind(path)
    if kind.kind != form.kind:
        raise wrong(path, f"it is {_NAMES[kind.kind]}, the others are {form.kind}; give files of one kind")
    with _opened(path) as file:
        return spliced(kind.read(file, path, form), form, path)


def spliced(frames: NDArray[np.float32], form: FrameForm, path: Path) -> NDArray[np.float32]:
    """Frames, (n, width), as the form splices and skips them. Raises DataError where that makes too many numbers."""
    kept = np.arange(0, len(frames), form.skip)
    expect_numbers(path, len(kept), form.inputs)
    if not form.splice:
        return frames[kept] if form.skip > 1 else frames
    places = np.clip(kept[:, None] + np.arange(-form.splice, form.splice + 1), 0, len(frames) - 1)
    beside: NDArray[np.float32] = frames[places].reshape(len(kept), form.inputs)
    return beside


def _kind(path: Path) -> FileKind:
    found = FILE_KINDS.get(path.suffix.lower())
    if found is None:
        raise wrong(path, f"its name does not end with {', '.join(FILE_KINDS)}; give a file that is one of these")
    return found


def _opened(path: Path) -> IO[bytes]:
    try:
        return open(open_regular(path, os.O_RDONLY), "rb")
    except (OSError, ValueError) as error:  # a ValueError: a name with a byte of zero
        raise wrong(path, f"cannot read the frames: {getattr(error, 'strerror', None) or error}") from None
