"""The short version of long series; larger ones go through the same functions."""

import sys

import pytest

from faults import shim

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_rows_that_come_for_ever_take_no_memory():
    report = shim.call("faults.lasting:forecast_rows", preload=False, count=20_000)
    assert report["violations"] == [] and report["rows"] == 20_000


def test_a_table_takes_no_more_memory_than_it_may():
    report = shim.call("faults.lasting:prepare_table", preload=False, count=20_000_000)
    assert report["violations"] == [] and report["bytes"] > 15_000_000


def test_a_large_corpus_is_streamed_in_little_memory():
    report = shim.call("faults.lasting:stream_rows", preload=False, count=150_000_000)
    assert report["violations"] == [] and report["bytes"] > 149_000_000
