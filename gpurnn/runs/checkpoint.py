"""Checkpoints: one valid safetensors file, read by a parser that trusts nothing.

    bytes 0-7      length n of the header, unsigned, little-endian
    bytes 8-       the header, n bytes of ASCII JSON, padded with spaces to a multiple of 8:
                     {"__metadata__": {"sha256": 64 hex digits, "version": "2", "gpurnn": JSON text},
                      "layers.0.U": {"dtype": "F32", "shape": [256, 1024], "data_offsets": [0, 1048576]}, ...}
                   without spaces between its parts, "sha256" first, so that its digits stand at a fixed place
    after it       the tensors, little-endian, in the order of their offsets, without gaps

The digest is that of the whole file while its own 64 digits are "0".
"""

import hashlib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from gpurnn.exceptions import CheckpointError
from gpurnn.files.durable import Buffer, write_durably
from gpurnn.files.errors import reported_as
from gpurnn.files.output import open_regular
from gpurnn.runs.strictjson import Json, dump_object, parse_object

VERSION = 2  # 1: without averages of the parameters
MAX_HEADER_BYTES = 1 << 20  # parsing takes up to 45 times as much memory; larger things are tensors
MAX_DIMENSIONS = 8
MAX_ELEMENTS = 1 << 48

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"), "I32": np.dtype("<i4"),
    "U64": np.dtype("<u8"), "U32": np.dtype("<u4"), "U16": np.dtype("<u2"), "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}  # fmt: skip
_DTYPE_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_TENSOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,199}", re.ASCII)

_BEFORE_DIGEST = b'{"__metadata__":{"sha256":"'
_DIGEST_START = 8 + len(_BEFORE_DIGEST)
_DIGEST_END = _DIGEST_START + 64
_BLANK = b"0" * 64


class NewerFormatError(CheckpointError):
    """An intact checkpoint of a newer gpurnn; an older generation is no substitute for it."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    tensors: name -> array, in native byte order, read-only: views of the bytes that were read.
    header:  the JSON object that was written with them.
    path:    where it was read from; None if it was parsed from bytes.
    version: of the format.
    """

    tensors: dict[str, np.ndarray]
    header: dict[str, Json]
    path: Path | None
    version: int

    def section(self, name: str) -> Mapping[str, Any]:
        """The object of this name in the header. Raises CheckpointError where there is none."""
        value = self.header.get(name)
        if not isinstance(value, dict):
            raise CheckpointError(f"{self.path}: {name} is missing from the header; is it a gpurnn checkpoint?")
        return value

    def tensor(self, name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """The tensor of this name. Raises CheckpointError where there is none, and where its shape is another one."""
        if name not in self.tensors:
            raise CheckpointError(f"{self.path}: no tensor {name}; was it trained with other options?")
        tensor = self.tensors[name]
        if shape is not None and tensor.shape != shape:
            raise CheckpointError(f"{self.path}: {name}: expected {shape}, found {tensor.shape}")
        return tensor


def write_checkpoint(
    path: Path, tensors: Mapping[str, np.ndarray], header: Mapping[str, Json], called: str = "checkpoint"
) -> None:
    """Write tensors and header to `path` so that a reader finds the old file or the whole new one.

    tensors: names of letters, digits, "_", ".", "-"; float32, float64, bool, uint8 to uint64, int32, int64;
             any shape of at most 8 dimensions. The same input gives the same bytes.
    header:  JSON of at most 1 MiB with text as keys, without NaN, infinity, tuples and whole numbers of more than
             64 bits.
    called:  what the file is, for messages.

    Raises CheckpointError: input that the format cannot hold, or a file that cannot be written.
    """
    chunks = encode_checkpoint(tensors, header)
    with reported_as(CheckpointError, f"cannot write {called} {path}"):
        write_durably(path, chunks)


def encode_checkpoint(tensors: Mapping[str, np.ndarray], header: Mapping[str, Json]) -> list[Buffer]:
    """The bytes of a checkpoint file in chunks, which may be views of the tensors. See write_checkpoint."""
    arrays = {name: _little_endian(name, array) for name, array in tensors.items()}
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))  # so that each is aligned
    try:
        text = dump_object(header)
    except ValueError as exc:
        raise CheckpointError(f"checkpoint header: expected plain JSON: {exc}") from None
    metadata = {"sha256": _BLANK.decode(), "version": str(VERSION), "gpurnn": text}
    document: dict[str, Json] = {"__metadata__": metadata}
    offset = 0
    for name in order:
        array = arrays[name]
        end = offset + array.nbytes
        dtype = _DTYPE_NAMES[array.dtype.newbyteorder("<")]
        document[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    encoded = dump_object(document).encode("ascii")
    encoded += b" " * (-len(encoded) % 8)
    if len(encoded) > MAX_HEADER_BYTES:
        raise CheckpointError(
            f"checkpoint header: expected at most {MAX_HEADER_BYTES} bytes of JSON, found {len(encoded)};"
            " store large values as tensors"
        )
    top = bytearray(len(encoded).to_bytes(8, "little") + encoded)
    chunks: list[Buffer] = [arrays[name].reshape(-1).view(np.uint8).data for name in order]
    digest = hashlib.sha256(top)
    for chunk in chunks:
        digest.update(chunk)
    top[_DIGEST_START:_DIGEST_END] = digest.hexdigest().encode()
    return [bytes(top), *chunks]


def _little_endian(name: str, array: np.ndarray) -> np.ndarray:
    """`array` in C order and little-endian, a copy only where it must be. Raises CheckpointError."""
    if not isinstance(name, str) or not _TENSOR_NAME.fullmatch(name):
        raise CheckpointError(f"tensor name {ascii(name)[:80]}: expected at most 200 letters, digits, '_', '.' and '-'")
    little = array.dtype.newbyteorder("<")
    if little not in _DTYPE_NAMES:
        known = ", ".join(sorted(str(dtype) for dtype in _DTYPE_NAMES))
        raise CheckpointError(f"{name}: expected a dtype of {known}; found {array.dtype}")
    if not _possible_shape(list(array.shape)):
        raise CheckpointError(
            f"{name}: expected at most {MAX_DIMENSIONS} dimensions and {MAX_ELEMENTS} elements, found {array.shape}"
        )
    return np.asarray(array, dtype=little, order="C")


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, following symbolic links, and check every part of it.

    Takes at most the file's own size plus 64 MiB of memory, runs nothing and opens nothing else.
    Raises CheckpointError: a file that is missing, unreadable, not a regular file, damaged, not a checkpoint,
    or (NewerFormatError) written by a newer version.
    """
    try:
        with reported_as(CheckpointError, f"cannot read checkpoint {path}"):
            data = _read_regular_file(Path(path))
        return parse_checkpoint(data, path=Path(path))
    except MemoryError:
        raise CheckpointError(f"checkpoint {path} does not fit into memory") from None


def begins_as_checkpoint(path: Path) -> bool:
    """Whether a file begins as one; False for what cannot be read and for what is no file."""
    try:
        with open(open_regular(path, os.O_RDONLY), "rb") as file:
            return file.read(_DIGEST_START)[8:] == _BEFORE_DIGEST
    except (OSError, ValueError):  # a path with a zero byte
        return False


def _read_regular_file(path: Path) -> bytearray:
    """All bytes of a file that begins like a checkpoint. Raises OSError, CheckpointError."""
    if "\0" in str(path):
        raise CheckpointError(f"checkpoint {str(path)!a}: a path cannot hold a zero byte")
    descriptor = open_regular(path, os.O_RDONLY)
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        start = file.read(_DIGEST_END)
        _header_end(start, status.st_size, str(path))
        data = bytearray(status.st_size)
        data[: len(start)] = start
        filled = len(start)
        with memoryview(data) as view:
            while filled < len(data):
                count = file.readinto(view[filled:])
                if not count:
                    raise CheckpointError(f"checkpoint {path} became shorter while it was read")
                filled += count
        return data


def parse_checkpoint(data: Buffer, *, path: Path | None = None, verify: bool = True) -> Checkpoint:
    """The checkpoint in `data`, the bytes of a whole file; its tensors are views. See read_checkpoint.

    path: named in messages and in the result.
    Raises CheckpointError.
    """
    where = "checkpoint" if path is None else str(path)
    view = memoryview(data).toreadonly()
    header_end = _header_end(bytes(view[:_DIGEST_END]), len(view), where)
    if verify and _digest(view) != bytes(view[_DIGEST_START:_DIGEST_END]):
        _refuse(where, f"its {len(view)} bytes do not have the SHA-256 digest that they were written with")
    try:
        document = parse_object(bytes(view[8:header_end]).decode("ascii"))
    except ValueError as exc:  # UnicodeDecodeError is one
        _refuse(where, f"its header is not plain JSON: {ascii(str(exc))[1:-1]}")
    version, header = _parse_metadata(document.pop("__metadata__"), where)
    tensors = _parse_tensors(document, view[header_end:], where)
    return Checkpoint(tensors, header, path, version)


def _refuse(where: str, reason: str) -> NoReturn:
    raise CheckpointError(f"{where} is not an intact checkpoint: {reason}")


def _header_end(start: bytes, size: int, where: str) -> int:
    """Where the header ends, from the first bytes of a file of `size` bytes. Raises CheckpointError."""
    if len(start) < _DIGEST_END:
        _refuse(where, f"it has only {size} bytes")
    if start[8:_DIGEST_START] != _BEFORE_DIGEST:
        _refuse(where, "it does not begin as one")
    length = int.from_bytes(start[:8], "little")
    if length > MAX_HEADER_BYTES:
        _refuse(where, f"its header would have {length} bytes, more than {MAX_HEADER_BYTES}")
    if not _DIGEST_END < 8 + length <= size:
        _refuse(where, f"its header would have {length} bytes, the file has {size}")
    return 8 + length


def _digest(view: memoryview) -> bytes:
    """The SHA-256 of the file with its digest blank, as 64 hex digits."""
    digest = hashlib.sha256(view[:_DIGEST_START])
    digest.update(_BLANK)
    digest.update(view[_DIGEST_END:])
    return digest.hexdigest().encode()


def _parse_metadata(metadata: Any, where: str) -> tuple[int, dict[str, Json]]:
    """Format version and header out of `__metadata__`. Raises CheckpointError."""
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        _refuse(where, "__metadata__ holds something other than text")
    version = metadata.get("version", "")
    if not re.fullmatch("[1-9][0-9]{0,8}", version, re.ASCII):
        _refuse(where, f"expected a format version, found {ascii(version)[:40]}")
    if int(version) > VERSION:
        raise NewerFormatError(
            f"{where} has format version {version}, this gpurnn reads up to {VERSION}: use a newer gpurnn"
        )
    if metadata.keys() != {"sha256", "version", "gpurnn"}:
        _refuse(where, "__metadata__ holds other keys than sha256, version and gpurnn")
    try:
        return int(version), parse_object(metadata["gpurnn"])
    except ValueError as exc:
        _refuse(where, f"its own header is not plain JSON: {ascii(str(exc))[1:-1]}")


def _parse_tensors(table: dict[str, Any], data: memoryview, where: str) -> dict[str, np.ndarray]:
    """Views of `data` for each entry of the table. Raises CheckpointError."""
    tensors = {}
    offset = 0
    for name, entry in table.items():
        if not _TENSOR_NAME.fullmatch(name):
            _refuse(where, f"{ascii(name)[:80]} is not a tensor's name")
        dtype, shape, end = _parse_entry(entry, offset, f"{where}: {name}")
        if end > len(data):
            _refuse(where, f"{name} ends at byte {end}, the data at {len(data)}")
        array: np.ndarray = np.frombuffer(data[offset:end], dtype)
        if dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
            _refuse(where, f"{name} holds truth values other than 0 and 1")
        tensors[name] = array.astype(dtype.newbyteorder("="), copy=False).reshape(shape)
        offset = end
    if offset != len(data):
        _refuse(where, f"its tensors end at byte {offset}, the data at {len(data)}")
    return tensors


def _parse_entry(entry: Any, offset: int, what: str) -> tuple[np.dtype[Any], list[int], int]:
    """dtype, shape and end of a tensor that must begin at `offset`. Raises CheckpointError."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        _refuse(what, "expected dtype, shape and data_offsets")
    dtype = _DTYPES.get(str(entry["dtype"]))
    if dtype is None:
        _refuse(what, f"{ascii(entry['dtype'])[:40]} is not a known dtype")
    shape = entry["shape"]
    if not _possible_shape(shape):
        _refuse(what, f"{ascii(shape)[:80]} is not a possible shape")
    end = offset + math.prod(shape) * dtype.itemsize
    if entry["data_offsets"] != [offset, end] or not all(type(x) is int for x in entry["data_offsets"]):
        _refuse(what, f"expected data_offsets [{offset}, {end}], found {ascii(entry['data_offsets'])[:80]}")
    return dtype, shape, end


def _possible_shape(shape: Any) -> bool:
    """Whether `shape` is a list of at most 8 sizes, of 2**48 elements at most without counting sizes of 0."""
    return (
        isinstance(shape, list)
        and len(shape) <= MAX_DIMENSIONS
        and all(type(size) is int and 0 <= size <= MAX_ELEMENTS for size in shape)
        and math.prod(size for size in shape if size) <= MAX_ELEMENTS
    )
