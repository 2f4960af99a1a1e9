"""Files of pairs and of vectors changed at random: they become a corpus, or are refused in one line."""

import random
from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.pairs.options import pair_options
from gpurnn.data.prepare_pairs import prepare_pairs
from gpurnn.data.stream import CaptionStream, PairStream
from gpurnn.data.stream.pairs import longest_of, pair_geometry
from gpurnn.data.stream.sequences import pairs_of
from gpurnn.exceptions import DataError

FORMS = {
    "tsv": "".join(f"wort {n}é\tW AO{n} T\n" for n in range(9)),
    "jsonl": '{"source": "x\\u00e9", "target": "y"}\n{"target": "b c", "source": "z"}\n' * 3,
    "sides": "one\ntwo\nthree\n" * 3,
    "captions": "seven\neight\nnine\n" * 3,
}
PIECES = [b"\t", b"\n", b"\r", b'"', b"{", b"}", b"\\", b" ", b"\x00", b"\xff", "\u2028".encode(), "\ufeff".encode()]
PIECES += [b"\\ud800", b"\n\n", b"a\tb\n", b":", b"null", "\u3000".encode(), b"(4, 3)", b"O", b"nan"]


def changed(data: bytes, draw: random.Random, times: int) -> bytes:
    found = bytearray(data)
    for _ in range(times):
        place = draw.randrange(len(found) + 1)
        found[place : place + draw.choice((0, 0, 1, 5))] = draw.choice(PIECES)
    return bytes(found)


@pytest.mark.parametrize("form", FORMS)
def test_changed_files_are_read_or_refused(form: str, tmp_path: Path) -> None:
    draw = random.Random(form)
    files = [tmp_path / "file", tmp_path / "other"]
    np.save(tmp_path / "sound.npy", np.ones((9, 2)))
    array = (tmp_path / "sound.npy").read_bytes()
    result = {"made": 0, "refused": 0}
    for number in range(40):
        times = draw.choice((0, 1, 1, 2, 4)) if number else 0
        files[0].write_bytes(changed(FORMS[form].encode(), draw, times))
        files[1].write_bytes(FORMS[form].encode() if form != "captions" else changed(array, draw, draw.choice((0, 1))))
        result[outcome(form, files, tmp_path, draw)] += 1
        assert {path.name for path in tmp_path.iterdir()} <= {"file", "other", "sound.npy", "made.h5"}
    assert min(result.values()) > 3, result


def outcome(form: str, files: list[Path], folder: Path, draw: random.Random) -> str:
    what = "captions" if form == "captions" else "pairs"
    kinds = ("chars", "bytes", "words")
    more = {} if what == "captions" else {"target_tokens": draw.choice(kinds)}
    options = pair_options(what, split=(1, 0, 0), tokens=draw.choice(kinds), **more)
    given = {"vectors": files[1]} if what == "captions" else {}
    if form == "sides":
        given = {"source": [files[0]], "target": [files[1]]}
    try:
        report = prepare_pairs([] if form == "sides" else [files[0]], folder / "made.h5", options, force=True, **given)
    except DataError as error:
        assert len(str(error).splitlines()) == 1 and len(str(error)) < 600
        return "refused"
    with Corpus.open(report) as corpus:
        corpus.verify()
        split = corpus.split("train")
        pairs = list(pairs_of(split))
        assert len(pairs) == report.splits["train"].documents
        lanes, source, target = pair_geometry(*longest_of(split), 2, 16)
        stream = (
            CaptionStream(corpus, lanes=lanes, steps=target, epochs=1, prefetch=False)
            if what == "captions"
            else PairStream(corpus, lanes=lanes, steps=target, source_steps=source, epochs=1, prefetch=False)
        )
        assert sum(window.weight_sum for window in stream) == sum(len(pair[1]) + 1 for pair in pairs)
    return "made"
