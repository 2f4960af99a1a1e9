"""Files of pairs, of both sides, and of vectors changed at random: typed errors alone, and the same in every way.

They are read in one block and in many; some become corpora, from a file and from a pipe, and are read by windows.
"""

import io
import random
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from faults import fuzzlabelled
from faults.fuzzlabelled import LONGEST_MESSAGE, WHOLE_EVERY
from faults.reading import read_all
from gpurnn.data.labelled.lines import Opener
from gpurnn.data.pairs.options import PairOptions, pair_options
from gpurnn.data.pairs.reading import PairFile, read_captions, read_pairs
from gpurnn.data.pairs.vectors import VectorFile
from gpurnn.data.prepare_pairs import prepare_pairs
from gpurnn.data.text import inputs
from gpurnn.data.text.inputs import Source
from gpurnn.data.text.tokens import KINDS, TextPolicy
from gpurnn.exceptions import DataError, UsageError

ROWS = 12
SAMPLES = {
    "tsv": "".join(f"Wort {i}é\tW AO{i} T\n" for i in range(ROWS)),
    "crlf": "".join(f"a{i}\tb\r\n" for i in range(ROWS)),
    "jsonl": '{"source": "x\\u00e9", "target": "y"}\n{"target": "b c", "source": "z", "id": 1}\n' * 6,
    "sides": "".join(f"so {i}, no\n" for i in range(ROWS)),
    "vectors": "seven\neight\nnine\n" * 4,
}
ARRAYS: list[Any] = [np.ones((ROWS, 3), kind, order) for kind in ("<f4", ">f8", "u1", "<f2") for order in ("C", "F")]
NUMBERS = (
    b"nan",
    b"1e9",
    b"(12, 3)",
    b"(4, 9)",
    b"'|O'",
    b"True",
    b"[",
    b"(" * 99,
    b"\xff\xff\xff\x7f",
    b"\x00\x00\xc0\x7f",
)


def fuzz_pairs(count: int, seed: int, scratch: str) -> dict[str, Any]:
    """Read `count` changed files, and make corpora of some; each depends on the seed and its number alone.

    Returns {"cases", "accepted": that could be read, "corpora": that were made, "peak_growth": bytes, "violations"}.
    """
    folder, before = Path(scratch), 0
    report: dict[str, Any] = {"cases": count, "accepted": 0, "corpora": 0, "peak_growth": 0, "violations": []}
    for case in range(count):
        chance = random.Random(seed * 1_000_003 + case)
        try:
            _case(folder, chance, report, whole=case % WHOLE_EVERY == 0)
        except (DataError, UsageError) as error:
            if len(str(error)) > LONGEST_MESSAGE or len(str(error).splitlines()) != 1:
                report["violations"].append(f"case {case}: a message of {len(str(error))}: {str(error)[:100]!r}")
        except Exception as error:
            report["violations"].append(f"case {case}: {type(error).__name__}: {error}"[:400])
        if case == min(1000, count // 2):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report["peak_growth"] = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return report


def _case(folder: Path, chance: random.Random, report: dict[str, Any], *, whole: bool) -> None:
    """One changed file, or two of which one or both are changed."""
    form = chance.choice(sorted(SAMPLES))
    data = fuzzlabelled.mutate(SAMPLES[form], chance)
    policy = TextPolicy(errors=chance.choice(("strict", "replace")))
    (folder / "file").write_bytes(data)
    if form == "sides":
        (folder / "other").write_bytes(fuzzlabelled.mutate(SAMPLES[form], chance) if chance.random() < 0.5 else data)
    elif form == "vectors":
        (folder / "other").write_bytes(_array(chance))
        _read_vectors(folder / "other", chance)
    read = partial(_read, folder, form, policy)
    in_one, in_parts = _answer(lambda: read(1 << 20)), _answer(lambda: read(7))
    if in_one != in_parts and not (isinstance(in_one, str) and isinstance(in_parts, str)):
        raise AssertionError(f"in blocks it is another one: {in_one!r:.150} and {in_parts!r:.150}")
    if isinstance(in_one, str):
        raise DataError(in_one)
    report["accepted"] += 1
    if whole:
        report["corpora"] += _make_corpora(folder, form, policy, data, chance)


def _array(chance: random.Random) -> bytes:
    """An .npy file, changed in its header or its data, or not at all."""
    file = io.BytesIO()
    np.save(file, chance.choice(ARRAYS))
    data = bytearray(file.getvalue())
    for _ in range(chance.choice((0, 0, 1, 2))):
        at = chance.randrange(len(data) if chance.random() < 0.4 else 128)
        kind = chance.randrange(4)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at:]
            break
        else:
            piece = chance.choice(NUMBERS)
            data[at : at + chance.choice((0, len(piece)))] = piece
    return bytes(data)


def _read_vectors(path: Path, chance: random.Random) -> None:
    """All rows, and some of them in another order: they are finite, and the same."""
    file = VectorFile(path)
    try:
        rows = file.rows(range(min(file.count, 2 * ROWS)))
        order = [chance.randrange(len(rows)) for _ in range(5)] if len(rows) else []
        if not np.isfinite(rows).all() or not np.array_equal(file.rows(order), rows[order]):
            raise AssertionError("rows are not what they are")
    finally:
        file.close()


def _answer(read: Callable[[], Any]) -> Any:
    """What is read, or the message of its error."""
    try:
        return read()
    except DataError as error:
        return str(error)


def _read(folder: Path, form: str, policy: TextPolicy, size: int) -> list[Any]:
    """The pairs, or the texts, as they are read in blocks of `size`."""
    inputs.BLOCK = size
    try:
        opener = Opener(policy, None, lambda count: None)
        file, other = (Source(folder / name, True) for name in ("file", "other"))
        if form == "vectors":
            return list(read_captions(file, opener))
        return list(read_pairs(PairFile(other, file) if form == "sides" else PairFile(file), opener))
    finally:
        inputs.BLOCK = 1 << 20


def _make_corpora(folder: Path, form: str, policy: TextPolicy, data: bytes, chance: random.Random) -> bool:
    """Whether a corpus can be made; from a file and from a pipe, with the same windows as its pairs."""
    fields = {"errors": policy.errors}
    own: dict[str, Any] = {"tokens": chance.choice(KINDS)}
    if form != "vectors":
        own |= {"target_tokens": chance.choice(KINDS), "max_length": chance.choice((None, 5))}
    if own["tokens"] == own.get("target_tokens", "bytes") == "bytes":
        fields = {}
    options = pair_options("captions" if form == "vectors" else "pairs", split=(0.75, 0.25, 0), **own)
    file, other, pipe = folder / "file", folder / "other", io.BytesIO(data)
    if form == "sides":
        made = _prepared(folder, [], options, fields, source=[file], target=[other])
        piped = _prepared(folder, [], options, fields, source=["-"], target=[other], stdin=pipe)
    else:
        more = {"vectors": other} if form == "vectors" else {}
        made = _prepared(folder, [file], options, fields, **more)
        piped = _prepared(folder, ["-"], options, fields, **more, stdin=pipe)
    if isinstance(made, str):
        made = made.replace(str(file), "standard input")
    if made != piped:
        raise AssertionError(f"from a pipe it is another one: {made[-1]!r:.150} and {piped[-1]!r:.150}")
    return not isinstance(made, str)


def _prepared(folder: Path, files: list[Any], options: PairOptions, policy: dict[str, Any], **more: Any) -> Any:
    """The fingerprint of what is made, or the message of its error."""
    try:
        report = prepare_pairs(files, folder / "made.h5", options, policy=policy, force=True, **more)
    except DataError as error:
        return str(error)
    finally:
        left = {path.name for path in folder.iterdir()}
        assert left <= {"made.h5", "file", "other"}, left
    problem = read_all(folder / "made.h5")
    if problem:
        raise AssertionError(f"what was made is {problem}")
    return (report.fingerprint,)
