"""Frames in arrays: .npy and .npz, and those that are refused."""

import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from framefiles import npy_header

from gpurnn.data.frames.files import form_of, read_frames
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.frames.limits import MOST_NUMBERS
from gpurnn.exceptions import DataError

FORM = FrameForm("arrays", 3)
ROWS = np.arange(12).reshape(4, 3)


@pytest.mark.parametrize("kind", ["<f4", ">f8", "u1", "<f2", ">i4", "<u8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
def test_arrays_of_all_kinds_of_numbers_are_read(kind: str, order: str, save, tmp_path: Path) -> None:
    path = tmp_path / ("a.NPY" if save is np.save else "a.npz")
    with path.open("wb") as file:
        save(file, ROWS.astype(kind, order=order))
    assert form_of(path) == FORM
    frames = read_frames(path, FORM)
    assert frames.dtype == np.float32
    assert np.array_equal(frames, ROWS)


def test_frames_are_spliced_and_then_skipped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1, 10], [2, 20], [3, 30], [4, 40]]))
    form = form_of(tmp_path / "a.npy", splice=1, skip=2)
    assert (form.inputs, form.splice, form.skip) == (6, 1, 2)
    found = read_frames(tmp_path / "a.npy", form)
    assert found.tolist() == [[1, 10, 1, 10, 2, 20], [2, 20, 3, 30, 4, 40]]
    far = read_frames(tmp_path / "a.npy", form_of(tmp_path / "a.npy", splice=5))
    assert far.shape == (4, 22)
    assert far[2].tolist() == [1, 10] * 4 + [2, 20, 3, 30, 4, 40] + [4, 40] * 4
    assert read_frames(tmp_path / "a.npy", form_of(tmp_path / "a.npy", skip=3)).tolist() == [[1, 10], [4, 40]]


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def packed(data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a.npy", data)
    return file.getvalue()


def at(data: bytes, place: int, new: bytes) -> bytes:
    """With other bytes at a place; from the end where that is below 0."""
    place %= len(data)
    return data[:place] + new + data[place + len(new) :]


WHOLE = npz(a=ROWS.astype("<f4"))
END = len(WHOLE) - 22
WRONG = {
    "no numbers.npy": (npy_header((4, 3), "<U1") + bytes(48), "it holds <U1, expected real or whole numbers"),
    "complex.npy": (npy_header((4, 3), "<c8") + bytes(96), "it holds complex64, expected real"),
    "objects.npy": (npy_header((4, 3), "|O") + b"cos\nsystem\n(S'true'\ntR.", "it holds Python objects, which are not"),
    "objects.npz": (packed(npy_header((4, 3), "|O") + bytes(96)), "it holds Python objects, which are not read"),
    "flat.npy": (npy_header((4,)) + bytes(16), "it has the shape (4,), expected (frames, numbers)"),
    "deep.npy": (npy_header((4, 3, 2)) + bytes(96), "it has the shape (4, 3, 2), expected (frames, numbers)"),
    "wide.npy": (npy_header((1, 70_000)) + bytes(280_000), "it has the shape (1, 70000), expected (frames, numbers)"),
    "none.npy": (npy_header((0, 3)), "it has no frames; leave it out"),
    "other.npy": (npy_header((4, 2)) + bytes(32), "it has 2 numbers a frame, the others 3"),
    "short.npy": (npy_header((4, 3)) + bytes(47), "it has not the 48 bytes of data that its header says"),
    "long.npy": (npy_header((4, 3)) + bytes(49), "it has not the 48 bytes of data that its header says"),
    "huge.npy": (npy_header((10**7, 3)), "it has 30,000,000 numbers, at most 16,777,216 may be in one file"),
    "endless.npy": (npy_header((2**62, 3)), "it has 13,835,058,055,282,163,712 numbers, at most 16,777,216 may be in"),
    "text.npy": (b"1 2 3\n" * 9, "no .npy file: the magic string is not correct"),
    "code.npy": (b"\x93NUMPY\x01\x00\x0a\x00exit(1)   ", "no .npy file: "),
    "newer.npy": (b"\x93NUMPY\x03\x00" + bytes(99), "it has the version (3, 0) of the format, expected 1.0 or 2.0"),
    "empty.npy": (b"", "no .npy file"),
    "cut short.npy": (npy_header((4, 3))[:40], "no .npy file: EOF: reading array header"),
    "a long header.npz": (
        packed(b"\x93NUMPY\x02\x00" + (5_000_000).to_bytes(4, "little") + bytes(5_000_000)),
        "it has a header of 5,000,000 bytes, expected up to 10,000; save one array with numpy.save",
    ),
    "nan.npy": (
        npy_header((4, 3)) + bytes(20) + struct.pack("<f", float("nan")) + bytes(24),
        "row 1 (the first is 0) has a number that is none, nan; correct it",
    ),
    "infinite.npy": (
        npy_header((4, 3)) + struct.pack("<f", float("-inf")) + bytes(44),
        "row 0 (the first is 0) has a number that is none, -inf",
    ),
    "large.npy": (
        npy_header((4, 3), "<f8") + bytes(88) + struct.pack("<d", 1e300),
        "row 3 (the first is 0) has too large a number, 1e+300",
    ),
    "several.npz": (npz(a=ROWS, b=ROWS), "it has 2 arrays, 'a', 'b', expected one; save each by itself"),
    "many.npz": (npz(**{f"a{i}": ROWS[:1] for i in range(9)}), "it has 9 arrays, 'a0', 'a1', 'a2', 'a3', 'a4', ..."),
    "no array.npz": (npz(), "it has 0 arrays, none, expected one"),
    "text.npz": (b"1 2 3\n" * 9, "no .npz file, or one that was cut short"),
    "cut.npz": (WHOLE[:-9], "no .npz file, or one that was cut short"),
    "behind.npz": (WHOLE + b"x", "no .npz file, or one that was cut short"),
    "a long list.npz": (at(WHOLE, END + 12, struct.pack("<I", 1 << 20)), "it has far more arrays than one"),
    "a longer list.npz": (WHOLE[:END] + b"PK\6\7" + bytes(16) + WHOLE[END:], "it has far more arrays than one"),
    "a list elsewhere.npz": (at(WHOLE, END + 16, struct.pack("<I", 9999)), "no .npz file: "),
    "lzma.npz": (packed(npy_header((4, 3)) + bytes(48), zipfile.ZIP_LZMA), "it is packed in a way that is not read"),
    "damaged.npz": (at(npz(a=np.zeros((4000, 3))), 50_000, b"\xff"), "it is damaged: Bad CRC-32"),
    "a bomb.npz": (packed(npy_header((4, 3)) + bytes(10**7)), "it has not the 48 bytes of data that its header says"),
    "a bomb that says so.npz": (
        packed(npy_header((10**7, 10)) + bytes(10**7)),
        "it has 100,000,000 numbers, at most 16,777,216 may be in one file",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_array_is_one_line(name: str, tmp_path: Path) -> None:
    data, told = WRONG[name]
    path = tmp_path / name
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(DataError) as caught:
        read_frames(path, FORM)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: {told}")
    assert "\n" not in str(caught.value)
    assert peak < 2e6


def test_what_is_no_file_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.npy")
    (tmp_path / "folder.npy").mkdir()
    for name, told in (
        ("missing.npy", "cannot read the frames: No such file or directory"),
        ("fifo.npy", "cannot read the frames: it is a FIFO, expected a file"),
        ("folder.npy", "cannot read the frames: it is a folder, expected a file"),
        ("zero\0byte.npy", "cannot read the frames: embedded null byte"),
        ("song.mp3", "its name does not end with .npy, .npz, .wav, .png"),
    ):
        for read in (form_of, lambda path: read_frames(path, FORM)):
            with pytest.raises(DataError, match=told):
                read(tmp_path / name)
    with pytest.raises(DataError, match=r"sound\.wav: it is sound, the others are arrays; give files of one kind"):
        read_frames(tmp_path / "sound.wav", FORM)


def test_splicing_is_bounded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((30_000, 3), "u1"))
    form = form_of(tmp_path / "a.npy", splice=200)
    with pytest.raises(DataError, match=f"36,090,000 numbers, at most {MOST_NUMBERS:,} may be in one file"):
        read_frames(tmp_path / "a.npy", form)
    np.save(tmp_path / "b.npy", np.zeros((1, 60_000), "u1"))
    with pytest.raises(DataError, match="180,000 numbers a frame, expected up to 65,536; splice fewer"):
        form_of(tmp_path / "b.npy", splice=1)
