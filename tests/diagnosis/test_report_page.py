"""The page of a report: one file that allows only itself, whose numbers are those of the report, in a real browser."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from gpurnn.diagnosis.doctor import PANELS
from gpurnn.diagnosis.report import Panel, Report
from gpurnn.diagnosis.reportpage import page_of

from .browser import dumped, look, printed
from .conftest import HOSTILE


@pytest.fixture(scope="module")
def page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "report.html"
    path.write_bytes(page_of(report))
    return path


def test_a_page_is_one_file_that_allows_only_itself(report: Report, page: Path):
    text = page.read_text("utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; ")
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    *_, script = re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)
    for directive, part in (("style-src", style), ("script-src", script)):
        assert f"{directive} 'sha256-{b64encode(sha256(part.encode()).digest()).decode()}'" in policy
    assert text.count("<script") == text.count("</script>") == 2
    assert "<img" not in text and "<!--" not in text and "\u2028" not in text
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None and json.loads(found[1]) == report.to_json()
    assert "".join(json.loads(found[1])["panels"]["text"]["numbers"]["passage"])[:200] in HOSTILE * 60
    assert len(text) < 1 << 20


SEEN = """(() => {
  const all = (inside, what) => [...inside.querySelectorAll(what)], text = (each) => each.textContent;
  const sections = (told) => Object.fromEntries(all(document, "section").map((each) => [each.id, told(each)]));
  return {
    sentences: sections((section) => text(section.querySelector(".sentence"))),
    levels: all(document, ".level").map(text),
    cells: sections((section) => all(section, "tbody tr").map((row) => [...row.children].map(text))),
    pictures: all(document, "svg").map((each) => each.getAttribute("aria-label")),
    passage: text(document.querySelector(".passage")),
    otherwise: all(document, "section .otherwise").map(text),
    images: document.images.length,
    links: all(document, "a").every((each) => document.querySelector(each.getAttribute("href"))),
  };
})()"""


@pytest.mark.parametrize("width", [1340, 400])
def test_what_a_browser_shows_is_the_report(report: Report, page: Path, tmp_path: Path, width: int):
    seen = look(page, SEEN, tmp_path, width=width, dark=width == 400)
    assert seen.said == [] and seen.asked == [page.as_uri()]
    assert seen.width is not None and seen.width[0] <= seen.width[1]
    found = seen.answer
    panels = report.to_json()["panels"]
    assert found["sentences"] == {name: panels[name]["sentence"] for name in PANELS}
    assert found["levels"] == [panels[name]["level"] for name in PANELS]
    assert found["images"] == 0 and found["links"]
    # three errors and the shares, two of windows, the state and what comes again, the loss
    assert len(found["pictures"]) == 9 and not found["otherwise"]
    numbers = {name: panel["numbers"] for name, panel in panels.items()}
    kept = numbers["window"]["kept"]
    names = ("share", "share_spread", "cosine", "cosine_spread", "missed", "missed_spread")
    rows = [[name, *(printed(of[each][3]) for each in names)] for name, of in kept.items()]
    assert found["cells"]["window"][: len(rows)] == rows
    falls = numbers["reach"]["falls"].items()
    told = ("beta", "half", "one_percent", "one_percent_of_few")
    assert found["cells"]["reach"][: len(falls)] == [[name, *(printed(of[e]) for e in told)] for name, of in falls]
    state = numbers["state"]
    assert found["cells"]["state"] == [
        [printed(each) for each in row] for row in zip(state["positions"], state["lost"], state["error"], strict=True)
    ]
    assert found["passage"].replace("↵", "") == "".join(numbers["text"]["passage"])


UNITS = """(() => {
  const all = (what) => [...document.querySelectorAll(`#units ${what}`)], text = (each) => each.textContent;
  const seen = () => {
    const told = document.querySelector("#units .told"), passage = document.querySelector("#units .passage");
    return all(".passage span").map((mark) => {
      passage.dispatchEvent(new KeyboardEvent("keydown", { key: mark === passage.firstChild ? "Home" : "ArrowRight" }));
      return [text(told), getComputedStyle(mark).backgroundColor];
    });
  };
  return {
    rows: all("[aria-label^='unit, '] tbody tr").map((row) => [...row.children].map(text)),
    names: all("label").map(text),
    passages: all("input").map((input) => { input.focus(), input.click(); return seen(); }),
    focus: document.activeElement === all("input").at(-1),
  };
})()"""


def test_the_passage_by_the_value_of_units_in_dark_mode(report: Report, page: Path, tmp_path: Path):
    seen = look(page, UNITS, tmp_path, dark=True)
    panels = report.to_json()["panels"]
    numbers, symbols = panels["units"]["numbers"], panels["text"]["numbers"]["passage"]
    rows = [
        [f"{each['name']} {each['unit']}", printed(each["unexplained"]), each["feature"], printed(each["correlation"])]
        for each in numbers["ranked"]
    ]
    assert seen.said == [] and len(rows) == 6 and seen.answer["rows"] == rows
    assert seen.answer["names"] == [row[0] for row in rows] and seen.answer["focus"]
    for values, passage in zip(numbers["passage_values"], seen.answer["passages"], strict=True):
        most = max(map(abs, values))
        for symbol, value, (told, colour) in zip(symbols, values, passage, strict=True):
            assert told == f"{json.dumps(symbol, ensure_ascii=False)}: {printed(value)}"
            *rgb, alpha = map(float, re.findall(r"[\d.]+", colour))
            strength = 0.75 * abs(value) / most
            assert alpha == pytest.approx(strength, abs=0.01)
            assert strength < 0.01 or rgb == ([220, 80, 60] if value > 0 else [50, 130, 210])


def test_on_paper_there_is_nothing_to_point_at(page: Path, tmp_path: Path):
    visible = """[...document.querySelectorAll("body *")].filter((each) => each.checkVisibility())
      .map((each) => each.closest("label, .passage, svg") ? "kept" : each.getAttribute("class") || each.localName)"""
    seen = look(page, visible, tmp_path, width=800, printed=True)
    shown = set(seen.answer)
    assert shown >= {"kept", "legend", "figcaption", "table", "fieldset", "footer"}
    assert not shown & {"nav", "a", "details", "summary", "rests", "told", "input"}


def test_a_report_with_nothing_measured(page: Path, tmp_path: Path):
    """Every panel says why; the page draws nothing and says nothing to the console. By what Chromium dumps."""
    panels = {name: Panel("none", f"not measured: {name} <b>", {}) for name in PANELS}
    path = tmp_path / "none.html"
    path.write_bytes(page_of(Report("run", "file", "", {}, "cpu", 1, panels)))
    drawn = dumped(path, tmp_path)
    for name in PANELS:
        assert f"not measured: {name} &lt;b&gt;" in drawn
