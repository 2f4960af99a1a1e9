"""Event files: checksums, and what a parser that follows the format finds in them; TensorBoard's where it is there."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.export.events import crc32c, restart_record, scalars_record, version_record


def records(data: bytes) -> list[bytes]:
    """The data of each record of a file, whose checksums are looked at."""
    found = []
    while data:
        length, checksum = data[:8], data[8:12]
        (size,) = struct.unpack("<Q", length)
        body, of_body = data[12 : 12 + size], data[12 + size : 16 + size]
        for part, masked in ((length, checksum), (body, of_body)):
            rotated = (struct.unpack("<I", masked)[0] - 0xA282EAD8) % (1 << 32)
            assert (rotated << 15 | rotated >> 17) % (1 << 32) == crc32c(part)
        assert len(of_body) == 4
        found.append(body)
        data = data[16 + size :]
    return found


def fields(data: bytes) -> list[tuple[int, Any]]:
    """The fields of a protocol buffer: their numbers and values; bytes where one has a length."""
    found: list[tuple[int, Any]] = []
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
            if byte < 128:
                return value

    while place < len(data):
        number, kind = divmod(varint(), 8)
        value: Any = varint() if kind in (0, 2) else None
        size = {1: 8, 2: value, 5: 4}.get(kind, 0)
        if kind:
            value, place = data[place : place + size], place + size
        if kind in (1, 5):
            (value,) = struct.unpack({1: "<d", 5: "<f"}[kind], value)
        found.append((number, value))
    return found


def scalars(data: bytes) -> tuple[int, float, dict[str, float]]:
    """Step, wall time and numbers by tag of an event."""
    event = dict(fields(data))
    values = [dict(fields(value)) for number, value in fields(event[5]) if number == 1]
    return event[2], event[1], {value[1].decode(): value[2] for value in values}


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"123456789", 0xE3069283),
        (b"", 0),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_checksums(data: bytes, checksum: int):
    """The first is the usual check value, the others are those of RFC 3720, B.4."""
    assert crc32c(data) == checksum


def test_what_is_written_is_read():
    step = 3_000_000_000
    (body,) = records(scalars_record(step, 1.5, {"loss": 0.1, "größe": -2.0, "huge": 1e300, "tiny": 1e-300}))
    found = scalars(body)
    assert found[:2] == (step, 1.5)
    assert found[2] == {"loss": float(np.float32(0.1)), "größe": -2.0, "huge": math.inf, "tiny": 0.0}
    (body,) = records(version_record(2.5))
    assert fields(body) == [(1, 2.5), (3, b"brain.Event:2")]
    (body,) = records(restart_record(300, 4.0))
    assert fields(body) == [(1, 4.0), (2, 300), (7, bytes([8, 1]))]


def test_tensorboard_reads_it(tmp_path: Path):
    """With what a run leaves out again after it went back."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard: pip install tensorboard"
    )
    lines = [scalars_record(window, float(window), {"loss": 1 / window, "rate": 0.5}) for window in (50, 100, 150)]
    again = [restart_record(100, 160.0), scalars_record(100, 170.0, {"loss": 7.0})]
    (tmp_path / "events.out.tfevents.0.gpurnn").write_bytes(b"".join([version_record(0.0), *lines, *again]))
    found = accumulator.EventAccumulator(str(tmp_path))
    found.Reload()
    assert set(found.Tags()["scalars"]) == {"loss", "rate"}
    loss = [(event.step, event.wall_time, event.value) for event in found.Scalars("loss")]
    assert loss == [(50, 50.0, float(np.float32(1 / 50))), (100, 170.0, 7.0)]
