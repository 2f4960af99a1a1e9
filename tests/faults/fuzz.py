"""Checkpoints changed at random, half of them with a digest that fits again: only typed errors may come out."""

import hashlib
import json
import random
import re
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gpurnn.exceptions import CheckpointError
from gpurnn.runs.checkpoint import encode_checkpoint, parse_checkpoint, read_checkpoint

BEFORE_DIGEST = 8 + len(b'{"__metadata__":{"sha256":"')
FILE_EVERY = 200  # so many cases are parsed from memory for one that is read from a file
BOMB_EVERY = 5000
LONGEST_MESSAGE = 1000

VALUES = [
    *(b"-1", b"0", b"1", b"7", b"8", b"255", b"4294967296", b"9223372036854775808", b"18446744073709551616"),
    *(b"281474976710656", b"1e999", b"-0.0", b"1.5", b"NaN", b"Infinity", b"true", b"null", b"9" * 5000),
    *(
        b'""',
        b'"a"',
        b'"F32"',
        b'"BOOL"',
        b'"F16"',
        b'"__metadata__"',
        b'"shape"',
        rb'"\ud800"',
        rb'"\u0000"',
        b'"\xff"',
    ),
    *(b"[]", b"{}", b"[" * 40 + b"]" * 40, b"[" * 3000, b'{"":' * 40 + b"0" + b"}" * 40, b",", b":", b"\\", b'"'),
]
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9.eE+]+|[A-Za-z]+|[^\s]')


def sample(seed: int) -> bytes:
    """A small checkpoint with all kinds of tensors."""
    generator = np.random.default_rng(seed)
    tensors = {
        "embedding.table": generator.normal(size=(5, 3)).astype(np.float32),
        "layers.0.U": generator.normal(size=(2, 4)),
        "state.mask": generator.random(7) > 0.5,
        "state.counts": generator.integers(0, 9, (2, 2)).astype(np.uint64),
        "stream.cursor": np.array(17, np.int64),
        "empty": np.zeros((0, 3), np.uint16),
    }
    header = {"window": 1234, "best": {"loss": 1.25, "window": 1200}, "list": [1, None, True, "text \u00e9"]}
    return b"".join(encode_checkpoint(tensors, header))


class Mutator:
    """Random changes to one checkpoint."""

    def __init__(self, original: bytes, seed: int) -> None:
        self.original = original
        self.random = random.Random(seed)
        length = int.from_bytes(original[:8], "little")
        self._data = original[8 + length :]
        self._tokens = TOKEN.findall(original[8 : 8 + length])
        own = json.loads(original[8 : 8 + length])["__metadata__"]["gpurnn"]
        self._own_at = self._tokens.index(b'"gpurnn"') + 2
        self._own_tokens = TOKEN.findall(own.encode())

    def mutate(self) -> bytes:
        """One changed file; its digest is that of the original."""
        kind = self.random.random()
        if kind < 0.4:
            return self._bytes()
        if kind < 0.75:
            return self._assemble(self._changed(self._tokens))
        own = self._changed(self._own_tokens)
        return self._with_own(b"".join(own))

    def bomb(self) -> bytes:
        """A header of nearly the allowed length that is costly to parse."""
        unit = self.random.choice(
            [b"[],", b"{},", b'{"":0},', b'"ab",', b"1234,", b'{"":' * 9 + b"0" + b"}" * 9 + b","]
        )
        if self.random.random() < 0.5:
            return self._with_own(b'{"a":[' + unit * (600_000 // len(unit)) + b"0]}")
        tokens = [*self._tokens[:-1], b',"a":[', unit * (1_000_000 // len(unit)), b"0]", b"}"]
        return self._assemble(tokens)

    def seal(self, data: bytes) -> bytes:
        """The file with the digest that fits."""
        after = BEFORE_DIGEST + 64
        digest = hashlib.sha256(data[:BEFORE_DIGEST] + b"0" * 64 + data[after:]).hexdigest().encode()
        return data[:BEFORE_DIGEST] + digest + data[after:]

    def _bytes(self) -> bytes:
        data = bytearray(self.original)
        for _ in range(self.random.choice([1, 1, 1, 2, 5])):
            at = self.random.randrange(len(data) + 1)
            span = self.random.choice([0, 1, 1, 2, 8, 64])
            change = self.random.randrange(6)
            if change == 0 and at < len(data):
                data[at] ^= 1 << self.random.randrange(8)
            elif change == 1:
                data[at : at + span] = self.random.randbytes(span)
            elif change == 2:
                del data[at : at + span]
            elif change == 3:
                data[at:at] = data[self.random.randrange(len(data) + 1) :][:span]
            elif change == 4:
                data[at:] = b"" if self.random.random() < 0.5 else data[at:] + self.random.randbytes(span)
            else:
                lengths = [0, 1, 90, 91, len(data), abs(len(data) - 8), 2**20, 2**32, 2**63, 2**64 - 1]
                data[:8] = self.random.choice(lengths).to_bytes(8, "little")
        return bytes(data)

    def _changed(self, tokens: list[bytes]) -> list[bytes]:
        tokens = tokens.copy()
        for _ in range(self.random.choice([1, 1, 2, 3])):
            at = self.random.randrange(len(tokens))
            change = self.random.randrange(5)
            if change == 0:
                tokens[at] = self.random.choice(VALUES)
            elif change == 1:
                tokens[at] = self.random.choice(tokens)
            elif change == 2:
                tokens[at] = b""
            elif change == 3:
                end = at + self.random.randrange(12)
                tokens[at:at] = tokens[at:end]
            else:
                tokens[at] = b"%d" % self.random.choice([0, 1, 3, 8, 60, self.random.getrandbits(40)])
        return tokens

    def _with_own(self, own: bytes) -> bytes:
        tokens = self._tokens.copy()
        tokens[self._own_at] = json.dumps(own.decode("latin-1")).encode()
        return self._assemble(tokens)

    def _assemble(self, tokens: list[bytes]) -> bytes:
        text = b"".join(tokens)
        return len(text).to_bytes(8, "little") + text + self._data


_opened: list[Any] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and (event == "open" or event.startswith(("os.", "subprocess", "socket", "import", "exec"))):
        _opened.append(arguments[0] if event == "open" else event)


def fuzz_checkpoints(count: int, seed: int, scratch: str) -> dict[str, Any]:
    """Parse `count` changed checkpoints, half of them with a valid digest.

    Call it in a process of its own: it watches which files are opened, and the peak of the memory.

    Returns {"cases", "sealed": with a valid digest, "accepted", "peak_growth": bytes, "violations": a line each}.
    """
    global _opened
    sys.addaudithook(_watch)
    original = sample(seed)
    mutator = Mutator(original, seed)
    path = Path(scratch) / "fuzzed.safetensors"
    report: dict[str, Any] = {"cases": count, "sealed": 0, "accepted": 0, "peak_growth": 0, "violations": []}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for case in range(count):
        bomb = case % BOMB_EVERY == BOMB_EVERY - 1 or case == 0
        data = mutator.bomb() if bomb else mutator.mutate()
        sealed = case % 2 == 0 or bomb
        data = mutator.seal(data) if sealed else data
        report["sealed"] += sealed
        try:
            if case % FILE_EVERY and not bomb:
                parse_checkpoint(data)
            else:
                path.write_bytes(data)
                _opened = []
                read_checkpoint(path)
            report["accepted"] += 1
            if not sealed and data != original:
                report["violations"].append(f"case {case}: a changed file was read without a word")
        except CheckpointError as exc:
            if "\n" in str(exc) or len(str(exc)) > LONGEST_MESSAGE:
                report["violations"].append(f"case {case}: not a short line: {str(exc)[:200]!r}")
        except BaseException as exc:
            report["violations"].append(f"case {case}: {type(exc).__name__}: {exc}"[:300])
        opened, _opened = _opened, None
        if opened and not all(isinstance(name, int) or name == str(path) for name in opened):
            report["violations"].append(f"case {case}: touched {opened}")
    report["peak_growth"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return report


def flip_and_cut(flips: int, seed: int) -> dict[str, Any]:
    """Parse one checkpoint with `flips` random single bit flips, and at every truncated length.

    Returns {"flips", "lengths", "violations"}: each case that was not refused.
    """
    original = sample(seed)
    generator = random.Random(seed)
    violations = []
    for position in (generator.randrange(len(original) * 8) for _ in range(flips)):
        data = bytearray(original)
        data[position // 8] ^= 1 << position % 8
        if not _refused(bytes(data)):
            violations.append(f"bit {position}")
    violations += [f"length {length}" for length in range(len(original)) if not _refused(original[:length])]
    return {"flips": flips, "lengths": len(original), "violations": violations}


def _refused(data: bytes) -> bool:
    try:
        parse_checkpoint(data)
    except CheckpointError:
        return True
    return False
