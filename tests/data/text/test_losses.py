"""What reading a text dropped, replaced and cut is counted, and told."""

from __future__ import annotations

import codecs
import itertools
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpurnn.cli.main import main
from gpurnn.data.prepare import prepare
from gpurnn.data.text.decoding import PREPARE_ADVICE, Losses, decode_blocks
from gpurnn.data.text.tokens import TextPolicy
from gpurnn.exceptions import DataError

ENCODINGS = (
    *("utf-8", "ascii", "cp1252", "utf-7", "utf-16-le", "utf-16-be", "utf-16", "utf-32-le", "utf-32", "shift_jis"),
    *("euc-jp", "iso2022_jp", "gb18030", "gbk", "hz", "big5", "euc-kr", "johab"),
)


@settings(max_examples=250)
@given(
    st.sampled_from(ENCODINGS),
    st.lists(st.one_of(st.text("aé\ufffd\r\n漢😀ü", max_size=4), st.binary(max_size=3)), max_size=8),
    st.lists(st.integers(1, 7), min_size=1, max_size=4),
    st.sampled_from(["ignore", "replace"]),
    st.sampled_from(["lf", "keep"]),
)
@example("utf-8", ["\ufffd\r\n", b"\xff\xff", "\ufffd"], [1], "replace", "lf")
def test_every_wrong_byte_is_counted(
    encoding: str, parts: list[str | bytes], sizes: list[int], errors: str, newline: str
):
    data = b"".join(p if isinstance(p, bytes) else p.encode(encoding, "ignore") for p in parts)
    if encoding in ("utf-16", "utf-32"):
        data = codecs.BOM_UTF16 * (encoding == "utf-16") + codecs.BOM_UTF32 * (encoding == "utf-32") + data
    wrong: list[int] = []

    def note(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        wrong.append(error.end - error.start)
        return ("", error.end)

    codecs.register_error("gpurnn-test-note", note)
    policy = TextPolicy(encoding=encoding, errors=errors, newline=newline)
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    codecs.getincrementaldecoder(name)("gpurnn-test-note").decode(data, True)
    losses, blocks, place = Losses(), [], 0
    for size in itertools.cycle(sizes):
        blocks.append(data[place : place + size])
        place += size
        if place >= len(data):
            break
    text = "".join(decode_blocks(blocks, "x", policy, PREPARE_ADVICE, losses))
    assert text == "".join(decode_blocks([data], "x", policy, PREPARE_ADVICE))
    assert losses == Losses(sum(wrong), len(wrong) if errors == "replace" else 0, int(bool(wrong)))


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, data: bytes) -> str:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(data)
    return name


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(main, ["prepare", *arguments, "-o", "o.h5", "--force"])
    assert done.exit_code == 0, done.output
    return done


def test_what_errors_did_is_told():
    write("f/a", b"good text\n")
    write("f/b", b"b\xffa\xc3\xa9d\xfe\xfe\n\xef\xbf\xbd")
    write("v", b"good\xe2\x82x")
    done = run("f", "--valid", "v", "--errors", "ignore")
    assert done.stdout.splitlines()[4:] == ["  5 bytes not in the encoding were dropped, in 2 files"]
    done = run("f", "--valid", "v", "--errors", "replace")
    assert done.stdout.splitlines()[4:] == ["  5 bytes not in the encoding became 4 U+FFFD, in 2 files"]
    report = prepare(["f"], "p.h5", valid=["v"], policy={"errors": "replace"})
    assert (report.wrong_bytes, report.replacements, report.damaged, report.separators) == (5, 4, 2, None)
    done = run("f/b", "--errors", "ignore", "--split", "1,0,0")
    assert done.stdout.splitlines()[4:] == ["  3 bytes not in the encoding were dropped, in 1 file"]
    for errors in ("strict", "ignore", "replace"):
        assert len(run("f/a", "--errors", errors, "--split", "1,0,0").stdout.splitlines()) == 4


def test_a_separator_is_told_how_often_it_was_found():
    write("x", b"one##two##three" * 3)
    write("y", b"##")
    done = run("x", "y", "--document-separator", "##")
    assert done.stdout.splitlines()[4:] == ["  the document separator was found 7 times"]
    assert done.stderr == ""
    for tokens in ("chars", "bytes", "words"):
        assert prepare(["x"], "p.h5", force=True, tokens=tokens, document_separator="##").separators == 6
        assert prepare(["x"], "p.h5", force=True, tokens=tokens, document_separator=b"##").separators == 6
        done = run("x", "--document-separator", "#\\n#", "--tokens", tokens)
        assert done.stderr == "gpurnn: --document-separator was found nowhere: each file is one document\n"
        assert "separator" not in done.stdout
    assert "separator" not in run("x").output


def test_a_separator_is_in_the_encoding_of_the_text():
    write("x", "eins§zwei".encode("latin-1"))
    for separator in ("§", "\udca7"):  # as the locale of the person holds it, or does not
        done = run("x", "--encoding", "latin-1", "--document-separator", separator)
        assert "the document separator was found 1 time\n" in done.stdout
    assert run("x", "--tokens", "bytes", "--document-separator", "\udca7").stderr == ""
    done = CliRunner().invoke(main, ["prepare", "x", "-o", "p.h5", "--document-separator", "\udca7"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("gpurnn: --document-separator: byte 0 (a7) is not utf-8: ")


def test_min_count_that_leaves_nothing_is_named():
    write("x", b"a a a b b c " * 2)
    expected = r"^`min_count=7`: no word of the train split is there so often, the commonest 6 times; give a lower one$"
    with pytest.raises(DataError, match=expected):
        prepare(["x"], "p.h5", tokens="words", min_count=7, split=(1, 0, 0))
    assert prepare(["x"], "p.h5", tokens="words", min_count=6, split=(1, 0, 0)).symbols == 2
    assert sorted(path.name for path in Path().iterdir()) == ["p.h5", "x"]
