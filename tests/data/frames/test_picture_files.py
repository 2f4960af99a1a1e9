"""Frames of pictures: the columns of .png files of all kinds, and refusals."""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.frames.files import form_of, read_frames
from gpurnn.data.frames.form import FrameForm
from gpurnn.exceptions import DataError

Image = pytest.importorskip("PIL.Image")
GREY = np.array([[0, 255, 51], [102, 204, 153]], "u1")
INK = (1 - GREY.T / 255).astype(np.float32)
FORM = FrameForm("pictures", 2)


def saved(path: Path, picture, **more) -> Path:
    picture.save(path, "PNG", **more)
    return path


def test_columns_of_all_kinds_of_pictures_are_the_same(tmp_path: Path) -> None:
    grey = Image.fromarray(GREY)
    alpha = Image.merge("LA", (grey, Image.new("L", grey.size, 255)))
    wide = Image.fromarray(GREY.astype("u2") * 257)
    colours = grey.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=6)
    for name, picture in (("grey", grey), ("rgb", grey.convert("RGB")), ("rgba", grey.convert("RGBA")), ("la", alpha)):
        found = read_frames(saved(tmp_path / f"{name}.png", picture), FORM)
        assert found.dtype == np.float32, name
        assert np.allclose(found, INK, atol=1e-6), name
    assert np.allclose(read_frames(saved(tmp_path / "wide.png", wide), FORM), INK, atol=1e-6)
    assert np.allclose(read_frames(saved(tmp_path / "colours.png", colours), FORM), INK, atol=1e-2)
    black = Image.fromarray(GREY > 100)
    assert np.array_equal(read_frames(saved(tmp_path / "black.png", black), FORM), (GREY.T <= 100).astype(np.float32))
    assert form_of(tmp_path / "grey.png") == FORM


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    clear.putpixel((1, 0), (0, 0, 0, 255))
    assert read_frames(saved(tmp_path / "a.png", clear), FORM).tolist() == [[0, 0], [1, 0]]
    some = Image.new("P", (2, 2), 0)
    some.putpalette([0, 0, 0, 0, 0, 0])
    some.putpixel((0, 1), 1)
    assert read_frames(saved(tmp_path / "b.png", some, transparency=0), FORM).tolist() == [[0, 1], [0, 0]]


def head(width: int, height: int) -> bytes:
    """A .png file that ends behind its header."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def encoded() -> bytes:
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "PNG")
    return file.getvalue()


WRONG = {
    "empty": (b"", "no .png picture; save it as one"),
    "text": (b"picture\n" * 9, "no .png picture; save it as one"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(99), "no .png picture; save it as one"),
    "cut short": (encoded()[:-30], "a damaged picture: "),
    "only a header": (head(3, 2), "no .png picture, or a damaged one; get it again"),
    "half of a header": (head(3, 2)[:20], "no .png picture; save it as one"),
    "damaged": (encoded().replace(b"IDAT", b"IDAT\xff", 1), "a damaged picture: "),
    "a bomb": (head(100_000, 100_000), "it has 10,000,000,000 numbers, at most 16,777,216 may be in one file"),
    "no points": (head(0, 2), "it has no frames; leave it out"),
    "very high": (head(2, 70_000), "it is 70,000 points high, at most 65,536 may be; is it turned?"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_picture_is_one_line(name: str, tmp_path: Path) -> None:
    data, told = WRONG[name]
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_frames(path, FORM)
    assert str(caught.value).startswith(f"{path}: {told}")
    assert "\n" not in str(caught.value)


def test_pictures_of_another_height_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", Image.new("L", (4, 5)))
    with pytest.raises(DataError, match="it is 5 points high, the others 2; make all alike"):
        read_frames(path, FORM)


def test_a_missing_library_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "x.png", Image.fromarray(GREY))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(
        DataError, match=r"pictures need Pillow, which is not installed: pip install 'gpurnn\[images\]'"
    ):
        form_of(path)
