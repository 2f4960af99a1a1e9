"""Files of vectors, sound ones and others, and what is said of these."""

from __future__ import annotations

import pickle
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from gpurnn.data.pairs.vectors import VectorFile
from gpurnn.exceptions import DataError


class Trap:
    """Unpickling it is what must not happen."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was unpickled",))


def saved(path: Path, array: Any) -> Path:
    np.save(path, array, allow_pickle=True)
    return path


def opened(folder: Path, array: np.ndarray) -> closing[VectorFile]:
    return closing(VectorFile(saved(folder / "v.npy", array)))


def with_header(path: Path, header: bytes, data: bytes = b"") -> Path:
    padded = header + b" " * (63 - (len(header) + 10) % 64) + b"\n"
    path.write_bytes(npy.magic(1, 0) + len(padded).to_bytes(2, "little") + padded + data)
    return path


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.array([[Trap()], [Trap()]]), "it holds Python objects, which are not read; save an array of numbers"),
        (np.ones(3), "it has the shape (3,), expected (rows, numbers), up to 65,536 numbers"),
        (np.ones((3, 1, 1)), "it has the shape (3, 1, 1), expected (rows, numbers), up to 65,536 numbers"),
        (np.ones((3, 0)), "it has the shape (3, 0), expected (rows, numbers), up to 65,536 numbers"),
        (np.ones((1, 65_537), "u1"), "it has the shape (1, 65537), expected (rows, numbers), up to 65,536 numbers"),
        (np.array([["a"]]), "it holds <U1, expected real or whole numbers of up to 64 bits"),
        (np.ones((3, 2), complex), "it holds complex128, expected real or whole numbers of up to 64 bits"),
        (np.ones((3, 2), [("a", "f4")]), "it holds [('a', '<f4')], expected real or whole numbers of up to 64 bits"),
    ],
)
def test_arrays_that_are_no_vectors(tmp_path: Path, array: Any, told: str) -> None:
    path = saved(tmp_path / "v.npy", array)
    with pytest.raises(DataError) as error:
        VectorFile(path)
    assert str(error.value) == f"{path}: {told}"


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    good = saved(path, np.ones((4, 3), np.float32)).read_bytes()
    for data in (
        b"",
        good[:7],
        good[:40],
        pickle.dumps(Trap()),
        b"PK\x03\x04 an archive",
        good.replace(b"'shape'", b"'shapo'"),
        good.replace(b"(4, 3)", b"((((("),
        good.replace(b"'<f4'", b"'<f4"),
        good.replace(b"(4, 3)", b"(4 ,0)"),
        good[:6] + b"\x09" + good[7:],
        good[:-1],
        good + b"\0",
        good.replace(b"(4, 3)", b"(9, 3)"),
        good.replace(b"(4, 3)", b"(-4,3)"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"v\.npy: ") as error:
            VectorFile(path)
        assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 300 + len(str(path)), data
    for header, told in (
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999, 3)}", "12 bytes of data, expected 1,199"),
        (b"{'descr': '|O', 'fortran_order': False, 'shape': (1, 3)}", "it holds Python objects, which are not read"),
        (b"{'descr': ('<f4', (3,)), 'fortran_order': False, 'shape': (1, 3)}", "no .npy file|it holds"),
        (b"(" * 5000, "no .npy file"),
    ):
        with pytest.raises(DataError, match=told):
            VectorFile(with_header(path, header, bytes(12)))
    with pytest.raises(DataError, match="nothing: cannot read the vectors: No such file or directory"):
        VectorFile(tmp_path / "nothing")
    with pytest.raises(DataError, match="cannot read the vectors: it is a folder, expected a file"):
        VectorFile(tmp_path)


@pytest.mark.parametrize(("value", "told"), [("nan", "a number that is none, nan"), ("-inf", "a number that is none")])
def test_a_number_that_is_none_is_named_by_its_row(tmp_path: Path, value: str, told: str) -> None:
    array = np.ones((5000, 100), np.float64)
    array[4321, 7] = float(value)
    with opened(tmp_path, array) as file, pytest.raises(DataError, match=rf"row 4,321 \(the first is 0\) has {told}"):
        file.expect(5000, tmp_path)
    array[4321, 7] = 1e39
    with opened(tmp_path, array) as file, pytest.raises(DataError, match=r"row 4,321 .* too large a number, 1e\+39;"):
        file.expect(5000, tmp_path)


@pytest.mark.parametrize("texts", [4, 2])
def test_there_are_as_many_rows_as_texts(tmp_path: Path, texts: int) -> None:
    told = rf"v\.npy: 3 rows for {texts} texts; there has to be a row for each line"
    with opened(tmp_path, np.ones((3, 2))) as file, pytest.raises(DataError, match=told):
        file.expect(texts, tmp_path)


@pytest.mark.parametrize("shape", [(50, 3), (1, 4), (40, 1)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f8", ">i2"])
def test_rows_in_any_order(
    tmp_path: Path, shape: tuple[int, int], order: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_BLOCK_BYTES", "_COLUMNS_BYTES"):
        monkeypatch.setattr(f"gpurnn.data.pairs.vectors.{name}", 100)
    array = np.random.default_rng(0).normal(0, 99, shape).astype(kind)
    with opened(tmp_path, np.asarray(array, order=order)) as file:
        for _ in range(2):
            for numbers in ([], [0], [3, 4, 5], [39, 0, 1, 7, 7, 8], list(range(shape[0]))):
                numbers = [number % shape[0] for number in numbers]
                np.testing.assert_array_equal(file.rows(numbers), array[numbers].astype(np.float32))
            file.expect(shape[0], tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["v.npy"]


def test_a_file_that_becomes_shorter(tmp_path: Path) -> None:
    for order in ("C", "F"):
        with opened(tmp_path, np.ones((50, 3), order=order)) as file:
            with (tmp_path / "v.npy").open("r+b") as other:
                other.truncate(200)
            with pytest.raises(DataError, match="it became shorter while it was read; prepare again"):
                file.expect(50, tmp_path)
