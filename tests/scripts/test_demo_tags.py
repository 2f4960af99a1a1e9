"""The tables of `scripts/demo tags`: what each character of source is, which files are held out, how it is shown."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from demo_lib import __main__ as demo
from demo_lib import library
from demo_lib.cells import cell_of, character_of
from demo_lib.colour import coloured, lettered, read_marked
from demo_lib.kinds import KINDS, NotPython, kinds_of
from demo_lib.library import sources, write_table

import gpurnn
from gpurnn.data.corpus import Corpus

LETTERS = {kind: kind[0] for kind in KINDS} | {"blank": " ", "number": "d"}


def letters(text: str) -> str:
    """The kinds of a text, a letter each."""
    return "".join(LETTERS[kind] for kind in kinds_of(text)).rstrip()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(x): return 0x1F\n", "kkk nonoo kkkkkk dddd"),
        ("a = 'x' \\\n  'y'  # why\n", "n o sss     sss  ccccc"),
        ("if é:\n\tmatch @= 1_0\n", "kk no  nnnnn oo ddd"),
        ('x = """a\n\n b"""\n', "n o sssssssssss"),
        ("x = f'a{y + 1}b' + rb'c'\n", "n o ssssssssssss o sssss"),
        ("x = f'{{{g(1)!r:>{n}}}}' 'b'\n", "n o ssssssssssssssssssss sss"),
        ("async def f(): await g\n", "kkkkk kkk nooo kkkkk n"),
        ("\x0c\npass", "  kkkk"),
        ("", ""),
    ],
)
def test_each_character_is_what_python_reads(text: str, told: str):
    assert letters(text) == told


def test_parts_of_an_f_string_are_one_string(monkeypatch: pytest.MonkeyPatch):
    """Of Python 3.12 and later, whatever this one is: strings inside strings, and braces that no token has."""
    text = "a = f'{{b{f\"{c}\"!r}' + d\n"
    parts = [
        ("NAME", "a", 0),
        ("OP", "=", 2),
        ("FSTRING_START", "f'", 4),
        ("FSTRING_MIDDLE", "{", 6),
        ("FSTRING_MIDDLE", "b", 8),
        ("OP", "{", 9),
        ("FSTRING_START", 'f"', 10),
        ("OP", "{", 12),
        ("NAME", "c", 13),
        ("OP", "}", 14),
        ("FSTRING_END", '"', 15),
        ("OP", "!", 16),
        ("NAME", "r", 17),
        ("OP", "}", 18),
        ("FSTRING_END", "'", 19),
        ("OP", "+", 21),
        ("NAME", "d", 23),
    ]
    names = dict(enumerate(dict.fromkeys(name for name, _, _ in parts)))
    numbers = {name: number for number, name in names.items()}

    def tokens(_: object) -> Iterator[SimpleNamespace]:
        for name, string, at in parts:
            yield SimpleNamespace(type=numbers[name], string=string, start=(1, at), end=(1, at + len(string)))

    monkeypatch.setattr(tokenize, "tok_name", names)
    monkeypatch.setattr(tokenize, "generate_tokens", tokens)
    assert letters(text) == "n o ssssssssssssssss o n"


@pytest.mark.parametrize("text", ["x = '''a\n", "if x:\n  a\n b\n", "f(\n"])
def test_what_is_no_source_is_refused(text: str):
    with pytest.raises(NotPython):
        kinds_of(text)


def test_every_character_has_a_cell_that_is_shown_again():
    for character in map(chr, [*range(0x250), 0x2028, 0x3000, 0x1F600]):
        cell = cell_of(character)
        assert len(cell) == len(cell.strip()) == 1 and cell.splitlines() == [cell]
        if character in " \n\t" or character.isprintable():
            assert character_of(cell) == character


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty modules, one that is none, and one in a package."""
    for number in range(20):
        (tmp_path / f"m{number:02}.py").write_text(f"# {number}\nx = {number}\n")
    (tmp_path / "wrong.py").write_text("x = '''\n")
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'\n")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "inner.py").write_text("y = 1\n")
    return tmp_path


def test_files_are_held_out_whole(folder: Path):
    splits = sources(folder)
    assert {name: len(files) for name, files in splits.items()} == {"train": 17, "valid": 1, "test": 2}
    names = [name for files in splits.values() for name, _, _ in files]
    assert sorted(names) == [f"m{number:02}.py" for number in range(20)] and names != sorted(names)
    assert sources(folder) == splits != sources(folder, seed=1)


def test_the_tables_become_a_corpus(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(library.sysconfig, "get_path", {"stdlib": str(folder)}.get)
    demo.tables(folder / "tables")
    splits = sources(folder)
    sizes = {name: sum(len(text) for _, text, _ in files) for name, files in splits.items()}
    assert capsys.readouterr().out.splitlines() == [
        f"train: 17 files, {sizes['train']} characters",
        f"valid: 1 files, {sizes['valid']} characters",
        f"test: 2 files, {sizes['test']} characters",
        f"one: {splits['test'][0][0]}, the first file of test",
    ]
    tables = {name: folder / "tables" / f"{name}.tsv" for name in ("train", "valid", "test", "one")}
    gpurnn.prepare(tables["train"], folder / "c.h5", tags=True, valid=tables["valid"], test=tables["test"])
    with Corpus.open(folder / "c.h5") as corpus:
        assert len(corpus.split("train").documents) == 17 and len(corpus.split("test")) == sizes["test"]
        assert set(corpus.labels) == {"blank", "comment", "name", "number", "operator"}
    assert tables["test"].read_text().startswith(tables["one"].read_text())
    assert tables["one"].read_text().startswith("#\tcomment\n␣\tcomment\n")


def test_what_was_found_is_shown_below_or_in_colours(tmp_path: Path):
    text, found = "if 'a':\n\tx\n", "kkbsnsoobNb"
    kinds = {letter[0]: kind for kind, letter in LETTERS.items()} | {"b": "blank", "N": "number"}
    write_table(tmp_path / "t.tsv", [("t", text, kinds_of(text))])
    rows = (tmp_path / "t.tsv").read_text().split("\n")
    lines = [f"{row}\t{kinds[letter]}\n" for row, letter in zip(rows, found, strict=False)] + ["\n"]
    marked = list(read_marked(lines))
    assert [each.character for each in marked] == list(text)
    assert "".join(lettered(marked)) == "if 'a':\nkk sNso\n\tx\n D\n"
    assert "".join(coloured(marked)) == (
        "\x1b[35mif\x1b[0m\x1b[0m \x1b[0m\x1b[32m'\x1b[0m\x1b[0;4ma\x1b[0m\x1b[32m'\x1b[0m\x1b[33m:\x1b[0m\n"
        "\x1b[0m\t\x1b[0m\x1b[36;4mx\x1b[0m\n"
    )


def test_no_terminal_gets_letters(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("sys.stdin", io.StringIO("x\tname\tname\n␣\tblank\tcomment\n"))
    demo.show()
    assert capsys.readouterr().out.splitlines()[1:] == [
        "x ",
        "nC",
        "1 of 2 characters are right; from 0 to 2 they are shown",
    ]


def test_what_is_shown_begins_with_a_function_and_ends_with_a_line():
    head, body = "import os\n\n", "def f():\n" + "    pass\n" * 400
    begin, end = demo.shown(head + body)
    assert begin == len(head) and 1500 < end - begin < 1510 and (head + body)[end - 1] == "\n"
    assert demo.shown("x = 1\ny") == (0, 7)
