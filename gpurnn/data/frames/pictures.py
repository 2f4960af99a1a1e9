"""Frames that are the columns of a picture, from left to right: .png files of lines of writing."""

from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.sizes import MAX_WIDTH
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.frames.limits import expect_numbers, wrong

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def look_png(file: IO[bytes], path: Path) -> FrameForm:
    """The form of the frames of a .png file. Raises DataError."""
    with _opened(file, path) as picture:
        return FrameForm("pictures", picture.height)


def read_png(file: IO[bytes], path: Path, form: FrameForm) -> NDArray[np.float32]:
    """Its columns, (width, height) float32, each from top to bottom: 0 is white, 1 is black.

    A picture of 16 bits is divided by its largest number. Others become grey by Pillow's `convert("L")`, ITU-R 601
    luma; what is transparent is laid on white. Raises DataError: also where Pillow is not installed and where the
    height is not the form's.
    """
    with _opened(file, path) as picture:
        if picture.height != form.width:
            raise wrong(path, f"it is {picture.height:,} points high, the others {form.width:,}; make all alike")
        try:
            return np.ascontiguousarray(_ink(picture).T)
        except Exception as error:
            raise wrong(path, f"a damaged picture: {' '.join(str(error).split()):.80}; get it again") from None


def _opened(file: IO[bytes], path: Path) -> Any:
    """The picture, of which the header alone is read."""
    try:
        from PIL import Image
    except ImportError:
        raise wrong(path, "pictures need Pillow, which is not installed: pip install 'gpurnn[images]'") from None
    _expect_size(file, path)
    try:
        return Image.open(file, formats=["PNG"])
    except Exception:  # what is no picture fails in many ways
        raise wrong(path, "no .png picture, or a damaged one; get it again") from None


def _expect_size(file: IO[bytes], path: Path) -> None:
    head = file.read(24)
    file.seek(0)
    if not head.startswith(_SIGNATURE) or len(head) < 24:
        raise wrong(path, "no .png picture; save it as one")
    width, height = (int.from_bytes(head[a : a + 4], "big") for a in (16, 20))
    expect_numbers(path, width, height)
    if height > MAX_WIDTH:
        raise wrong(path, f"it is {height:,} points high, at most {MAX_WIDTH:,} may be; is it turned?")


def _ink(picture: Any) -> NDArray[np.float32]:
    """How dark each point is, (height, width) float32."""
    from PIL import Image

    if picture.mode.startswith("I"):
        return np.float32(1) - np.asarray(picture).astype(np.float32) / np.float32(65535)
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return (255 - np.asarray(picture.convert("L"), np.float32)) / np.float32(255)
