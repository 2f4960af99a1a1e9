"""Reports of small runs whose names and texts are hostile markup."""

from __future__ import annotations

from pathlib import Path

import pytest
from trained import make_corpus, make_run

from gpurnn import backend
from gpurnn.diagnosis.doctor import diagnose
from gpurnn.diagnosis.report import Report

HOSTILE = "</script><img src=x onerror=alert(1)>&amp;<!-- \u2028'\"`$data$ \n"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of a run whose corpus, and so its vocabulary, is hostile markup."""
    folder = tmp_path_factory.mktemp("page")
    corpus = make_corpus(folder / "<b>made.h5", [HOSTILE * 60], split=(0.5, 0.5, 0))
    run = make_run(backend.get("cpu"), corpus, folder / "<i>run</i>", cell="lstm")
    return diagnose(run, backend.get("cpu"))


@pytest.fixture(scope="session")
def other(report: Report) -> Report:
    """Of another run on the same corpus, whose name is markup, too."""
    folder = Path(report.run).parents[1]
    run = folder / "<img src=x onerror=alert(1)>"
    made = make_run(backend.get("cpu"), folder / "<b>made.h5", run, cell="gru", windows=20)
    return diagnose(made, backend.get("cpu"))
