"""What is no text is recognised by its content and named, wherever it comes from; text is never taken for it."""

from __future__ import annotations

import gzip
import io
import re
import sysconfig
import tarfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from formatsamples import TEXT, packed, samples, tar

from gpurnn.cli.main import main
from gpurnn.data.corpus import Corpus
from gpurnn.data.prepare import prepare
from gpurnn.data.text.formats import FORMATS, HEAD, mostly_nuls, recognise, wide_encoding
from gpurnn.exceptions import DataError, GpurnnError

SAMPLES = samples()
BYTES = "; --tokens bytes takes any file as it is"
LANGUAGES = {
    "English": "Hello, world. This is text.\n",
    "Polish": "Zażółć gęślą jaźń — “tekst”.\n",
    "Vietnamese": "Xin chào thế giới, đây là văn bản.\n",
    "Russian": "я помню чудное мгновенье: передо мной явилась ты\n",
    "Greek": "Γειά σου Κόσμε, αυτό είναι κείμενο\n",
    "Hebrew": "שלום עולם, זה טקסט\n",
    "Arabic": "مرحبا بالعالم، هذا نص\n",
    "Hindi": "नमस्ते दुनिया, यह पाठ है\n",
    "Thai": "สวัสดีชาวโลก นี่คือข้อความ\n",
    "Georgian": "გამარჯობა მსოფლიო\n",
    "Amharic": "ሰላም ልዑል\n",
    "Chinese": "你好,世界。这是文本。\n",
    "Japanese": "こんにちは世界。これは文章です。\n",
    "Korean": "안녕하세요 세계, 이것은 텍스트입니다\n",
    "emoji": "so 😀 it is, so 🎉 it was\n",
}
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
EAST_ASIAN = ("Chinese", "Japanese", "Korean")


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal(data: bytes, where: str, *options: str) -> str:
    """What `gpurnn prepare` says of these bytes as a file, in a folder after a good text, or on standard input."""
    Path("folder").mkdir(exist_ok=True)
    encoding = options[1] if options else "utf-8"
    Path("folder/a.txt").write_bytes(TEXT.decode().encode(encoding))
    for name in ("folder/b.txt", "x.dat"):
        Path(name).write_bytes(data)
    given = {"file": "x.dat", "folder": "folder", "standard input": "-"}[where]
    label = {"file": "x.dat", "folder": "folder/b.txt", "standard input": "standard input"}[where]
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    done = CliRunner().invoke(main, ["prepare", given, "-o", "o.h5", *options], input=data)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.output
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
    start = f"gpurnn: {label}: "
    assert done.stderr.startswith(start)
    return done.stderr.removeprefix(start).rstrip("\n")


def prepared(data: bytes, *options: str) -> bytes:
    """The text of the corpus that is made of these bytes on standard input."""
    arguments = ["prepare", "-", "-o", "made.h5", "--split", "1,0,0", "--force", *options]
    done = CliRunner().invoke(main, arguments, input=data)
    assert done.exit_code == 0, done.output
    with Corpus.open("made.h5") as corpus:
        split = corpus.split("train")
        ids = np.zeros(corpus.splits["train"], split.dtype)
        split.read(0, ids)
        symbols = [s if isinstance(s, bytes) else s.encode() for s in corpus.vocabulary.symbols]
        return b"".join(symbols[i] for i in ids)


def test_every_format_has_a_sample_that_its_own_line_recognises():
    found = {recognise(data[:HEAD]) for _, data in SAMPLES} | {recognise(gzip.compress(TEXT))}
    assert found == set(FORMATS)
    assert len({name for name, _ in SAMPLES}) >= 24


@pytest.mark.parametrize(("name", "data"), SAMPLES, ids=[f"{i} {name}" for i, (name, _) in enumerate(SAMPLES)])
def test_a_format_that_is_no_text_is_named(name: str, data: bytes):
    remedy = recognise(data[:HEAD]).remedy.format(pipe="| gpurnn prepare - -o CORPUS")
    for where in ("file", "folder", "standard input"):
        assert refusal(data, where) == f"{name}, no text; {remedy}{BYTES}"


def test_an_explicit_encoding_does_not_make_it_text():
    for encoding in ("latin-1", "cp1251", "utf-16-le", "utf-32-be"):
        for errors in ("strict", "ignore", "replace"):
            for where in ("file", "folder", "standard input"):
                said = refusal(tar(), where, "--encoding", encoding, "--errors", errors)
                assert said.startswith("a tar archive, no text; unpack it first: tar -xf FILE;")


def test_what_gzip_packed_is_recognised_when_it_is_unpacked():
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as made:
        made.add(__file__)
    for where in ("file", "folder", "standard input"):
        said = refusal(archive.getvalue(), where)
        assert said == f"a tar archive packed with gzip, no text; unpack it first: tar -xf FILE{BYTES}"
        assert refusal(gzip.compress(gzip.compress(TEXT)), where).startswith("a gzip file packed with gzip, no text; ")
        assert refusal(gzip.compress("word".encode("utf-16")), where).startswith("text in utf-16-le with a byte order")


def test_gzip_is_read_under_any_name_and_from_standard_input():
    folder = Path("texts")
    folder.mkdir()
    for name in ("plain", "a.gz", "b.txt"):
        (folder / name).write_bytes(packed(TEXT))
    for options in ([], ["--tokens", "bytes"]):
        assert prepared(packed(TEXT), *options) == TEXT
        report = prepare([folder / "plain"], "p.h5", force=True, tokens="bytes" if options else None)
        assert sum(size.tokens for size in report.splits.values()) == len(TEXT)
    assert sum(size.tokens for size in prepare([folder], "p.h5", force=True).splits.values()) == 3 * len(TEXT)
    for damaged in (packed(TEXT)[:-9], packed(TEXT)[:60], packed(TEXT) + b"rest"):
        for where in ("file", "folder", "standard input"):
            assert re.match(
                r"(the \.gz file is truncated; get it again|not a sound \.gz file: )", refusal(damaged, where)
            )


def test_bytes_take_any_file_as_it_is():
    for _, data in SAMPLES[::7]:
        assert prepared(data, "--tokens", "bytes") == data
    for data in (b"\xff\xfea\0b\0", "text".encode("utf-16-le"), bytes(1000)):
        assert prepared(data, "--tokens", "bytes") == data


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("marked", [True, False])
def test_utf_16_and_32_are_named_and_read_with_the_encoding_that_is_advised(encoding: str, marked: bool):
    for language, line in LANGUAGES.items():
        text = line * 3
        data = ("\ufeff" * marked + text).encode(encoding)
        if not marked and encoding.startswith("utf-16") and language in EAST_ASIAN:
            assert "is not utf-8" in refusal(data, "file")
            continue
        name = encoding[:6] if marked else encoding
        mark = "with" if marked else "without"
        expected = f"text in {encoding} {mark} a byte order mark, not in utf-8; give --encoding {name}"
        for where in ("file", "folder", "standard input") if language == "Arabic" else ("standard input",):
            assert refusal(data, where) == expected
        assert prepared(data, "--encoding", name).decode() == text


@pytest.mark.parametrize("marked", [True, False])
def test_the_other_byte_order_or_width_is_refused(marked: bool):
    for found in WIDE:
        data = ("\ufeff" * marked + LANGUAGES["Russian"]).encode(found)
        for asked in (*WIDE, "utf-16", "utf-32", "latin-1", "ascii"):
            if asked != found and not (marked and asked == found[:6]):
                name = found[:6] if marked else found
                said = refusal(data, "file", "--encoding", asked)
                assert said.endswith(f"a byte order mark, not in {asked}; give --encoding {name}")


def test_utf_16_without_a_mark_that_is_needed_is_one_line():
    data = LANGUAGES["Chinese"].encode("utf-16-le")
    said = refusal(data, "standard input", "--encoding", "utf-16")
    assert said.startswith("it is not utf-16: UTF-16 stream does not start with BOM; give the right --encoding")


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6, 7, 8, 9, 100, HEAD - 2, HEAD, HEAD + 2, 3 * HEAD])
def test_a_text_of_any_length_shows_that_it_is_wide(size: int):
    text = "so it is 😀 " * HEAD
    for encoding in WIDE:
        units = text.encode(encoding)
        units = units[: size * (2 if "16" in encoding else 4)]
        assert wide_encoding(units[:HEAD]).name == encoding


def test_a_few_strange_characters_do_not_hide_a_wide_text():
    text = "plain text with a control \x01 and an unassigned \u0378 character, and a good deal of others" * 3
    for encoding in WIDE:
        assert wide_encoding(text.encode(encoding)).name == encoding


def is_text(data: bytes) -> bool:
    return recognise(data[:HEAD]) is None and wide_encoding(data[:HEAD]) is None and not mostly_nuls(data[:HEAD])


@pytest.mark.parametrize(
    "encoding",
    [
        *("utf-8", "utf-8-sig", "utf-7", "latin-1", "cp1250", "cp1251", "cp1252", "cp1253", "cp1255"),
        *("cp1256", "cp437", "cp866", "koi8-r", "mac-roman", "iso8859-2", "tis-620", "cp037", "cp500"),
        *("shift_jis", "euc-jp", "iso2022_jp", "gb18030", "gbk", "hz", "big5", "euc-kr", "johab"),
    ],
)
def test_text_in_other_encodings_is_text(encoding: str):
    written = 0
    for line in LANGUAGES.values():
        for begin in range(len(line)):
            data = (line[begin:] * 3).encode(encoding, "ignore")
            written += len(data)
            assert is_text(data), data
    assert written > 1000
    line = LANGUAGES["Russian" if encoding in ("cp1251", "koi8-r", "utf-8") else "English"]
    assert prepared(line.encode(encoding), "--encoding", encoding).decode() == line


BEGINNINGS = """BM is short for Bob Marley|MZ or not|ID3 tags are|GIF89a is an image format|PARENTS of all|PAR1 and PAR2
Rar! he said|OggS is a page|II* and MM|PK is a place|7z is|ORC THE ORC|Objects|FORM A: AIFF and so on|RIFF and WAVE
RIFF 12 WAVE chunks|SQLite format 3 is a format|LZIP it|BZh9 is how|SIMPLE  = T|070701 was a good day|07070112 ABC
AT&T FORM|xar! is|MThd|MATLAB 5.0 MAT-file is a format|%!PS-Adobe-3.0|<?xml version='1.0'?>|fLaC|{ "a": 1}|8BPS
wOFFO is no word|true or false|OTTO waits|PACK your bags|LHA -lh5-|#!/bin/sh|café|WASM|Lua|TFL3|DICM|BOOKMOBI"""
TEXTS = [
    *(text.encode("latin-1") * 9 for line in BEGINNINGS.splitlines() for text in line.split("|")),
    *(text.encode("cp1251") for text in ("явление первое", "ятаган", "яр это", "яШя")),
    *(b"ajustar la " * 60, b"x" * 257 + b"ustar la gente", b"CD001" * 8000, b"", b"x", b"\n" * 100),
    *(b"1\n2\n3\n4\n" * 20, b"a b c d e f g " * 20, b"\x1b[1mbold\x1b[0m" * 20, b"page\x0cpage\x0c" * 20),
    *(b"one\0two\0three\0four\0five\0" * 30, b"one\0\n" * 20 + b"text" * 200, b"a\0bc\0def\0ghij\0" * 40),
    *(b"a\0", b"\0", b"ab\0c", b"\0text", b"text\0", bytes(9) + b"text" * 10, b"\xef\xbb\xbftext", b"\xff\xfb"),
]


@pytest.mark.parametrize("data", TEXTS, ids=range(len(TEXTS)))
def test_text_that_looks_a_little_like_something_else_is_text(data: bytes):
    assert is_text(data)


def test_program_texts_are_text():
    paths = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")) + sorted(Path(__file__).parent.glob("*.py"))
    assert len(paths) > 100
    assert [path for path in paths if not is_text(path.read_bytes())] == []


def test_nuls_between_documents_say_nothing():
    data = b"a\0b\0c\0d\0" * 20
    assert refusal(data, "file").startswith("text in utf-16-le without a byte order mark")
    Path("x.txt").write_bytes(data)
    assert prepare(["x.txt"], "o.h5", document_separator="\0", split=(1, 0, 0)).splits["train"].documents == 80


@pytest.mark.parametrize(
    "data", [bytes(5000), b"".join(bytes([i % 60, 0]) for i in range(900)), TEXT[:100] + bytes(99)]
)
def test_bytes_that_are_mostly_nuls_are_no_text(data: bytes):
    for where in ("file", "folder", "standard input"):
        assert refusal(data, where, "--encoding", "latin-1").startswith("binary data (more than 30 % NULs), no text; ")


def test_a_text_where_a_corpus_is_expected_and_the_other_way_round():
    Path("x.txt").write_bytes(TEXT)
    prepare(["x.txt"], "x.h5")
    said = refusal(Path("x.h5").read_bytes(), "file")
    assert said.startswith("an HDF5 file, no text; if it is a corpus, train on it: gpurnn train FILE -o RUN")
    for arguments in ("train x.txt -o run", "info x.txt", "prepare x.txt --vocab-from x.txt -o o.h5"):
        done = CliRunner().invoke(main, arguments.split())
        assert done.exit_code == 1
        assert done.stderr.startswith("gpurnn: x.txt: not a corpus: not an HDF5 file; make one with gpurnn prepare")
    assert not Path("run").exists()


def test_errors_in_other_splits_and_of_the_library_are_of_the_same_kind():
    Path("x.txt").write_bytes(TEXT)
    Path("y.txt").write_bytes(tar())
    for options in ({"valid": ["y.txt"]}, {"valid": ["x.txt"], "test": ["y.txt"]}):
        with pytest.raises(DataError, match=r"^y\.txt: a tar archive, no text; "):
            prepare(["x.txt"], "o.h5", **options)
    with pytest.raises(GpurnnError, match=r"^'klingon' is not a text encoding"):
        prepare(["y.txt"], "o.h5", policy={"encoding": "klingon"})
    assert sorted(path.name for path in Path().iterdir()) == ["x.txt", "y.txt"]
