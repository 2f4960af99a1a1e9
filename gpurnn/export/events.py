"""Event files, as TensorBoard reads them: records of protocol buffers, each with checksums.

A record is its length (uint64), a masked CRC-32C of these 8 bytes, the data, and a masked CRC-32C of them, all
little-endian. The data are an `Event`: wall_time = 1 (double), step = 2 (int64), and one of file_version = 3 (string),
summary = 5 (a `Summary`: value = 1, many times, with tag = 1 and simple_value = 2, a float) and session_log = 7 (a
`SessionLog`: status = 1; START says that events of this step and later ones, written before, no longer hold).

Source: tensorflow's record_writer.cc, event.proto and summary.proto; CRC-32C: Castagnoli et al. 1993, RFC 3720.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import cache

import numpy as np

_VERSION = b"brain.Event:2"
_POLYNOMIAL = 0x82F63B78  # with its bits in the order that least significant bits come first
_MASK = 0xA282EAD8
_BITS_32 = 0xFFFFFFFF
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5  # wire types
_START = 1


def version_record(wall: float) -> bytes:
    """The first record of a file. wall: seconds since 1970."""
    return _record(_double(1, wall) + _bytes(3, _VERSION))


def scalars_record(step: int, wall: float, scalars: Mapping[str, float]) -> bytes:
    """Numbers of one step, by tag; they become float32."""
    with np.errstate(over="ignore"):
        values = [(tag, float(np.float32(value))) for tag, value in scalars.items()]
    summary = b"".join(_bytes(1, _bytes(1, tag.encode()) + _float(2, value)) for tag, value in values)
    return _record(_double(1, wall) + _number(2, step) + _bytes(5, summary))


def restart_record(step: int, wall: float) -> bytes:
    """From here on, what was written of this step and later ones no longer holds."""
    return _record(_double(1, wall) + _number(2, step) + _bytes(7, _number(1, _START)))


def crc32c(data: bytes) -> int:
    """The checksum of some bytes."""
    table, register = _table(), _BITS_32
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ _BITS_32


@cache
def _table() -> list[int]:
    """What each byte does to the register."""
    table = list(range(256))
    for _ in range(8):
        table = [(value >> 1) ^ (_POLYNOMIAL if value & 1 else 0) for value in table]
    return table


def _masked(data: bytes) -> bytes:
    checksum = crc32c(data)
    rotated = (checksum >> 15 | checksum << 17) & _BITS_32
    return struct.pack("<I", (rotated + _MASK) & _BITS_32)


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _varint(number: int) -> bytes:
    """Seven bits a byte, the least significant first; the highest bit says that more come."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | _DOUBLE) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | _FLOAT) + struct.pack("<f", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(value)) + value
