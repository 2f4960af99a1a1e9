"""Checkpoints: what is written comes back; nothing else is accepted."""

import hashlib
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpurnn.exceptions import CheckpointError
from gpurnn.training import checkpoint as module
from gpurnn.training.checkpoint import (
    Checkpoint,
    NewerFormatError,
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


def assemble(document: str | bytes, data: bytes = b"") -> bytes:
    """A file with this header and a valid digest."""
    text = document.encode() if isinstance(document, str) else document
    blank = len(text).to_bytes(8, "little") + text + data
    start = 8 + len(b'{"__metadata__":{"sha256":"')
    digest = hashlib.sha256(blank[:start] + b"0" * 64 + blank[start + 64 :]).hexdigest().encode()
    return blank[:start] + digest + blank[start + 64 :]


def document(table: str, own: str = "{}", version: str = "1", more: str = "") -> str:
    metadata = f'"sha256":"{"0" * 64}","version":{json.dumps(version)},"gpurnn":{json.dumps(own)}{more}'
    return '{"__metadata__":{' + metadata + "}" + ("," + table if table else "") + "}"


def refusal(data: bytes) -> str:
    with pytest.raises(CheckpointError) as caught:
        parse_checkpoint(data)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, TENSORS, HEADER)
    found = read_checkpoint(path)
    assert found.header == HEADER
    assert (found.path, found.version) == (path, 1)
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
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
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


def test_every_truncation_is_refused() -> None:
    data = encode()
    for length in range(len(data)):
        refusal(data[:length])


def test_every_bit_flip_is_refused() -> None:
    data = encode()
    for position in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        refusal(bytes(flipped))


def test_trailing_bytes_are_refused() -> None:
    assert "SHA-256" in refusal(encode() + b"\0")
    assert "tensors end at byte 0" in refusal(assemble(document(""), b"\0"))


def entry(dtype: str = '"U8"', shape: str = "[4]", offsets: str = "[0,4]", more: str = "") -> str:
    return f'"a":{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}{more}}}'


HOSTILE = {
    "no tensor but data": (document(""), b"1234", "end at byte 0"),
    "gap": (document(entry(offsets="[1,5]")), b"12345", "data_offsets"),
    "overlap": (document(entry() + ',"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}'), b"1234", "data_offsets"),
    "past the end": (document(entry()), b"123", "ends at byte 4"),
    "reversed": (document(entry(offsets="[4,0]")), b"1234", "data_offsets"),
    "negative": (document(entry(offsets="[-4,0]")), b"1234", "data_offsets"),
    "float offsets": (document(entry(offsets="[0.0,4.0]")), b"1234", "data_offsets"),
    "bool offsets": (document(entry(shape="[1]", offsets="[false,true]")), b"1", "data_offsets"),
    "three offsets": (document(entry(offsets="[0,4,4]")), b"1234", "data_offsets"),
    "shape bomb": (document(entry(shape="[1099511627776,4194304]", offsets="[0,0]")), b"", "shape"),
    "empty shape bomb": (document(entry(shape="[0,281474976710656,2]", offsets="[0,0]")), b"", "shape"),
    "huge size": (document(entry(shape="[1000000000]", offsets="[0,1000000000]")), b"1234", "ends at byte"),
    "negative size": (document(entry(shape="[-2,-2]")), b"1234", "shape"),
    "bool size": (document(entry(shape="[true]", offsets="[0,1]")), b"1", "shape"),
    "nine dimensions": (document(entry(shape="[1,1,1,1,1,1,1,1,4]")), b"1234", "shape"),
    "shape is text": (document(entry(shape='"4"')), b"1234", "shape"),
    "unknown dtype": (document(entry(dtype='"F16"', shape="[2]")), b"1234", "F16"),
    "dtype is a list": (document(entry(dtype='["U8"]')), b"1234", "dtype"),
    "dtype missing": (document('"a":{"shape":[4],"data_offsets":[0,4]}'), b"1234", "expected dtype"),
    "extra key": (document(entry(more=',"x":1')), b"1234", "expected dtype"),
    "entry is a list": (document('"a":[]'), b"", "expected dtype"),
    "duplicate tensor": (document(entry() + "," + entry()), b"1234", "twice"),
    "duplicate in entry": (document(entry(more=',"shape":[4]')), b"1234", "twice"),
    "duplicate metadata": (document('"__metadata__":{}'), b"", "twice"),
    "truth values": (document(entry(dtype='"BOOL"')), b"\0\1\2\0", "truth values"),
    "name": (document('"../a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'), b"", "'../a' is not"),
    "name with newline": (document(r'"a\n":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'), b"", "is not a"),
    "NaN": (document(entry(shape="[NaN]")), b"1234", "NaN"),
    "infinite number": (document(entry(shape="[1e999]")), b"1234", "too large"),
    "huge integer": (document(entry(shape="[" + "9" * 5000 + "]")), b"1234", "plain JSON"),
    "deep": (document('"a":' + "[" * 40 + "]" * 40), b"", "nested deeper"),
    "very deep": (document('"a":' + "[" * 200_000 + "]" * 200_000), b"", "nested deeper"),
    "very deep, unclosed": (document('"a":' + "[" * 200_000), b"", "nested deeper"),
    "not ASCII": (document('"ä":1').encode("utf-8"), b"", "plain JSON"),
    "not JSON": (document("x"), b"", "plain JSON"),
    "two values": (document("") + "{}", b"", "plain JSON"),
    "own header a list": (document("", own="[]"), b"", "not a JSON object"),
    "own header broken": (document("", own='{"a":'), b"", "own header"),
    "own header NaN": (document("", own='{"a":NaN}'), b"", "NaN"),
    "own header deep": (document("", own='{"a":' + "[" * 40 + "]" * 40 + "}"), b"", "nested deeper"),
    "own header twice": (document("", own='{"a":1,"a":2}'), b"", "twice"),
    "version 0": (document("", version="0"), b"", "format version"),
    "version text": (document("", version="one"), b"", "format version"),
    "version in other digits": (document("", version="١"), b"", "format version"),
    "extra metadata": (document("", more=',"x":"y"'), b"", "other keys"),
    "metadata not text": (document("", more=',"x":1'), b"", "other than text"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_with_a_valid_digest_is_refused_for_its_reason(name: str) -> None:
    text, data, reason = HOSTILE[name]
    assert reason in refusal(assemble(text, data))


def test_a_well_formed_header_passes_where_the_hostile_ones_fail() -> None:
    found = parse_checkpoint(assemble(document(entry()), b"1234"))
    assert found.tensors["a"].tobytes() == b"1234"


@pytest.mark.parametrize("length", [0, 50, 2**20 + 1, 2**32, 2**63, 2**64 - 1])
def test_header_length_out_of_range(length: int) -> None:
    assert "header would have" in refusal(length.to_bytes(8, "little") + encode()[8:])


def test_a_newer_format_is_named_only_where_the_file_is_intact() -> None:
    data = assemble(document('"new":"layout"', version="2", more=',"codec":"x"'))
    with pytest.raises(NewerFormatError, match="format version 2, this gpurnn reads up to 1: use a newer gpurnn"):
        parse_checkpoint(data)
    damaged = data.replace(b"layout", b"Layout")
    with pytest.raises(CheckpointError, match="SHA-256") as caught:
        parse_checkpoint(damaged)
    assert not isinstance(caught.value, NewerFormatError)


def test_verify_false_reads_a_file_with_a_wrong_digest() -> None:
    data = encode()[:-1] + b"\0"
    assert parse_checkpoint(data, verify=False).header == HEADER
    assert "SHA-256" in refusal(data)


@pytest.mark.parametrize(
    "fill",
    [
        lambda n: '"a":[' + "[]," * (n // 3) + "0]",
        lambda n: '"a":[' + "{}," * (n // 3) + "0]",
        lambda n: '"a":[' + ('{"":' * 25 + "0" + "}" * 25 + ",") * (n // 127) + "0]",
        lambda n: ",".join(f'"{i:x}":0' for i in range(n // 9)),
        lambda n: '"a":[' + ",".join(f"{i + 300}" for i in range(n // 7)) + "]",
        lambda n: '"a":"' + "x" * (n - 50) + r"\ud83d\ude00" + '"',
        lambda n: ",".join(f'"{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' for i in range(n // 60)),
    ],
    ids=["lists", "objects", "nested", "keys", "integers", "wide text", "tensors"],
)
@pytest.mark.parametrize("inner", [False, True], ids=["outer", "own"])
def test_refusing_the_costliest_headers_takes_little_memory(fill: Any, inner: bool, tmp_path: Path) -> None:
    size = MIB - 400
    if inner:
        text = "{" + fill(size // 2) + "}"
        text = "{" + fill(size * (size // 2) // len(json.dumps(text))) + "}" if '"' in text else text
        data = assemble(document("", own=text))
    else:
        data = assemble(document(fill(size)))
    path = tmp_path / "hostile"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        try:
            read_checkpoint(path)
        except CheckpointError as exc:
            assert "plain JSON" not in str(exc) or "too" in str(exc)  # the parser did its work
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(data) + 64 * MIB


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(CheckpointError, match=r"regular file|Is a directory"):
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
    with pytest.raises(CheckpointError, match="header would have 0 bytes"):
        read_checkpoint(tmp_path / "sparse")


def test_a_file_that_does_not_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path / "c", TENSORS, HEADER)

    def fail(path: Path) -> bytearray:
        raise MemoryError

    monkeypatch.setattr(module, "_read_regular_file", fail)
    with pytest.raises(CheckpointError, match="does not fit into memory"):
        read_checkpoint(tmp_path / "c")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    refusal(data)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_edited_headers_with_a_valid_digest_are_refused_or_read(data: st.DataObject) -> None:
    original = encode()
    length = int.from_bytes(original[:8], "little")
    text = bytearray(original[8 : 8 + length])
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(92, len(text) - 1))
        text[position : position + data.draw(st.integers(0, 3))] = data.draw(
            st.sampled_from([b"", b"0", b"9", b"-", b"{", b"}", b"[", b"]", b",", b'"', b"\\", b"\xff", b"1e9"])
        )
    try:
        found = parse_checkpoint(assemble(bytes(text), original[8 + length :]))
    except CheckpointError as exc:
        assert "\n" not in str(exc)
    else:
        assert isinstance(found, Checkpoint)
        assert sum(array.nbytes for array in found.tensors.values()) == len(original) - 8 - length
