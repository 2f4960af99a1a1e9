"""Small files of frames, right and wrong ones."""

import struct
from pathlib import Path
from typing import Any

import numpy as np


def wav(
    path: Path, data: bytes, *, bits: int = 16, rate: int = 8000, channels: int = 1, coding: int = 1, **more: Any
) -> Path:
    """A .wav file. more: said, bytes of sound that its header says; extra, what stands behind the format; between,
    chunks before the sound."""
    extra, between = more.get("extra", b""), more.get("between", b"")
    size = channels * bits // 8
    form = struct.pack("<HHIIHH", coding, channels, rate, rate * size, size, bits) + extra
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + between
    body += b"data" + struct.pack("<I", more.get("said", len(data))) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def tone(count: int = 1000, seed: int = 0) -> np.ndarray:
    """Sound of 16 bits, (count,)."""
    draw = np.random.default_rng(seed)
    return (8000 * np.sin(np.arange(count) / 5) + draw.normal(0, 500, count)).astype("<i2")


def npy_header(shape: tuple[int, ...], kind: str = "<f4", order: str = "False") -> bytes:
    """The beginning of a .npy file."""
    text = f"{{'descr': {kind!r}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
