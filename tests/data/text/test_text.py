"""Reading texts: the result must not depend on where blocks end."""

import gzip
import io
import itertools
import os
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gpurnn.cli.main import main
from gpurnn.data.text import inputs, tokenise
from gpurnn.data.text import text as text_module
from gpurnn.data.text.decoding import PREPARE_ADVICE, decode_blocks
from gpurnn.data.text.inputs import Source, find_sources, read_blocks
from gpurnn.data.text.text import Cutter, Normaliser, read_pieces
from gpurnn.data.text.tokenise import TOKENISERS
from gpurnn.data.text.tokens import WORD, TextPolicy
from gpurnn.exceptions import DataError

SHORT = st.text("aΣσ b\r\n\u0301é\u1100\u1161\u11a8Zが\u3099|", max_size=40)


def blocks_of(data, sizes):
    """data cut into blocks of these sizes, over and over."""
    place = 0
    for size in itertools.cycle(sizes):
        if place >= len(data):
            return
        yield data[place : place + size]
        place += size


def documents(pieces):
    """The documents that pieces make up."""
    result = []
    for piece, begins in itertools.chain.from_iterable(pieces):
        if begins:
            result.append(piece)
        else:
            result[-1] += piece
    return result


@settings(max_examples=200)
@given(SHORT, st.lists(st.integers(1, 7), min_size=1, max_size=4), st.sampled_from(["utf-8", "utf-16", "utf-16-be"]))
def test_decoding_does_not_depend_on_blocks(text, sizes, encoding):
    data = text.encode(encoding)
    for newline in ("lf", "keep"):
        policy = TextPolicy(encoding=encoding, newline=newline)
        assert "".join(decode_blocks(blocks_of(data, sizes), "x", policy, PREPARE_ADVICE)) == policy.apply(text)


@settings(max_examples=300)
@given(SHORT, st.lists(st.integers(1, 7), min_size=1, max_size=4), st.sampled_from(["|", "ab", "\n\n", "aa"]))
def test_cutting_does_not_depend_on_blocks(text, sizes, separator):
    assert documents(Cutter(separator).cut(blocks_of(text, sizes))) == (text.split(separator) if text else [])
    data, mark = text.encode(), separator.encode()
    assert documents(Cutter(mark).cut(blocks_of(data, sizes))) == (data.split(mark) if data else [])


@settings(max_examples=300)
@given(
    SHORT, st.lists(st.integers(1, 7), min_size=1), st.sampled_from([None, "NFC", "NFD", "NFKC", "NFKD"]), st.booleans()
)
def test_normalising_does_not_depend_on_blocks(text, sizes, form, lower):
    policy = TextPolicy(newline="keep", normalise=form, lower=lower)
    found = documents(Normaliser(policy)(Cutter("|").cut(blocks_of(text, sizes))))
    assert [d for d in found if d] == [policy.apply(d) for d in text.split("|") if d]


def test_no_character_that_stands_alone_joins_what_precedes():
    """Over all of Unicode: a cut before such a character is safe in every normal form."""
    second = set()
    for code in range(sys.maxunicode + 1):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            second.add(chr(int(parts[1], 16)))
    joining = second | {chr(c) for c in range(0x1161, 0x1176)} | {chr(c) for c in range(0x11A8, 0x11C3)}
    alone = 0
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if not text_module._stands_alone(character):
            continue
        alone += 1
        for form in ("NFD", "NFKD"):
            first = unicodedata.normalize(form, character)[0]
            assert first not in joining, hex(code)
            assert unicodedata.combining(first) == 0, hex(code)
    assert alone > 20_000


@settings(max_examples=200)
@given(SHORT, st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_words_do_not_depend_on_blocks(text, sizes):
    tokeniser = TOKENISERS["words"]()
    ids, starts, count = [], [], 0
    for pieces in Cutter("|").cut(blocks_of(text, sizes)):
        found, begins = tokeniser.feed(pieces)
        ids += found.tolist()
        starts += (begins + count).tolist()
        count = len(ids)
    found, begins = tokeniser.finish()
    ids += found.tolist()
    starts += (begins + count).tolist()
    words = [WORD.findall(document) for document in text.split("|")]
    assert tokeniser.symbols(np.array(ids, np.int64)) == [word for document in words for word in document]
    lengths = [len(document) for document in words if document]
    assert starts == [sum(lengths[:i]) for i in range(len(lengths))]


def test_remembered_stretches_stay_few_and_short(monkeypatch):
    monkeypatch.setattr(tokenise, "_REMEMBERED", 5)
    tokeniser = TOKENISERS["words"]()
    words = [f"w{i % 7},{'x' * (i % 100)}" for i in range(1000)]
    ids, _ = tokeniser.feed([(" ".join(words) + " ", True)])
    assert tokeniser.symbols(ids.astype(np.int64)) == WORD.findall(" ".join(words))
    assert 0 < len(tokeniser._stretches) <= 5
    assert max(map(len, tokeniser._stretches)) <= 64


def test_endless_words_are_refused():
    tokeniser = TOKENISERS["words"]()
    with pytest.raises(DataError, match="a word of more than 65536 characters"):
        for _ in range(100):
            tokeniser.feed([("x" * 1000, False)])


@pytest.mark.parametrize(
    ("data", "encoding", "offset"),
    [
        (b"abc\xffdef", "utf-8", 3),
        (b"\xef\xbb\xbfabc\xff", "utf-8", 6),
        ("é".encode() * 50 + b"\xc3", "utf-8", 100),
        (b"abcdef\xe2\x82", "utf-8", 6),
        ("ab".encode("utf-16-le") + b"\x00\xdc", "utf-16-le", 4),
        ("あ".encode("shift_jis") + b"\xff", "shift_jis", 2),
        (b"abc\x80", "ascii", 3),
    ],
)
def test_the_offset_of_a_wrong_byte_does_not_depend_on_blocks(data, encoding, offset):
    for size in (1, 2, 3, 5, 1000):
        for newline in ("lf", "keep"):
            with pytest.raises(DataError, match=f"^x: byte {offset} .* is not {encoding}: .*`encoding`"):
                list(
                    decode_blocks(
                        blocks_of(data, [size]), "x", TextPolicy(encoding=encoding, newline=newline), PREPARE_ADVICE
                    )
                )


def test_a_byte_order_mark_is_dropped():
    assert "".join(decode_blocks([b"\xef\xbb", b"\xbfab"], "x", TextPolicy(), PREPARE_ADVICE)) == "ab"


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "base64", "undefined", "idna", "punycode"])
def test_what_is_no_text_encoding_is_refused(encoding):
    with pytest.raises(DataError, match=f"'{encoding}' is not a text encoding"):
        list(decode_blocks([b"a"], "x", TextPolicy(encoding=encoding), PREPARE_ADVICE))


def test_folders_are_read_in_path_order(tmp_path):
    for name in ("b.txt", "a/z.txt", "a/c/d.txt", "a.txt", ".hidden", ".git/config", "B"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    found = [source.path.relative_to(tmp_path).as_posix() for source in find_sources([tmp_path])]
    assert found == ["B", "a/c/d.txt", "a/z.txt", "a.txt", "b.txt"]
    assert [source.path for source in find_sources([tmp_path / "b.txt", "-"])] == [tmp_path / "b.txt", None]


def test_what_is_no_file_in_a_folder_is_told(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x.txt").write_text("x")
    os.mkfifo(tmp_path / "a" / "b" / "fifo")
    for name, target in {"file": "x.txt", "folder": "b", "nowhere": "gone", "circle": "circle", ".hidden": "b"}.items():
        (tmp_path / "a" / name).symlink_to(target)
    passed_over: list[Path] = []
    found = find_sources([tmp_path], passed_over)
    assert [source.path.name for source in found] == ["file", "x.txt"]
    assert [str(path.relative_to(tmp_path / "a")) for path in passed_over] == ["b/fifo", "circle", "folder", "nowhere"]
    done = CliRunner().invoke(main, ["prepare", str(tmp_path), "-o", str(tmp_path / "o.h5"), "--split", "1,0,0"])
    assert done.exit_code == 0, done.stderr
    assert f"4 names in folders, not of files, were left out: {tmp_path}/a/b/fifo " in done.stdout


def test_missing_and_empty_inputs_are_named(tmp_path):
    with pytest.raises(DataError, match=r"none.txt: cannot read the text: No such file"):
        find_sources([tmp_path / "none.txt"])
    with pytest.raises(DataError, match="the folder has no files"):
        find_sources([tmp_path])


def bytes_of(source, stdin=None):
    progress = []
    return b"".join(read_blocks(source, stdin, progress.append)), sum(progress)


def test_packed_files_are_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "BLOCK", 100)
    data = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    path = tmp_path / "x.gz"
    packed = gzip.compress(data[:3000]) + gzip.compress(data[3000:])
    path.write_bytes(packed)
    assert bytes_of(Source(path, True)) == (data, len(packed))
    assert bytes_of(Source(None, True), io.BytesIO(data)) == (data, 5000)
    for size in (1, 5, 11, 100, 3000, len(packed) - 1):
        path.write_bytes(packed[:size])
        with pytest.raises(DataError, match=r"x\.gz: (the \.gz file is truncated|not a sound)"):
            bytes_of(Source(path, True))
    for place in (0, 20, 1000, len(packed) - 2):
        path.write_bytes(packed[:place] + bytes([packed[place] ^ 0x55]) + packed[place + 1 :])
        with pytest.raises(DataError, match=r"x\.gz: "):
            bytes_of(Source(path, True))


def test_offsets_in_a_packed_file_are_those_of_the_text(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"a" * 70_000 + b"\xff"))
    with pytest.raises(DataError, match=r"x\.gz: byte 70000 \(ff\) is not utf-8"):
        list(read_pieces(Source(path, True), TextPolicy(), None, None, lambda count: None))
