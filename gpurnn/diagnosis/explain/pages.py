"""The learner's page: what a run of a few steps shows, put into one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from itertools import product
from typing import Any

import numpy as np

from gpurnn.diagnosis.explain.play import Played, play
from gpurnn.diagnosis.explain.rows import columns_of, rows_of, units_of
from gpurnn.diagnosis.explain.sheet import Sheet
from gpurnn.diagnosis.explain.story import RATE, Story
from gpurnn.diagnosis.selfcontained import self_contained

_SCRIPTS = ("numbers.js", "theta.js", "table.js", "picture.js", "walk.js", "cut.js")
"""In their order."""


def explain(story: Story) -> bytes:
    """The page, UTF-8."""
    folder = resources.files("gpurnn.diagnosis.explain") / "page"
    template, style, *scripts = ((folder / name).read_text("utf-8") for name in ("page.html", "page.css", *_SCRIPTS))
    return self_contained(template, style=style, script="".join(scripts), data=data_of(story))


def data_of(story: Story) -> dict[str, Any]:
    """What the page's script gets: the numbers of every view, their formulas, and what the rows are."""
    formulas: list[Any] = []
    views = {}
    for document, (name, steps, renew) in product((False, True), _views(story)):
        played = play(story, steps, renew=renew, document=document)
        views[f"{name}{document:d}"] = _view(played, formulas)
    return {
        "text": [story.shown[token] for token in story.tokens],
        "symbols": story.shown,
        "units": units_of(story),
        "columns": columns_of(story),
        "cell": story.cell,
        "bptt": story.bptt,
        "rate": RATE,
        "document": story.document,
        "rows": [asdict(row) for row in rows_of(story)],
        "formulas": formulas,
        "views": views,
        "cut": {f"{document:d}": _cut(story, document) for document in (False, True)},
    }


def _views(story: Story) -> list[tuple[str, int, bool]]:
    """By name: how many steps a window has, and whether parameters are renewed after it."""
    return [("training", story.bptt, True), ("same", story.bptt, False), ("whole", story.steps, True)]


def _view(played: Played, formulas: list[Any]) -> dict[str, Any]:
    """formulas: those of all views, each list once; new ones are added."""
    sheet = Sheet(played)
    for found in sheet.formulas.values():
        if found not in formulas:
            formulas.append(found)
    return {
        "begins": played.begins,
        "carry": played.carry,
        "weight": played.weight,
        "values": sheet.values,
        "formulas": {key: formulas.index(found) for key, found in sheet.formulas.items()},
        "places": sheet.places,
    }


def _cut(story: Story, document: bool) -> dict[str, Any]:
    """What seams cut of each gradient, nothing being renewed: for windows of 1, 2, ... steps beside one of all.

    mean: of the windows' gradients, whole: that of one window, by parameter. by_steps: for each length, by parameter,
    the cosine between the two, and the norm of their difference as a multiple of the whole's.
    """
    whole = play(story, story.steps, renew=False, document=document).mean_gradient
    means = [play(story, steps, renew=False, document=document).mean_gradient for steps in range(1, story.steps + 1)]
    return {
        "mean": _listed(means[story.bptt - 1]),
        "whole": _listed(whole),
        "by_steps": [{name: compared(mean[name], whole[name]) for name in whole} for mean in means],
    }


def compared(mean: np.ndarray, whole: np.ndarray) -> dict[str, float]:
    """The cosine between a gradient and the whole one, and the norm of their difference beside the whole's."""
    norms = np.linalg.norm(mean) * np.linalg.norm(whole)
    return {
        "cosine": float((mean * whole).sum() / norms) if norms else 0.0,
        "difference": float(np.linalg.norm(mean - whole) / np.linalg.norm(whole)) if np.any(whole) else 0.0,
    }


def _listed(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {name: array.tolist() for name, array in arrays.items()}
