"""Checkpoints from strangers: each is refused for its reason, in one line and little memory."""

import hashlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpurnn.exceptions import CheckpointError
from gpurnn.runs.checkpoint import (
    Checkpoint,
    NewerFormatError,
    encode_checkpoint,
    parse_checkpoint,
    read_checkpoint,
)

HEADER = {"window": 7}
MIB = 1 << 20


def encode() -> bytes:
    tensors = {
        "layers.0.U": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
        "empty": np.zeros((0, 5), np.uint16),
        "mask": np.array([True, False, True]),
    }
    return b"".join(encode_checkpoint(tensors, HEADER))


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
    "huge integer": (document(entry(shape="[" + "9" * 5000 + "]")), b"1234", "too large"),
    "integer beyond floats": (document(entry(shape="[" + "9" * 400 + "]")), b"1234", "too large"),
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
    data = assemble(document('"new":"layout"', version="3", more=',"codec":"x"'))
    with pytest.raises(NewerFormatError, match="format version 3, this gpurnn reads up to 2: use a newer gpurnn"):
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
