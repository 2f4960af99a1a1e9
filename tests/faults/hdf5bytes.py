"""The bytes of an HDF5 file: where its metadata lie, and the checksums that make a changed one look intact.

Source: the HDF5 File Format Specification, version 3, for the blocks; Bob Jenkins' lookup3 for the checksum.
"""

import re

_SIGNATURES = re.compile(rb"OHDR|OCHK|BTHD|BTIN|BTLF|FAHD|FADB|FRHP|FHDB|FHIB|FSHD|FSSE")
_SUPERBLOCK = 48  # bytes of a superblock of version 2 or 3, checksum included
_LONGEST = 1024  # of a block whose end has to be searched for
_ONES = 0xFFFFFFFF


def checksum(data: bytes) -> int:
    """lookup3 of the bytes, as HDF5 uses it."""
    a = b = c = (0xDEADBEEF + len(data)) & _ONES
    last = max(0, (len(data) - 1) // 12 * 12)
    for start in range(0, last, 12):
        a = (a + int.from_bytes(data[start : start + 4], "little")) & _ONES
        b = (b + int.from_bytes(data[start + 4 : start + 8], "little")) & _ONES
        c = (c + int.from_bytes(data[start + 8 : start + 12], "little")) & _ONES
        a = (a - c & _ONES) ^ _turned(c, 4)
        c = c + b & _ONES
        b = (b - a & _ONES) ^ _turned(a, 6)
        a = a + c & _ONES
        c = (c - b & _ONES) ^ _turned(b, 8)
        b = b + a & _ONES
        a = (a - c & _ONES) ^ _turned(c, 16)
        c = c + b & _ONES
        b = (b - a & _ONES) ^ _turned(a, 19)
        a = a + c & _ONES
        c = (c - b & _ONES) ^ _turned(b, 4)
        b = b + a & _ONES
    if not data:
        return c
    rest = data[last:].ljust(12, b"\0")
    a = (a + int.from_bytes(rest[:4], "little")) & _ONES
    b = (b + int.from_bytes(rest[4:8], "little")) & _ONES
    c = (c + int.from_bytes(rest[8:], "little")) & _ONES
    for x, y, turn in (("c", "b", 14), ("a", "c", 11), ("b", "a", 25), ("c", "b", 16), ("a", "c", 4), ("b", "a", 14)):
        a, b, c = _final(a, b, c, x, y, turn)
    return (c ^ b) - _turned(b, 24) & _ONES


def _final(a: int, b: int, c: int, x: str, y: str, turn: int) -> tuple[int, int, int]:
    values = {"a": a, "b": b, "c": c}
    values[x] = (values[x] ^ values[y]) - _turned(values[y], turn) & _ONES
    return values["a"], values["b"], values["c"]


def _turned(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _ONES


def blocks(data: bytes) -> list[tuple[int, int]]:
    """Where each block of metadata that ends with a checksum begins, and where that checksum stands."""
    found = [(0, _SUPERBLOCK - 4)]
    for match in _SIGNATURES.finditer(data):
        start = match.start()
        ends = range(start + 8, min(start + _LONGEST, len(data) - 4))
        if match[0] == b"OHDR":
            flags = data[start + 5]
            width = 1 << (flags & 3)
            prefix = 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
            size = int.from_bytes(data[start + prefix : start + prefix + width], "little")
            ends = range(start + prefix + width + size, start + prefix + width + size + 1)
        for end in ends:
            if checksum(data[start:end]) == int.from_bytes(data[end : end + 4], "little"):
                found.append((start, end))
                break
    return found


def seal(data: bytearray, where: list[tuple[int, int]]) -> None:
    """Make the checksums of these blocks fit, as far as the file still has them."""
    for start, end in where:
        if end + 4 <= len(data):
            data[end : end + 4] = checksum(bytes(data[start:end])).to_bytes(4, "little")
