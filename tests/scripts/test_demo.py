"""The data that `scripts/demo series` brings along, and what the script says of itself."""

from __future__ import annotations

import csv
import gzip
import subprocess
from pathlib import Path

import gpurnn
from gpurnn.data.corpus import Corpus

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TABLE = SCRIPTS / "demo_data" / "weather.csv.gz"


def test_the_table_is_small_and_told_of():
    with gzip.open(TABLE, "rt") as file:
        header, *rows = csv.reader(file)
    told = TABLE.with_name("README.md").read_text()
    assert TABLE.stat().st_size < 150_000 and f"{len(rows):,} rows" in told and "CC0" in told
    assert all(f"`{name}`" in told for name in header)
    assert {row[0] for row in rows} == {"JFK", "LGA"}


def test_the_table_becomes_the_corpus_that_is_forecast_from(tmp_path: Path):
    gpurnn.prepare(TABLE, tmp_path / "c.h5", series=True, time="time_hour", key="origin", clock=True)
    with Corpus.open(tmp_path / "c.h5") as corpus:
        assert corpus.key_names == ("JFK", "LGA") and corpus.columns.interval == 3600
        assert corpus.columns.names[:4] == ("temp", "dewp", "pressure", "wind_speed")
        assert len(corpus.split("train")) > 12_000 and len(corpus.split("test")) > 3_400


def test_the_demo_says_what_there_is():
    asked = subprocess.run([SCRIPTS / "demo", "-h"], capture_output=True, text=True)
    assert asked.returncode == 0 and "usage: scripts/demo [text|series|tags]" in asked.stdout
    for wrong in (["pictures"], ["series", "2"]):
        refused = subprocess.run([SCRIPTS / "demo", *wrong], capture_output=True, text=True)
        assert refused.returncode == 2 and "usage: scripts/demo" in refused.stderr
