"""Corpora changed at random, half of them with checksums and digests that fit: opened and read in a child process."""

import hashlib
import json
import math
import mmap
import os
import random
import resource
import select
import signal
import struct
from pathlib import Path
from typing import Any

from corpora import EVERY, series

from faults import hdf5bytes
from faults.fuzz import TOKEN, VALUES
from faults.reading import read_all
from faults.training import write_corpus
from gpurnn.data.corpus import Corpus, quarantine
from gpurnn.data.corpus.importing import import_corpus
from gpurnn.exceptions import GpurnnError

HANG_SECONDS = 30
LARGE_EVERY = 10  # so many cases have several chunks
_SIZES = (1500, 80_000)  # characters of the text: one chunk for all tokens, or several
_ROWS = 20_000  # of the series of several chunks
NUMBERS = [
    struct.pack(form, *(value if isinstance(value, tuple) else (value,)))
    for form, values in (
        ("<d", (math.inf, -math.inf, math.nan, 0.0, -1.0, 1e300, 5e-324)),
        ("<2f", ((math.inf, math.inf), (-math.inf, 0), (math.nan, math.nan), (3e38, -3e38))),
        ("<q", (0, 1, -1, 2**31, 2**40, 2**62, -(2**63), 253_402_300_799)),
    )
    for value in values
]


class Mutator:
    """Random changes to one corpus. values: the share of the changes that are other values in a dataset."""

    def __init__(self, path: Path, values: float = 0.0) -> None:
        self.original = path.read_bytes()
        self._values = values
        self._blocks = hdf5bytes.blocks(self.original)
        with Corpus.open(path) as corpus:
            self._text = corpus.manifest.to_json().encode()
            self._data = {
                name: (int(d._addresses[0]), len(d) * d.dtype.itemsize) for name, d in corpus._datasets.items()
            }
            self._joined = {name for name, d in corpus._datasets.items() if len(d._addresses) == 1}
        self._at = self.original.index(self._text)

    def mutate(self, chance: random.Random, sealed: bool) -> bytes:
        """One changed file."""
        data = bytearray(self.original)
        if self._values and chance.random() < self._values:
            self._change_values(data, chance)
        elif chance.random() < 0.3:
            self._change_manifest(data, chance, sealed)
        else:
            for _ in range(chance.choice([1, 1, 1, 2, 4])):
                self._change_bytes(data, chance)
        if sealed:
            self._refit(data)
            hdf5bytes.seal(data, self._blocks)
        return bytes(data)

    def _change_bytes(self, data: bytearray, chance: random.Random) -> None:
        start, end = chance.choice(self._blocks)
        at = chance.randrange(start, end) if chance.random() < 0.8 else chance.randrange(len(data))
        at = min(at, len(data) - 1)
        kind = chance.randrange(7)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at] = chance.randrange(256)
        elif kind == 2:
            width = chance.choice([1, 2, 4, 8])
            value = chance.choice([0, 1, 2, 255, 2**31, 2**32 - 1, 2**63, 2**64 - 1, len(data), at, start, end])
            data[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")
        elif kind == 3:
            other, size = chance.randrange(len(data)), chance.choice([1, 4, 8, 16, 64])
            part = data[other : other + size]
            data[at : at + len(part)] = part
        elif kind == 4:
            one, other = chance.choice(self._blocks), chance.choice(self._blocks)
            size = min(one[1] - one[0], other[1] - other[0])
            data[one[0] : one[0] + size] = data[other[0] : other[0] + size]
        elif kind == 5 and chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        else:
            data[at : at + 4] = chance.randbytes(4)

    def _change_values(self, data: bytearray, chance: random.Random) -> None:
        """Numbers that are as far off as can be, in one dataset."""
        start, size = self._data[chance.choice(sorted(self._data))]
        for _ in range(chance.choice([1, 1, 2])):
            number = chance.choice(NUMBERS)[: chance.choice([1, 2, 4, 8])]
            at = start + chance.randrange(max(1, size // len(number))) * len(number)
            data[at : at + len(number)] = number

    def _change_manifest(self, data: bytearray, chance: random.Random, sealed: bool) -> None:
        """Other JSON of at most the same length in the place of the manifest."""
        tokens = TOKEN.findall(self._text)
        for _ in range(chance.choice([1, 1, 2])):
            at = chance.randrange(len(tokens))
            value = chance.choice([*VALUES, *tokens]) if chance.random() < 0.7 else b"%d" % chance.getrandbits(40)
            tokens[at] = value if len(value) < 200 else b"0"
        text = b"".join(tokens)
        if sealed:
            try:
                fields = json.loads(text)
                del fields["fingerprint"]
                canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
                text = _with_fingerprint(fields, canonical)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                pass
        if len(text) <= len(self._text):
            data[self._at : self._at + len(self._text)] = text.ljust(len(self._text), b"\0")

    def _refit(self, data: bytearray) -> None:
        """Put the digests of the data as they are into an unchanged manifest."""
        if data[self._at : self._at + len(self._text)] != self._text:
            return
        fields = json.loads(self._text)
        del fields["fingerprint"]
        for name in self._joined:
            start, size = self._data[name]
            fields["sha256"][name] = hashlib.sha256(data[start : start + size]).hexdigest()
        canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        data[self._at : self._at + len(self._text)] = _with_fingerprint(fields, canonical)


def _with_fingerprint(fields: dict[str, Any], canonical: str) -> bytes:
    fingerprint = hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps(fields | {"fingerprint": fingerprint}, sort_keys=True, separators=(",", ":")).encode()


def fuzz_corpora(count: int, seed: int, scratch: str, *, fields: bool = False) -> dict[str, Any]:
    """Open and read `count` changed corpora in children that may open no other file and have little memory.

    fields: corpora of version 2, one of every kind, instead of texts.
    A child that dies or hangs is replaced, and the file that did it is given to import_corpus, which must refuse it.

    Returns {"cases", "sealed", "accepted", "died": children lost to libhdf5, "peak_growth": bytes, "violations"}.
    """
    folder = Path(scratch)
    mutators = _of_fields(folder) if fields else _of_text(folder)
    report: dict[str, Any] = {"cases": count, "sealed": 0, "accepted": 0, "died": 0, "peak_growth": 0, "violations": []}
    path, at = folder / "fuzzed.h5", mmap.mmap(-1, 16)  # the case at work, and how many were accepted
    case = 0
    while case < count:
        at[:] = case.to_bytes(8, "little") + bytes(8)
        ended = _batch(mutators, path, at, case, count, seed, report)
        case = int.from_bytes(at[:8], "little") + 1
        report["accepted"] += int.from_bytes(at[8:], "little")
        if not ended:
            report["died"] += 1
            _refuses(path, folder / "imported.h5", case - 1, report["violations"])
    report["sealed"] = (count + 1) // 2
    return report


def _of_text(folder: Path) -> list[Mutator]:
    return [Mutator(write_corpus(folder, size).rename(folder / f"{size}.h5")) for size in _SIZES]


def _of_fields(folder: Path) -> list[Mutator]:
    """One of each kind, and one of several chunks at the end."""
    made = [*(make() for make in EVERY.values()), series(_ROWS)]
    for number, each in enumerate(made):
        each.write(folder / f"{number}.h5")
    return [Mutator(folder / f"{number}.h5", values=0.25) for number in range(len(made))]


def _refuses(path: Path, target: Path, case: int, violations: list[str]) -> None:
    try:
        import_corpus(path, target, force=True)
    except GpurnnError:
        return
    except BaseException as error:
        violations.append(f"case {case}: import: {type(error).__name__}: {error}"[:300])
    else:
        violations.append(f"case {case}: the reader died in one process and not in another")


def _batch(
    mutators: list[Mutator], path: Path, at: mmap.mmap, first: int, count: int, seed: int, report: dict[str, Any]
) -> bool:
    """Cases from `first` in one child; returns whether it came to the end."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            _child(mutators, path, at, range(first, count), seed, writer)
        finally:
            os._exit(0)
    os.close(writer)
    text, before = b"", -1
    while True:
        if not select.select([reader], [], [], HANG_SECONDS)[0]:
            now = int.from_bytes(at[:8], "little")
            if now == before:
                os.kill(child, signal.SIGKILL)
            before = now
            continue
        part = os.read(reader, 1 << 16)
        if not part:
            break
        text += part
    os.close(reader)
    os.waitpid(child, 0)
    ended = False
    for line in text.splitlines():
        name, value = json.loads(line)
        if name == "violation":
            report["violations"].append(value)
        elif name == "peak_growth":
            report[name] = max(report[name], value)
        ended = name == "ended"
    return ended


def _child(mutators: list[Mutator], path: Path, at: mmap.mmap, cases: range, seed: int, writer: int) -> None:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)  # what is there may have ended the child before
    for mutator in mutators:
        os.pwrite(file, mutator.original, 0)
        assert read_all(path) == ""  # and everything is loaded
        os.ftruncate(file, 0)
    *small, large = mutators
    size = len(large.original)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _forbid_files(size)
    accepted, start = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for case in cases:
        at[:8] = case.to_bytes(8, "little")
        mutator = large if case % LARGE_EVERY == 0 else small[case // 2 % len(small)]
        chance = random.Random(seed * 10**9 + case)
        data = mutator.mutate(chance, case % 2 == 0)
        os.ftruncate(file, 0)
        os.pwrite(file, data, 0)
        problem = read_all(path)
        accepted += problem == ""
        at[8:] = accepted.to_bytes(8, "little")
        if problem and problem != "refused":
            os.write(writer, json.dumps(["violation", f"case {case}: {problem}"]).encode() + b"\n")
        if case % 1000 == 0 or case == cases[-1]:
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) * 1024
            os.write(writer, json.dumps(["peak_growth", grown]).encode() + b"\n")
    os.write(writer, json.dumps(["ended", case]).encode() + b"\n")


def _forbid_files(size: int) -> None:
    """Three more descriptors, that of a stream among them, and no more; and the memory of quarantine."""
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 3, free + 3))
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if free + 2 > 3 else 0
    limit = pages * resource.getpagesize() + quarantine.MEMORY_BYTES + size
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
