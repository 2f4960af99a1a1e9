"""Vocabularies and the text policy."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import DataError


def test_characters_encode_and_decode():
    vocabulary = Vocabulary("chars", ["a", "b", "é", "漢"])
    ids = vocabulary.encode("abé漢a")
    assert ids.dtype == np.int32
    assert ids.tolist() == [0, 1, 2, 3, 0]
    assert vocabulary.decode(ids) == "abé漢a"
    assert vocabulary.characters(ids).tolist() == [1, 1, 1, 1, 1]
    assert vocabulary.utf8_bytes(ids).tolist() == [1, 1, 2, 3, 1]


def test_bytes_encode_and_decode():
    vocabulary = Vocabulary("bytes", [b"a", b"\xc3", b"\xa9"])
    ids = vocabulary.encode("aéa")
    assert ids.tolist() == [0, 1, 2, 0]
    assert vocabulary.encode(b"\xa9\xa9").tolist() == [2, 2]
    assert vocabulary.decode(ids) == "aéa"
    assert vocabulary.decode([1, 0]) == "\ufffda"
    decoder = vocabulary.decoder()
    assert [decoder.push(i) for i in (1, 2)] == [b"\xc3", b"\xa9"]
    assert vocabulary.characters(ids).tolist() == [1, 1, 0, 1]
    assert vocabulary.utf8_bytes(ids).tolist() == [1, 1, 1, 1]


def test_words_encode_and_decode():
    vocabulary = Vocabulary("words", ["the", "cat", ",", "\n", "été", ""], unknown=5)
    ids = vocabulary.encode("the  cat, the\tété\n\nthe")
    assert ids.tolist() == [0, 1, 2, 0, 4, 3, 3, 0]
    assert vocabulary.decode(ids) == "the cat , the été\n\nthe"
    assert vocabulary.decode([0, 5, 3]) == "the <unk>\n"
    assert vocabulary.characters(ids).tolist() == [3, 3, 1, 3, 3, 1, 1, 3]
    assert vocabulary.utf8_bytes(ids).tolist() == [3, 3, 1, 3, 5, 1, 1, 3]
    assert vocabulary.characters(np.array([0, 5])) is None
    assert vocabulary.utf8_bytes(np.array([0, 5])) is None


def test_an_unknown_character_counts_one_character_and_no_known_bytes():
    vocabulary = Vocabulary("chars", ["a", ""], unknown=1)
    assert vocabulary.characters(np.array([0, 1])).tolist() == [1, 1]
    assert vocabulary.utf8_bytes(np.array([0, 1])) is None
    assert vocabulary.utf8_bytes(np.array([0, 0])).tolist() == [1, 1]
    assert vocabulary.decode([0, 1]) == "a\ufffd"


@pytest.mark.parametrize(
    ("kind", "symbols", "text", "message"),
    [
        ("chars", ["a", "b", ""], "abxa", "'x' at character 2 is not in the vocabulary (3 chars)"),
        ("words", ["a", "b", ""], "a b  word", "'word' at character 5 is not in"),
        ("bytes", [b"a", b"b", b""], "aé", r"b'\xc3' at byte 1 is not in"),
    ],
)
def test_a_prompt_symbol_that_is_lacking_is_named_with_its_position(kind, symbols, text, message):
    for vocabulary in (Vocabulary(kind, symbols[:2]), Vocabulary(kind, symbols, unknown=2)):
        with pytest.raises(DataError) as caught:
            vocabulary.encode(text)
        assert message.replace("(3", f"({len(vocabulary)}") in str(caught.value)


@pytest.mark.parametrize(
    "vocabulary",
    [
        Vocabulary("chars", ["\n", "a", "é", "😀", ""], unknown=4),
        Vocabulary("bytes", [bytes([i]) for i in range(256)]),
        Vocabulary("words", ["it", "", "naïve"], unknown=1),
    ],
)
def test_arrays_hold_the_whole_vocabulary(vocabulary):
    data, offsets = vocabulary.to_arrays()
    assert data.dtype == np.uint8
    assert offsets.dtype == np.uint64
    again = Vocabulary.from_arrays(vocabulary.kind, data, offsets, vocabulary.unknown)
    assert again.symbols == vocabulary.symbols
    assert again.unknown == vocabulary.unknown
    assert again.fingerprint == vocabulary.fingerprint


def test_fingerprints_tell_vocabularies_apart():
    different = [
        Vocabulary("chars", ["a", "b"]),
        Vocabulary("words", ["a", "b"]),
        Vocabulary("bytes", [b"a", b"b"]),
        Vocabulary("chars", ["b", "a"]),
        Vocabulary("words", ["ab"]),
        Vocabulary("chars", ["a", "b", ""], unknown=2),
    ]
    assert len({vocabulary.fingerprint for vocabulary in different}) == len(different)


@pytest.mark.parametrize(
    ("kind", "symbols", "unknown", "message"),
    [
        ("chars", [], None, "no symbols"),
        ("chars", [""], 0, "no symbols"),
        ("chars", ["ab"], None, "'ab', is not one of kind chars"),
        ("chars", ["a", ""], None, "entry 1, '', is not"),
        ("bytes", ["a"], None, "entry 0"),
        ("words", [b"a"], None, "entry 0"),
        ("chars", ["a", "a"], None, "twice"),
        ("chars", ["a", "b"], 1, "unknown symbol 1 is not an empty entry"),
        ("chars", ["a", "b"], 2, "unknown symbol 2"),
        ("chars", ["a", ""], True, "unknown symbol True"),
        ("letters", ["a"], None, "kind is 'letters', expected one of chars, bytes, words"),
    ],
)
def test_symbols_that_do_not_fit_are_refused(kind, symbols, unknown, message):
    with pytest.raises(DataError, match=message):
        Vocabulary(kind, symbols, unknown)


@pytest.mark.parametrize("offsets", [[0], [1, 3], [0, 2], [0, 4, 3], [0, 3, 2, 3]])
def test_offsets_that_do_not_fit_are_refused(offsets):
    with pytest.raises(DataError, match="do not rise from 0 to 3"):
        Vocabulary.from_arrays("chars", np.frombuffer(b"abc", np.uint8), np.array(offsets, np.uint64), None)


def test_a_symbol_that_is_not_utf8_is_refused():
    with pytest.raises(DataError, match="not UTF-8"):
        Vocabulary.from_arrays("chars", np.array([0xFF], np.uint8), np.array([0, 1], np.uint64), None)


def test_policy_applies_newline_form_and_case():
    text = "A\r\nB\rC\u0065\u0301\nΣ"
    assert TextPolicy().apply(text) == "A\nB\nC\u0065\u0301\nΣ"
    assert TextPolicy(newline="keep").apply(text) == text
    assert TextPolicy(normalise="NFC", lower=True).apply(text) == "a\nb\nc\u00e9\nσ"


def test_policy_survives_json():
    policy = TextPolicy("latin-1", "replace", "keep", "NFKC", True)
    assert TextPolicy.from_json(policy.to_json()) == policy
    for wrong in (None, {}, policy.to_json() | {"more": 1}, policy.to_json() | {"errors": "pickle"}, {"encoding": 3}):
        with pytest.raises(DataError, match="text policy"):
            TextPolicy.from_json(wrong)


@pytest.mark.parametrize(
    "fields",
    [{"encoding": "../x"}, {"encoding": 1}, {"errors": []}, {"newline": "x"}, {"normalise": "N"}, {"lower": 1}],
)
def test_policy_refuses_other_values(fields):
    with pytest.raises(DataError, match="text policy"):
        TextPolicy(**fields)


@given(st.lists(st.sampled_from(["one", "two", ",", "\n", "it's"]), max_size=30))
def test_decoded_words_encode_to_the_same_ids(words):
    vocabulary = Vocabulary("words", ["one", "two", ",", "\n", "it", "'", "s"])
    ids = vocabulary.encode(" ".join(words))
    assert vocabulary.encode(vocabulary.decode(ids)).tolist() == ids.tolist()
    assert unicodedata.normalize("NFC", vocabulary.decode(ids)).count("\n") == words.count("\n")
