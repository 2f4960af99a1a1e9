"""Files of every form changed at random: they become a corpus, or are refused in one line, and nothing else."""

import random
from pathlib import Path

import pytest

from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.options import labelled_options
from gpurnn.data.prepare_labelled import prepare_labelled
from gpurnn.exceptions import DataError

FORMS = {
    "tsv": ("labels", "label\ttext\n" + "".join(f"{'ab'[i % 2]}\tText, {i}\n" for i in range(12)), {}),
    "csv": ("labels", 'label,text\na,"so ""so"", yes\nmore"\nb,no\na,x\n' * 2, {}),
    "place": ("labels", "one,x,a\ntwo,y,b\nthree,z,a\n", {"target": "last", "texts": [1, "2"]}),
    "jsonl": ("labels", '{"label": "a", "text": "x\\u00e9"}\n{"label": 1, "text": "y"}\n' * 3, {}),
    "fasttext": ("labels", "__label__a so good\n__label__b bad\n" * 4, {}),
    "conll": ("tags", "Ann NN B-PER\nLee NN I-PER\nran VB O\n\nUU NN B-ORG\n\n" * 3, {}),
    "tabs": ("tags", "# a\n1\tNew York\tB-LOC\n2\tis\tO\n\n1\tit\tO\n" * 2, {"texts": 2, "tokens": "chars"}),
}
PIECES = [b"\t", b",", b"\n", b"\r", b'"', b"{", b"}", b"[", b"\\", b" ", b"#", b"B-", b"I-X", b"__label__", b"\x00"]
PIECES += [b"\xff", "\u2028".encode(), "\ufeff".encode(), b"\\ud800", b"1e999", b"\n\n", b"a\tb\n", b":", b"null"]


@pytest.mark.parametrize("form", FORMS)
def test_changed_files_are_read_or_refused(form: str, tmp_path: Path):
    what, content, options = FORMS[form]
    draw = random.Random(form)
    made = refused = 0
    for number in range(40):
        data = bytearray(content.encode())
        for _ in range(draw.choice((0, 1, 1, 2, 4)) if number else 0):
            place = draw.randrange(len(data) + 1)
            data[place : place + draw.choice((0, 0, 1, 5))] = draw.choice(PIECES)
        file = tmp_path / "file"
        file.write_bytes(data)
        tokens = options.get("tokens") or draw.choice(("words", "chars"))
        chosen = labelled_options(what, split=(1, 0, 0), **{**options, "tokens": tokens})
        try:
            report = prepare_labelled([file], tmp_path / "made.h5", chosen, force=True)
        except DataError as error:
            refused += 1
            assert len(str(error).splitlines()) == 1 and len(str(error)) < 600, data
        else:
            made += 1
            with Corpus.open(report) as corpus:
                corpus.verify()
                assert len(corpus.labels) == len(report.labels)
        assert {path.name for path in tmp_path.iterdir()} <= {"file", "made.h5"}
    assert made > 3 and refused > 3, (made, refused)
