"""Durations: what people write, in seconds, and back in words."""

import pytest

from gpurnn.data.series.durations import LONGEST, in_words, seconds_of, short
from gpurnn.exceptions import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10min", 600),
        ("24h", 86_400),
        ("24 h", 86_400),
        (" 24H ", 86_400),
        ("1d", 86_400),
        ("2w", 1_209_600),
        ("1 Hour", 3600),
        ("3 days", 259_200),
        ("1.5h", 5400),
        ("0.1min", 6),
        ("36525d", LONGEST),
    ],
)
def test_a_duration_is_so_many_seconds(text: str, seconds: int):
    assert seconds_of(text, "ahead") == seconds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected a number and s, min, h, d or w"),
        ("24", "expected a number and s, min, h, d or w"),
        ("h", "expected a number"),
        ("-1h", "expected a number"),
        ("1h30", "expected a number"),
        ("٣h", "expected a number"),
        ("nanh", "expected a number"),
        ("1 fortnight", "expected a number"),
        ("10m", "m could be minutes or months; write min for minutes"),
        ("1M", "m could be minutes or months"),
        ("0h", "a whole number of seconds, 1 or more"),
        ("0.5s", "a whole number of seconds"),
        ("36526d", "at most a hundred years"),
        ("999999999999w", "at most a hundred years"),
        ("9" * 5000 + "h", "expected a number"),
        (24, "expected a number"),
    ],
)
def test_what_is_no_duration_is_told_with_the_setting(text: str, told: str):
    with pytest.raises(UsageError) as caught:
        seconds_of(text, "ahead")
    assert str(caught.value).startswith("`ahead=")
    assert told in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("seconds", "words", "word"),
    [
        (1, "1 s", "1s"),
        (90, "1 min 30 s", "90s"),
        (600, "10 min", "10min"),
        (3600, "1 h", "1h"),
        (5400, "1 h 30 min", "90min"),
        (86_400, "1 day", "24h"),
        (172_800, "2 days", "48h"),
        (604_800, "7 days", "7d"),
        (90_061, "1 day 1 h 1 min 1 s", "90061s"),
        (86_400 * 1461, "1,461 days", "1461d"),
    ],
)
def test_seconds_in_words_and_as_one_word(seconds: int, words: str, word: str):
    assert in_words(seconds) == words
    assert short(seconds) == word
    assert seconds_of(word, "ahead") == seconds
