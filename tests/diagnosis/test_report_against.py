"""The page of two runs: what both have stands beside each other, in a real browser."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gpurnn.diagnosis.report import Panel, Report
from gpurnn.diagnosis.reportpage import page_of

from .browser import look, printed

DRAWN = """(() => {
  const all = (inside, what) => [...inside.querySelectorAll(what)], text = (each) => each.textContent;
  const passages = all(document, ".passage");
  const rows = (each) => all(each, "tbody tr").map((row) => [...row.children].map(text));
  const by = (name, of) => (each) => [name(each), of(each)];
  const walked = passages.map((each) => {
    const told = each.parentElement.querySelector(".told");
    const press = (key) => { each.dispatchEvent(new KeyboardEvent("keydown", { key })); return text(told); };
    each.focus();
    const lines = [...[...each.children].map(() => "ArrowRight"), "ArrowRight", "Home", "End"].map(press);
    return document.activeElement === each ? lines : [];
  });
  return {
    figures: Object.fromEntries(all(document, "figure").map(by(
      (figure) => figure.querySelector("svg").getAttribute("aria-label"),
      (figure) => ({
        legend: all(figure, ".legend li").map(by((each) => each.className, text)),
        lines: Object.fromEntries(all(figure, "path:not(.band)").map(
          by((path) => path.getAttribute("class"), (path) => path.getAttribute("d")))),
        ticks: all(figure, "text.tick[text-anchor=end]").map(by(text, (each) => Number(each.getAttribute("y")) - 4)),
      })))),
    sections: Object.fromEntries(all(document, "section").map(
      by((each) => each.id, (each) => [text(each.querySelector(".otherwise")), rows(each)]))),
    about: text(document.getElementById("against")),
    walked,
    colours: passages.map((each) => [...each.children].map((mark) => getComputedStyle(mark).backgroundColor)),
    notes: all(document, "#text .explains").map(text),
    images: document.images.length,
  };
})()"""


def drawn(figure: dict[str, Any], style: str, log: bool = False) -> list[float]:
    """What a line of a figure stands for, by its ticks."""
    (first, low), *_, (last, high) = ((float(text.replace(",", "")), y) for text, y in figure["ticks"])
    first, last = (math.log10(first), math.log10(last)) if log else (first, last)
    ys = [float(point.split()[1]) for point in figure["lines"][style][1:].split("L")]
    found = [first + (y - low) / (high - low) * (last - first) for y in ys]
    return [10**each for each in found] if log else found


def test_two_runs_stand_beside_each_other(report: Report, other: Report, tmp_path: Path):
    path = tmp_path / "both.html"
    path.write_bytes(page_of(report, other))
    assert path.stat().st_size < 1 << 20 and "<img" not in path.read_text("utf-8")
    seen = look(path, DRAWN, tmp_path)
    assert seen.said == [] and seen.asked == [path.as_uri()] and seen.answer["images"] == 0
    found, name = seen.answer, other.run
    mine, theirs = ({n: panel["numbers"] for n, panel in each.to_json()["panels"].items()} for each in (report, other))
    assert found["about"] == f"against {name}: {other.checkpoint}, seed 1" and "<img" in name
    for each, (sentence, _) in found["sections"].items():
        assert sentence == f"{other.panels[each].level}{name}: {other.panels[each].sentence}"
    cells = {each: rows for each, (_, rows) in found["sections"].items()}
    assert ["cell", "lstm", "gru"] in cells["looked_at"] and ["windows", "12", "20"] in cells["looked_at"]
    for cost in cells["text"][: len(mine["text"]["classes"])]:
        of = theirs["text"]["classes"][cost[0]]
        assert cost[4:] == [printed(of["share"]), printed(of["each"])]

    figures = found["figures"]
    cosine = figures["Cosine by window"]
    assert cosine["legend"][2:] == [["other", f"layers.0.W, {name}"], ["other2", f"all parameters, {name}"]]
    assert drawn(cosine, "first") == pytest.approx(mine["window"]["kept"]["layers.0.W"]["cosine"], abs=2e-3)
    for what, figure in (("cosine", cosine), ("share", figures["Share by window"])):
        for style, of in (("other", "layers.0.W"), ("other2", "all")):
            expected = [min(1, each) for each in theirs["window"]["kept"][of][what]]
            assert drawn(figure, style) == pytest.approx(expected, abs=3e-3)
    falls = figures["The error layers.0.dh by lag"]
    assert falls["legend"][2] == ["other", f"median, {name}"]
    median = theirs["reach"]["falls"]["layers.0.dh"]["median"]
    least = mine["reach"]["falls"]["layers.0.dh"]["median"][0] * 1e-8
    expected = [each for each in median if each >= least]
    assert drawn(falls, "other", log=True) == pytest.approx(expected, rel=0.05)
    assert "other" not in figures["The error layers.0.dc by lag"]["lines"], "a gru has none"
    worth = figures["What the state before a position is worth"]
    assert worth["legend"][1] == ["other", f"worth of the state, {name}"]
    loss = figures["Loss by window"]
    assert [each for _, each in loss["legend"][2:]] == [f"training, {name}", f"validation, {name}"]
    assert drawn(loss, "other") == pytest.approx(theirs["run"]["curve"]["loss"], abs=0.01)

    symbols, costs, others = mine["text"]["passage"], mine["text"]["passage_losses"], theirs["text"]["passage_losses"]
    _, cost, difference = found["walked"]
    lines = [
        f"{json.dumps(each, ensure_ascii=False)}: {printed(loss)}" for each, loss in zip(symbols, costs, strict=True)
    ]
    assert cost == [*lines, lines[-1], lines[0], lines[-1]]
    for n, line in enumerate(difference[: len(symbols)]):
        more = printed(costs[n] - others[n])
        assert line.endswith(f": {more}: here {printed(costs[n])}, with the other run {printed(others[n])}")
    for n, colour in enumerate(found["colours"][2]):
        *rgb, alpha = map(float, re.findall(r"[\d.]+", colour))
        more = costs[n] - others[n]
        expected = min(0.75, 0.375 * abs(more))
        assert alpha == pytest.approx(expected, abs=0.01) if expected > 0.01 else not alpha or alpha < 0.02
        assert rgb == ([196, 45, 30] if more >= 0 else [20, 110, 180]) or expected < 0.01


@pytest.mark.parametrize(
    ("fingerprint", "why"), [("another", "their corpora differ"), ("", "they begin at other places")]
)
def test_runs_that_read_no_passage_in_common(report: Report, other: Report, tmp_path: Path, fingerprint: str, why: str):
    """Or measured nothing: the sentence says why, and nothing of it is drawn."""
    text = other.panels["text"]
    shifted = replace(text, numbers={**text.numbers, "passage": text.numbers["passage"][1:]})
    nothing = Panel("none", "not measured: <b>", {})
    panels = {**other.panels, "text": shifted, "window": nothing, "run": nothing}
    changed = replace(other, panels=panels, fingerprint=fingerprint or report.fingerprint)
    path = tmp_path / "apart.html"
    path.write_bytes(page_of(report, changed))
    seen = look(path, DRAWN, tmp_path, width=400, dark=True)
    assert seen.said == [] and len(seen.answer["walked"]) == 2
    assert seen.width is not None and seen.width[0] <= seen.width[1]
    told = f"The two runs read no passage in common, {why}: there is no difference to show."
    assert seen.answer["notes"][-1] == told
    assert seen.answer["sections"]["window"][0] == f"none{other.run}: not measured: <b>"
    assert len(seen.answer["figures"]["Loss by window"]["legend"]) == 2
