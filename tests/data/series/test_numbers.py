"""Numbers as people and spreadsheets write them."""

import math
import random

import numpy as np
import pytest

from gpurnn.data.series.digits import plain_numbers
from gpurnn.data.series.numbers import NoNumber, Numbers, decimal_of

NAN = math.nan


@pytest.mark.parametrize(
    ("decimal", "cell", "value"),
    [
        ("point", "12.5", 12.5),
        ("point", " -12.5 ", -12.5),
        ("point", "+.5", 0.5),
        ("point", "5.", 5),
        ("point", "1e-3", 0.001),
        ("point", "1,234,567.8", 1_234_567.8),
        ("point", "1 234.5", 1234.5),
        ("point", "1'234'567", 1_234_567),
        ("point", "1\u202f234,", None),
        ("point", "\u221212.5", -12.5),
        ("point", "12,5", None),
        ("point", "1,23,456", None),
        ("point", "1_000", None),
        ("point", "0x10", None),
        ("point", "１２", None),
        ("point", "12 %", None),
        ("comma", "12,5", 12.5),
        ("comma", "-0,25", -0.25),
        ("comma", "1.234,5", 1234.5),
        ("comma", "1.234.567", 1_234_567),
        ("comma", "1\u00a0234,5", 1234.5),
        ("comma", "12.5", None),
        ("comma", "1,5e3", 1500),
        ("comma", "7", 7),
    ],
)
def test_a_cell_is_a_number_alone_and_among_others(decimal: str, cell: str, value: float | None):
    for among in (["1", cell], [cell] * 3, ["NA", cell, "2"]):
        numbers = Numbers(decimal, (), commas_divide=False)
        if value is None:
            with pytest.raises(NoNumber) as caught:
                numbers.column(among)
            assert among[caught.value.index] == cell
        else:
            assert numbers.one(cell) == value
            assert numbers.column(among)[among.index(cell)] == value


@pytest.mark.parametrize("decimal", ["point", "comma", None])
def test_missing_numbers_have_many_names(decimal: str | None):
    cells = [
        "",
        " ",
        "NA",
        "na",
        "N/A",
        "#N/A",
        "NaN",
        "nan",
        "Null",
        "NULL",
        "none",
        "None",
        "-",
        "--",
        "?",
        "...",
        ".",
    ]
    values = Numbers(decimal, (), commas_divide=True).column([*cells, "3"])
    assert np.isnan(values[:-1]).all()
    assert values[-1] == 3


def test_a_number_can_stand_for_a_missing_one_however_it_is_written():
    numbers = Numbers("point", ("-999", "bad"), commas_divide=True)
    values = numbers.column(["-999", "-999.0", "-9.99e2", "BAD", "-998", "999"])
    np.testing.assert_array_equal(values, [NAN, NAN, NAN, NAN, -998, 999])
    assert math.isnan(numbers.one("-999.00"))
    assert np.isnan(Numbers("comma", ("-99,9",), commas_divide=False).column(["-99,90"])).all()


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("inf", "is infinite"),
        ("-Infinity", "is infinite"),
        ("1e39", "larger than a number of 32 bits"),
        ("1e999", "larger than a number of 32 bits"),
        ("warm", "is no number"),
        ("12,5", "with a decimal point, as others have"),
    ],
)
def test_what_is_no_number_says_why(cell: str, told: str):
    with pytest.raises(NoNumber) as caught:
        Numbers("point", (), commas_divide=False).column(["1", "2.5", cell])
    assert told in str(caught.value)
    assert caught.value.index == 2


@pytest.mark.parametrize(
    ("cell", "commas_divide", "decimal"),
    [
        ("12", False, None),
        ("warm", False, None),
        ("1.5", False, "point"),
        ("1,5", False, "comma"),
        ("0,125", False, "comma"),
        ("0.125", False, "point"),
        ("1234.567", False, "point"),
        ("1.234", False, "either"),
        ("1.234", True, "point"),
        ("1,234", True, "either"),
        ("1,234", False, "either"),
        ("1,234.5", False, "point"),
        ("1.234,5", False, "comma"),
        ("1,234,567", False, "point"),
        ("1.234.567", False, "comma"),
        ("1 234,567", False, "comma"),
        ("1.5e3", False, "point"),
    ],
)
def test_the_decimal_that_a_cell_shows(cell: str, commas_divide: bool, decimal: str | None):
    assert decimal_of(cell, commas_divide=commas_divide) == decimal


def test_the_first_cell_that_shows_a_decimal_decides():
    numbers = Numbers(None, (), commas_divide=False)
    np.testing.assert_array_equal(numbers.column(["1", "2"]), [1, 2])
    np.testing.assert_array_equal(numbers.column(["1,234", "2,5"]), [1.234, 2.5])
    assert numbers.decimal == "comma"
    with pytest.raises(NoNumber, match="give `decimal=point` or `decimal=comma`"):
        Numbers(None, (), commas_divide=False).column(["1", "1,234", "2"])


def test_plain_numbers_are_those_of_float():
    random.seed(5)
    forms = ("%.0f", "%.1f", "%.2f", "%.5f", "%.9f", "%.15f", "%g", "%r", "%s")
    cells = [random.choice(forms) % (random.choice((1, 1e-3, 1e6)) * random.uniform(-2, 2)) for _ in range(5000)]
    cells += ["", "-", ".", "-.5", "5.", "1.2.3", "1-2", "NA", "0", "-0", "007", "999999999999999", "9999999999999999"]
    for size in (1, 7, len(cells)):
        for start in range(0, len(cells), size):
            part = cells[start : start + size]
            found = plain_numbers(part, ".")
            for cell, value, read in zip(part, *(found or ([0] * size, [False] * size)), strict=False):
                assert not read or (value == float(cell) and math.copysign(1, value) == math.copysign(1, float(cell)))
    _, read = plain_numbers(["1.5", "-22.25", "NA", "3"], ".") or ([], [])
    assert list(read) == [True, True, False, True]
