"""The page of a report: its panels with pictures of their numbers, in one file that needs nothing else."""

from __future__ import annotations

from importlib import resources

from gpurnn.diagnosis.report import Report
from gpurnn.diagnosis.selfcontained import self_contained


def page_of(report: Report, against: Report | None = None) -> bytes:
    """The page, UTF-8. against: of another run, which is drawn beside it."""
    folder = resources.files("gpurnn.diagnosis") / "page"
    names = "report.html", "report.css", "chart.js", "passage.js", "report.js"
    template, style, *scripts = ((folder / name).read_text("utf-8") for name in names)
    return self_contained(template, style=style, script="".join(scripts), data=report.to_json(against))
