"""Generated text against a forward pass over the whole of it, and how prompts, stops and pieces fit together."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trained import trained

from gpurnn.backend import Backend, get
from gpurnn.data.text.language import Language
from gpurnn.data.text.tokens import WORD, TextPolicy, Vocabulary, shown_words
from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation.generate import Generator, generate
from gpurnn.generation.pieces import _Until
from gpurnn.network import Model, ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.network.stepper import Stepper
from gpurnn.training.load import Trained

LETTERS = "abcdefgh \n"
LONG = "head face\nbead " * 10  # longer than two of the windows a prompt runs through in


def language(kind: str = "chars", symbols: list | None = None, unknown: int | None = None) -> Language:
    vocabulary = Vocabulary(kind, symbols or list(LETTERS), unknown)  # type: ignore[arg-type]
    return Language(vocabulary, TextPolicy(), np.array([7, 2]), np.array([3, 1]))


def model(be: Backend, symbols: int = len(LETTERS), **options: object) -> Model:
    """Of random parameters, so large that its likeliest text does not settle on one symbol."""
    made = Model(be, ModelConfig(symbols, **{"hidden": 16, "dtype": "float64", **options}))  # type: ignore[arg-type]
    made.params.initialise(be, 17)
    made.params.values[...] *= 4
    return made


def logits_of(model: Model, symbols: list[int]) -> np.ndarray:
    """(n, K), the logits after each symbol of one window from a state of zeros."""
    ws = model.workspace(1, len(symbols), train=False)
    ws.batch.steps = len(symbols)
    model.be.from_host(np.array(symbols), out=ws.batch.tokens)
    model.forward(ws, model.state(1))
    return model.be.to_host(ws.o)


def test_reading_a_prompt_moves_the_state_as_forward_does_and_forms_no_logits(be: Backend):
    for cell in CELLS:
        made = model(be, cell=cell, layers=2)
        ws, states = made.workspace(1, 6, train=False), [made.state(1), made.state(1)]
        for symbols in ([3, 1, 4, 1, 5, 9], [2, 6]):
            ws.batch.steps = len(symbols)
            be.from_host(np.array(symbols), out=ws.batch.tokens[: len(symbols)])
            ws.o.fill(7)
            made.advance(ws, states[0])
            assert np.all(be.to_host(ws.o) == 7)
            made.forward(ws, states[1])
            made.carry_out(ws, states[1])
            for name, array in states[1].named().items():
                assert be.to_host(array).any()
                np.testing.assert_array_equal(be.to_host(states[0].named()[name]), be.to_host(array))


def test_a_step_is_a_step_of_the_model(be: Backend):
    for cell in CELLS:
        for options in ({"layers": 1}, {"layers": 3}, {"layers": 2, "embedding": 4}):
            made = model(be, cell=cell, **options)
            made.params.values[...] /= 4  # so that roundings do not grow
            symbols = np.random.default_rng(1).integers(0, len(LETTERS), 30).tolist()
            stepper = Stepper(made)
            for _ in range(2):  # from a state of zeros, whatever was before
                stepper.begin(made.state(1))
                found = [be.to_host(stepper.step(symbol))[0].copy() for symbol in symbols]
                np.testing.assert_allclose(found, logits_of(made, symbols), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("prompt", ["a", "bad ", LONG, LONG + "\n" * 7])
def test_the_likeliest_text_is_that_of_one_forward_pass(be: Backend, prompt: str):
    made, lang = model(be, layers=2), language()
    text = "".join(generate(made, lang, prompt, length=60, temperature=0))
    assert len(text) == 60
    logits = logits_of(made, lang.vocabulary.encode(prompt + text).tolist())
    predicted = lang.vocabulary.decode(logits.argmax(axis=1)[len(prompt) - 1 : -1])
    assert text == predicted
    assert len(set(text)) > 2


def test_without_a_prompt_a_document_begins(be: Backend):
    made, lang = model(be), language()
    text = "".join(generate(made, lang, length=40, temperature=0))
    assert text[0] == LETTERS[7]  # the commonest
    logits = logits_of(made, lang.vocabulary.encode(text).tolist())
    assert text[1:] == lang.vocabulary.decode(logits.argmax(axis=1)[:-1])
    generator = Generator(made, lang)
    firsts = [next(iter(generator.pieces(seed=seed))) for seed in range(400)]
    assert set(firsts) == {LETTERS[7], LETTERS[2]}
    assert firsts.count(LETTERS[2]) == pytest.approx(100, abs=35)  # one in four, four standard deviations


def test_where_pieces_of_a_prompt_end_makes_no_difference(be: Backend):
    made, lang = model(be), language()
    whole = "".join(generate(made, lang, LONG, length=80, seed=4))
    for size in (1, 2, 63, 64, 65, 149):
        pieces = [LONG[i : i + size] for i in range(0, len(LONG), size)]
        assert "".join(generate(made, lang, iter(pieces), length=80, seed=4)) == whole
    assert "".join(generate(made, lang, LONG[:-1], length=80, seed=4)) != whole


def test_one_prompt_many_texts(be: Backend):
    made, lang = model(be), language()
    generator = Generator(made, lang)
    generator.read(LONG)
    texts = ["".join(generator.pieces(length=50, seed=seed)) for seed in (1, 2, 1)]
    assert texts[0] == texts[2] != texts[1]
    assert texts[1] == "".join(generate(made, lang, LONG, length=50, seed=2))
    next(iter(generator.pieces(seed=3)))
    generator.read("")
    assert "".join(generator.pieces(length=50, seed=1)) == "".join(generate(made, lang, length=50, seed=1))


def test_length_counts_symbols_and_zero_has_no_end(be: Backend):
    made, lang = model(be), language()
    assert [len("".join(generate(made, lang, "a", length=n, seed=1))) for n in (1, 2, 30)] == [1, 2, 30]
    assert len("".join(islice(generate(made, lang, seed=1), 500))) == 500


def test_the_unknown_symbol_is_never_made(be: Backend):
    made = model(be, symbols=4)
    made.params.value["output.c"][3:4].fill(50)
    lang = replace(language(symbols=["a", "b", "c", ""], unknown=3), start_symbols=np.array([3, 1]))
    for temperature in (0, 1):
        text = "".join(generate(made, lang, length=200, temperature=temperature, seed=1))
        assert len(text) == 200 and text[0] == "b" and set(text) <= set("abc")
    only = replace(lang, start_symbols=np.array([3]), start_counts=np.array([1]))
    text = "".join(generate(made, only, length=20, temperature=0))
    after_unknown = logits_of(made, [3])[0, :3].argmax()
    assert len(text) == 20 and text[0] == "abc"[after_unknown]


def test_bytes(be: Backend):
    made, lang = model(be, symbols=3), language("bytes", [b"\xc3", b"\xa4", b"x"])
    lang = replace(lang, start_symbols=np.array([0]), start_counts=np.array([1]))
    data = list(generate(made, lang, "ä".encode(), length=50, seed=1))
    assert set(data) <= {b"\xc3", b"\xa4", b"x"} and len(data) == 50
    assert list(generate(made, lang, "ä", length=50, seed=1)) == data


def test_words():
    made, lang = model(get("cpu"), symbols=3), language("words", ["go", "\n", "."])
    lang = replace(lang, start_symbols=np.array([0]), start_counts=np.array([1]))
    for prompt, spaced in (("go", True), ("go\n", False), ("", False)):
        for seed in range(20):
            text = "".join(generate(made, lang, prompt, length=30, seed=seed))
            expected = lang.vocabulary.decode(lang.vocabulary.encode(text))
            assert text.startswith(" ") == (spaced and not text.startswith("\n"))
            assert text.removeprefix(" ") == expected
    pieces = ["g", "o ", "g", "", "o", "\ng", "o"]
    assert "".join(generate(made, lang, pieces, length=30, seed=1)) == "".join(
        generate(made, lang, "go go\ngo", length=30, seed=1)
    )


@pytest.mark.parametrize("kind", ["chars", "bytes", "words"])
def test_a_prompt_symbol_that_is_lacking_is_named_with_its_position(be: Backend, kind: str):
    symbols = {"chars": list("ab "), "bytes": [b"a", b"b", b" "], "words": ["a", "b", "ab"]}[kind]
    made, lang = model(be, symbols=3), language(kind, symbols)
    name = {"chars": "'#' at character", "bytes": "b'#' at byte", "words": "'#' at character"}[kind]
    for prompt in ("a ab #b", ["a a", "b ", "#b"], ["a", " ab", " #", "b"]):
        with pytest.raises(DataError, match=f"{name} 5 is not in the vocabulary"):
            generate(made, lang, prompt, length=1)


def test_the_text_policy_is_applied_to_prompt_and_stop(be: Backend):
    made = model(be)
    lang = replace(language(), policy=TextPolicy(lower=True, encoding="latin-1"))
    small = "".join(generate(made, lang, "bad\ncab", length=300, seed=1))
    for prompt in ("BAD\r\nCAB", b"BAD\r\nCAB"):
        assert "".join(generate(made, lang, prompt, length=300, seed=1)) == small
    stop = small[100:103]
    assert "".join(generate(made, lang, "bad\ncab", length=300, seed=1, stop=stop.upper())) == small.partition(stop)[0]
    with pytest.raises(DataError, match="'ä' at character 1"):
        generate(made, lang, b"a\xe4", length=1)


@given(st.lists(st.text("ab", max_size=3)), st.text("ab", min_size=1, max_size=5))
def test_a_stop_is_found_across_pieces(pieces: list[str], stop: str):
    until, let_through = _Until(stop), []
    for piece in pieces:
        let_through.append(until.push(piece))
        if until.met:
            break
        sure = "".join(let_through)
        assert not any(stop.startswith(sure[i:] + until.held) for i in range(len(sure)))  # nothing came too early
        assert stop.startswith(until.held)
    text = "".join(pieces)
    assert until.met == (stop in text)
    found = "".join(let_through) + ("" if until.met else until.held)
    assert found == text.partition(stop)[0]


def test_stop_in_generated_text(be: Backend):
    made, lang = model(be), language()
    text = "".join(generate(made, lang, length=400, seed=6))
    for stop in (text[50:52], text[200:203], text[100]):
        assert "".join(generate(made, lang, seed=6, stop=stop)) == text.partition(stop)[0]
    assert "".join(generate(made, lang, length=400, seed=6, stop="#" + text[-1])) == text
    ends_inside = text[398:400] + "#"
    assert "".join(generate(made, lang, length=400, seed=6, stop=ends_inside)) == text  # what was held back comes too


WORD_STOPS = [
    # as a person may write it, and as it is shown
    *(("go.", "go ."), ("go .", "go ."), ("go  .go", "go . go"), (".\tgo", ". go"), (".\ngo", ".\ngo"), (".", ".")),
    *(
        (". \n go", ".\ngo"),
        ("\n", "\n"),
        ("\n\n", "\n\n"),
        (" .", " ."),
        (". ", ". "),
        ("\n .", "\n."),
        (". \n", ".\n"),
    ),
    *((". \n", ".\n"), (" ", " "), ("  ", " "), (" \n ", "\n"), ("o.", "o ."), ("go", "go")),
]


@pytest.mark.parametrize(("stop", "shown"), WORD_STOPS)
def test_a_stop_among_words_is_found_as_the_text_is_shown(stop: str, shown: str):
    made = model(get("cpu"), symbols=3)
    made.params.values[...] /= 4  # so that every pair of symbols comes
    lang = Language(Vocabulary("words", ["go", "\n", "."]), TextPolicy(), np.array([0]), np.array([1]))
    text = "".join(generate(made, lang, "go", length=400, seed=1))
    assert shown in text[30:]
    assert "".join(generate(made, lang, "go", length=400, seed=1, stop=stop)) == text.partition(shown)[0]
    assert "".join(generate(made, lang, "go", length=40, seed=1, stop=f"{stop}else")) == "".join(
        generate(made, lang, "go", length=40, seed=1)
    )


@given(st.text("ab.,_ \t\n'é", min_size=1, max_size=12))
def test_a_stop_as_it_is_shown_stays_as_it_is(text: str):
    shown = shown_words(text)
    assert shown_words(shown) == shown
    assert WORD.findall(shown) == WORD.findall(text)
    assert bool(shown)


def test_a_stop_in_bytes_is_in_the_encoding_of_the_corpus(be: Backend):
    made = model(be)
    lang = replace(language(), policy=TextPolicy(lower=True, encoding="utf-16-le"))
    text = "".join(generate(made, lang, length=300, seed=1))
    stop = text[100:103].upper().encode("utf-16-le")
    assert "".join(generate(made, lang, length=300, seed=1, stop=stop)) == text.partition(text[100:103])[0]
    with pytest.raises(DataError, match=r"^the stop text: byte 0 .* is not utf-16-le"):
        generate(made, lang, stop=b"a")


def test_values_out_of_range_are_refused_at_once(be: Backend):
    made, lang = model(be), language()
    with pytest.raises(UsageError, match="length: expected 0"):
        generate(made, lang, length=-1)
    with pytest.raises(UsageError, match="stop: expected a text"):
        generate(made, lang, stop="")
    with pytest.raises(UsageError, match="top_k"):
        generate(made, lang, top_k=-1)

    with pytest.raises(UsageError, match="length: expected less than"):
        generate(made, lang, length=2**63)
    for wrong in (5, ["a"], True, object()):
        with pytest.raises(UsageError, match="stop: expected a text, found"):
            generate(made, lang, stop=wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="model: expected a Model, found"):
        generate(lang, lang)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="language: expected a Language, found Vocabulary"):
        generate(made, lang.vocabulary)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["chars", "bytes", "words"])
@pytest.mark.parametrize("wrong", [None, 5, True, bytearray(b"a"), memoryview(b"a"), [1, 2], [None], [["a"]], ["a", 5]])
def test_a_prompt_that_is_no_text_is_named(be: Backend, kind: str, wrong: Any):
    lang = language(kind, [bytes([i]) for i in b"abc"] if kind == "bytes" else ["a", "b", "c"])
    with pytest.raises(UsageError, match=r"prompt: expected (a text or its|texts as its) pieces, found "):
        generate(model(be, 3), lang, wrong)


@pytest.mark.parametrize("kind", ["chars", "bytes", "words"])
def test_bytes_of_a_prompt_may_end_inside_a_character(be: Backend, kind: str):
    prompt = "\u00e4b\u00e4"
    symbols = sorted({bytes([b]) for b in prompt.encode()}) if kind == "bytes" else ["\u00e4", "b"]
    symbols += [prompt] * (kind == "words")
    made = model(be, len(symbols))
    lang = replace(language(kind, symbols), start_symbols=np.array([0]), start_counts=np.array([1]))
    whole = list(generate(made, lang, prompt, length=9, seed=1))
    assert list(generate(made, lang, [bytes([b]) for b in prompt.encode()], length=9, seed=1)) == whole
    if kind != "bytes":
        for broken in ([prompt.encode()[:-1]], [b"\xff"]):
            with pytest.raises(DataError, match="prompt: a piece of bytes is not UTF-8"):
                generate(made, lang, broken)
    else:
        with pytest.raises(DataError, match=r"character 1, '.ud800': half a character has no bytes"):
            generate(made, lang, "b\ud800")


def test_a_text_that_another_one_followed_says_so(be: Backend):
    """They would be made from one state, each from the other's symbols."""
    generator = Generator(model(be), language())
    generator.read(LONG)
    first, second = generator.pieces(length=50, seed=1), generator.pieces(length=50, seed=1)
    pieces = list(islice(first, 5))
    whole = "".join(second)
    assert whole.startswith("".join(pieces))
    with pytest.raises(UsageError, match="the generator has begun another one since"):
        next(first)  # type: ignore[call-overload]
    assert "".join(generator.pieces(length=50, seed=1)) == whole


def test_memory_does_not_grow_with_prompt_or_text(be: Backend):
    made, lang = model(be), language()

    def peak(symbols: int) -> int:
        tracemalloc.start()
        for _ in islice(generate(made, lang, (LONG for _ in range(symbols // len(LONG))), seed=1), symbols):
            pass
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(300)
    assert peak(9_000) < peak(600) + 16_384


def test_a_trained_model_makes_the_text_of_its_corpus(be: Backend, tmp_path: Path):
    """After enough windows of a text with one possible continuation, that is what comes."""
    made: Trained = trained(be, tmp_path, ["abcd" * 200 + "\n"] * 4, hidden=12, windows=150)
    text = "".join(generate(made.model, made.language, "abcdab", length=40, temperature=0))
    assert text == "cdab" * 10
    assert "".join(generate(made.model, made.language, length=20, temperature=0)) == "abcd" * 5
