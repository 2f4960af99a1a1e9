"""Files of labelled texts and tagged words changed at random: typed errors alone, and the same whatever reads them.

They are read in one block and in many, by what prepares a corpus and by what predicts; some become corpora, from a file
and from a pipe.
"""

import io
import random
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.lines import Opener
from gpurnn.data.labelled.options import LabelledOptions, What, labelled_options
from gpurnn.data.labelled.sentences import read_sentences
from gpurnn.data.labelled.texts import read_texts
from gpurnn.data.prepare_labelled import prepare_labelled
from gpurnn.data.text import inputs
from gpurnn.data.text.decoding import Losses
from gpurnn.data.text.inputs import Source
from gpurnn.data.text.tokens import TextPolicy
from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation.forms import open_texts
from gpurnn.generation.incoming import incoming_lines
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.words import Columns

WHOLE_EVERY = 25  # so many files are only read for one that becomes a corpus
LONGEST_MESSAGE = 600
FILE = "standard input"

_TSV = "label\ttext\n" + "".join(f"{'ab'[i % 2]}\tText, {i}\n" for i in range(12))
_CONLL = "Ann NN B-PER\nLee NN I-PER\nran VB O\n\nUU NN B-ORG\n\n" * 3
SAMPLES: dict[str, tuple[What, str, dict[str, Any]]] = {
    "tsv": ("labels", _TSV, {}),
    "tsv, chosen": ("labels", _TSV.replace("label", "x\tmood", 1).replace("\tT", "\t\tT"), {"target": "mood"}),
    "csv": ("labels", 'label,text\na,"so ""so"", yes\nmore"\nb,no\na,x\n' * 2, {}),
    "places": ("labels", "one,x,a\ntwo,y,b\nthree,z,a\n", {"target": "last", "texts": [1, "2"]}),
    "jsonl": ("labels", '{"label": "a", "text": "x\\u00e9"}\n{"label": 1, "text": "y"}\n' * 3, {}),
    "fasttext": ("labels", "__label__a so good\n__label__b bad\n" * 4, {}),
    "conll": ("tags", _CONLL, {}),
    "crlf": ("tags", _CONLL.replace("\n", "\r\n"), {"target": 2}),
    "tabs": ("tags", "# a\n1\tNew York\tB-LOC\n2\tis\tO\n\n1\tit\tO\n" * 2, {"texts": 2, "tokens": "chars"}),
}
PIECES = [
    *(b"\t", b",", b"\n", b"\r", b'"', b'""', b"{", b"}", b"[", b"\\", b" ", b"#", b"B-", b"I-X", b"E-X", b"__label__"),
    *(b"\x00", b"\xff", b"\x1c", b"\x85", b"\\ud800", b"1e999", b"\n\n", b"a\tb\n", b":", b"null", b"\r\n", b"label"),
    *("\u2028".encode(), "\ufeff".encode(), "\u00a0".encode(), "e\u0301".encode(), b'{"a":' * 99),
]


def mutate(sample: str, chance: random.Random) -> bytes:
    """One changed file."""
    data = bytearray(sample.encode())
    for _ in range(chance.choice([0, 1, 1, 2, 4])):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(8)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            lines = bytes(data).split(b"\n")
            one, other = (chance.randrange(len(lines)) for _ in range(2))
            lines[one] = lines[other]
            data[:] = b"\n".join(lines)
        elif kind == 2:
            data[:] = data.replace(b"\n", chance.choice([b"\r", b"\r\n", b"\n\n"]))
        else:
            data[at : at + chance.choice((0, 0, 1, 5))] = chance.choice(PIECES)
    return bytes(data)


def fuzz_labelled(count: int, seed: int, scratch: str) -> dict[str, Any]:
    """Read `count` changed files, and make corpora of some; each depends on the seed and its number alone.

    Returns {"cases", "accepted": that could be read, "corpora": that were made, "peak_growth": bytes, "violations"}.
    """
    folder, before = Path(scratch), 0
    report: dict[str, Any] = {"cases": count, "accepted": 0, "corpora": 0, "peak_growth": 0, "violations": []}
    for case in range(count):
        chance = random.Random(seed * 1_000_003 + case)
        what, sample, given = SAMPLES[chance.choice(sorted(SAMPLES))]
        data = mutate(sample, chance)
        options = labelled_options(what, **{"tokens": chance.choice(("words", "chars")), "split": (1, 0, 0)} | given)
        policy = TextPolicy(errors=chance.choice(("strict", "replace")))
        try:
            report["accepted"] += _read_all_ways(data, options, policy, chance)
            if case % WHOLE_EVERY == 0:
                report["corpora"] += _make_corpora(folder, data, options, policy, chance)
        except (DataError, UsageError) as error:
            if len(str(error)) > LONGEST_MESSAGE or len(str(error).splitlines()) != 1:
                report["violations"].append(f"case {case}: a message of {len(str(error))}: {str(error)[:100]!r}")
        except Exception as error:
            report["violations"].append(f"case {case}: {type(error).__name__}: {error}"[:400])
        if case == min(1000, count // 2):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report["peak_growth"] = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return report


def _read_all_ways(data: bytes, options: LabelledOptions, policy: TextPolicy, chance: random.Random) -> bool:
    """Whether a file can be read, after a look that it is read alike in one block, in many, and to predict."""
    whole, parts = (_answer(lambda size=size: _documents(data, options, policy, size)) for size in (1 << 20, 7))
    if whole != parts and not (isinstance(whole, str) and isinstance(parts, str)):  # of two errors either may be first
        raise AssertionError(f"in blocks it is another one: {whole!r:.150} and {parts!r:.150}")
    if isinstance(whole, str):
        raise DataError(whole)
    theirs = _answer(lambda: list(_predicted(data, options, policy, chance)))
    mine = [document[1] for document in whole]
    if mine != theirs:
        raise AssertionError(f"to predict it is another one: {mine!r:.150} and {theirs!r:.150}")
    return True


def _answer(read: Callable[[], Any]) -> Any:
    """What is read, or the message of its error."""
    try:
        return read()
    except DataError as error:
        return str(error)


def _documents(data: bytes, options: LabelledOptions, policy: TextPolicy, size: int) -> list[tuple[Any, Any, int]]:
    """Labels, texts and lines, or tags, words and lines, as they are read to make a corpus; in blocks of `size`."""
    inputs.BLOCK = size
    try:
        lines = Opener(policy, io.BytesIO(data), lambda count: None).lines(Source(None, True))
        if options.what == "labels":
            return [(text.label, text.text, text.place.line) for text in read_texts(lines, FILE, options)]
        return [(each.tags, each.words, each.lines[0]) for each in read_sentences(lines, FILE, options)]
    finally:
        inputs.BLOCK = 1 << 20


def _predicted(data: bytes, options: LabelledOptions, policy: TextPolicy, chance: random.Random) -> Iterator[Any]:
    """The texts, or the words of each sentence, as a model gets them from a pipe."""
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(4))
    blocks = [data[a:b] for a, b in zip((0, *cuts), (*cuts, len(data)), strict=True)]
    lines, left_out = incoming_lines(blocks, FILE, policy, Losses()), LeftOut(skip=False)
    if options.what == "labels":
        texts = open_texts(lines, FILE, left_out, options.texts, on_warning=lambda line: None)
        texts.header()
        yield from (row.text for row in texts.rows() if row is not None and row.text.strip())  # blank ones come back
        return
    for sentence in Columns(lines, FILE, left_out, *options.texts).sentences():
        if sentence is not None and sentence.words:
            yield sentence.words


def _make_corpora(
    folder: Path, data: bytes, options: LabelledOptions, policy: TextPolicy, chance: random.Random
) -> bool:
    """Whether a corpus can be made; from a file and from a pipe, and of labels in a folder's class, too."""
    fields = {"errors": policy.errors}
    (folder / "file").write_bytes(data)
    made = _prepared(folder, [folder / "file"], options, fields)
    piped = _prepared(folder, ["-"], options, fields, io.BytesIO(data))
    if isinstance(made, str):
        made = made.replace(str(folder / "file"), FILE)
    if made != piped:
        raise AssertionError(f"from a pipe it is another one: {made[-1]!r:.150} and {piped[-1]!r:.150}")
    if options.what == "labels":
        for name in ("a/1", "b/1", "b/2"):
            (folder / "classes" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "classes" / name).write_bytes(data[chance.randrange(len(data) + 1) :] + b"x" * (name == "a/1"))
        plain = labelled_options("labels", tokens=options.tokens, split=(1, 0, 0))
        _prepared(folder, [folder / "classes"], plain, fields)
    return not isinstance(made, str)


def _prepared(
    folder: Path, files: list[Any], options: LabelledOptions, policy: dict[str, Any], stdin: io.BytesIO | None = None
) -> Any:
    """The fingerprint, the labels and the documents of what is made, or the message of its error."""
    try:
        report = prepare_labelled(files, folder / "made.h5", options, policy=policy, force=True, stdin=stdin)
    except DataError as error:
        return str(error)
    finally:
        left = {path.name for path in folder.iterdir()}
        assert left <= {"made.h5", "file", "classes"}, left
    with Corpus.open(report) as corpus:
        corpus.verify()
        return report.fingerprint, dict(report.labels), corpus.splits
