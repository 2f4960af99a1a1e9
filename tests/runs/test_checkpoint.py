"""Checkpoints: what is written comes back; nothing else is accepted."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpurnn.exceptions import CheckpointError, UsageError
from gpurnn.network import ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.network.chain import parts_of, specs_of
from gpurnn.runs import checkpoint as module
from gpurnn.runs.checkpoint import (
    VERSION,
    encode_checkpoint,
    parse_checkpoint,
    read_checkpoint,
    write_checkpoint,
)

TENSORS = {
    "layers.0.U": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
    "loss": np.array(2.5),
    "empty": np.zeros((0, 5), np.uint16),
    "mask": np.array([True, False, True]),
    "count": np.array([2**64 - 1], np.uint64),
}
HEADER = {"window": 7, "config": {"name": "é\ud800", "rates": [0.1, 1e-300, None, True]}}
MIB = 1 << 20


def encode(tensors: dict[str, np.ndarray] = TENSORS, header: dict[str, Any] = HEADER) -> bytes:
    return b"".join(encode_checkpoint(tensors, header))


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, TENSORS, HEADER)
    found = read_checkpoint(path)
    assert found.header == HEADER
    assert (found.path, found.version) == (path, VERSION)
    assert found.tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert found.tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(found.tensors[name], array, strict=True)


def test_safetensors_reads_what_we_write(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, TENSORS, HEADER)
    found = safetensors.numpy.load_file(path)
    assert found.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,20}", fullmatch=True),
        st.sampled_from(["f4", "f8", "u1", "u2", "u4", "u8", "i4", "i8", "?", ">f4", ">u8"]).flatmap(
            lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
        ),
        max_size=5,
    ),
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**63), 2**64 - 1)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    ),
)
def test_any_tensors_and_header_come_back(tensors: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    data = encode(tensors, header)
    found = parse_checkpoint(data)
    assert found.header == header
    for name, array in tensors.items():
        assert found.tensors[name].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()
        assert found.tensors[name].shape == array.shape
    assert encode(dict(reversed(tensors.items())), header) == data  # the order of the dict does not matter


def test_arrays_that_are_not_contiguous() -> None:
    array = np.arange(24, dtype=np.int32).reshape(4, 6)
    found = parse_checkpoint(encode({"a": array.T, "b": array[::2, ::-3]}))
    np.testing.assert_array_equal(found.tensors["a"], array.T, strict=True)
    np.testing.assert_array_equal(found.tensors["b"], array[::2, ::-3], strict=True)


def test_arrays_are_aligned_and_read_only() -> None:
    tensors = parse_checkpoint(bytearray(encode())).tensors
    assert all(array.flags.aligned and not array.flags.writeable for array in tensors.values())


@pytest.mark.parametrize(
    ("tensors", "header", "reason"),
    [
        ({"a": np.zeros(2, np.float16)}, {}, "a: expected a dtype of"),
        ({"a": np.array([object()])}, {}, "found object"),
        ({"a": np.array(["text"])}, {}, "a: expected a dtype of"),
        ({"a b": np.zeros(2)}, {}, "tensor name 'a b'"),
        ({"": np.zeros(2)}, {}, "tensor name ''"),
        ({"__metadata__": np.zeros(2)}, {}, "tensor name"),
        ({"a": np.zeros((1,) * 9)}, {}, "8 dimensions"),
        ({"a": np.zeros((0, 2**30, 2**20), np.uint8)}, {}, "dimensions"),
        ({}, {"a": float("nan")}, "plain JSON"),
        ({}, {"a": float("inf")}, "plain JSON"),
        ({}, {"a": (1, 2)}, "changed"),
        ({}, {1: 2}, "changed"),
        ({}, {1: 2, "1": 3}, "twice"),
        ({}, {"a": np.zeros(2)}, "not JSON serializable"),
        ({}, {"a": 10**5000}, "plain JSON"),
        ({}, {"a": json.loads("[" * 32 + "]" * 32)}, "nested deeper"),
        ({}, {"a": json.loads("[" * 500 + "]" * 500)}, "nested deeper"),
        ({}, {"a": "x" * MIB}, "store large values as tensors"),
    ],
)
def test_refuses_to_write_what_would_not_come_back(
    tensors: dict[str, np.ndarray], header: dict[Any, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=reason) as caught:
        write_checkpoint(tmp_path / "c", tensors, header)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_deepest_and_longest_allowed_header_comes_back() -> None:
    header = {"deep": json.loads("[" * 31 + "]" * 31), "long": "x" * (MIB - 300)}
    assert parse_checkpoint(encode({}, header)).header == header


@pytest.mark.parametrize("cell", list(CELLS))
def test_the_header_has_room_for_the_deepest_network(cell: str) -> None:
    config = ModelConfig(5, cell=cell, hidden=1, embedding=1, layers=512)
    shapes = {
        f"{part}{spec.name}": spec.shape for part in ("", "m.", "v.", "average.") for spec in specs_of(parts_of(config))
    }
    shapes |= {f"state.{layer}.{name}": (1, 1) for layer in range(512) for name in CELLS[cell].states}
    top, *_ = encode_checkpoint({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, {})
    longer = 20 * len(shapes)  # sizes and offsets of large networks have more digits
    assert len(top) + longer < module.MAX_HEADER_BYTES
    with pytest.raises(UsageError, match="layers: expected at most 512, found 513"):
        ModelConfig(5, cell=cell, layers=513)


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(CheckpointError, match="expected a file"):
            read_checkpoint(path)


@pytest.mark.parametrize("name", ["missing", "a/b", "a\0b", "x" * 5000])
def test_a_path_that_cannot_be_opened(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="checkpoint"):
        read_checkpoint(tmp_path / name)


def test_symbolic_links_are_followed_and_loops_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", TENSORS, HEADER)
    (tmp_path / "link").symlink_to("c")
    (tmp_path / "loop").symlink_to("loop")
    assert read_checkpoint(tmp_path / "link").header == HEADER
    with pytest.raises(CheckpointError, match="cannot read"):
        read_checkpoint(tmp_path / "loop")


def test_a_huge_file_that_is_no_checkpoint_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointError, match="it does not begin as one"):
        read_checkpoint(tmp_path / "sparse")


def test_a_file_that_does_not_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path / "c", TENSORS, HEADER)

    def fail(path: Path) -> bytearray:
        raise MemoryError

    monkeypatch.setattr(module, "_read_regular_file", fail)
    with pytest.raises(CheckpointError, match="does not fit into memory"):
        read_checkpoint(tmp_path / "c")
