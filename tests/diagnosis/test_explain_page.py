"""The learner's page as a file, from the command line, and in a browser."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gpurnn.cli.main import main
from gpurnn.diagnosis.explain.formulas import evaluated, look_up, printed
from gpurnn.diagnosis.explain.pages import data_of, explain
from gpurnn.diagnosis.explain.story import SEEDS, Story
from gpurnn.exceptions import UsageError

from .browser import dumped, look

HOSTILE = "</script><!--&\u2028\u2029'\""
"""As a text; every symbol of it is shown."""


@cache
def page_of(cell: str) -> bytes:
    return explain(Story(cell=cell))


@cache
def numbers_of(cell: str) -> dict[str, Any]:
    return data_of(Story(cell=cell))


def embedded(page: bytes) -> dict[str, Any]:
    """The data in a page."""
    found = re.search(rb'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.mark.parametrize("cell", list(SEEDS))
def test_a_page_is_one_file_that_allows_only_itself(cell: str):
    page = page_of(cell)
    text = page.decode("utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; ")
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    *_, script = re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)
    for directive, part in (("style-src", style), ("script-src", script)):
        digest = b64encode(sha256(part.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert text.count("<script") == text.count("</script>") == 2
    assert not re.search(
        r"""(src|href|style)=|@import|url\((?!#)|\bon\w+=""", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    )
    assert embedded(page) == json.loads(json.dumps(numbers_of(cell)))


def luminance(colour: str) -> float:
    """Of #rrggbb, as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(scheme: int):
    """By 4.5 to 1, what WCAG 2 asks for, in both colour schemes."""
    style = re.findall(r"<style>(.*?)</style>", page_of("simple").decode(), re.DOTALL)[0]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", style.split(":root {")[1 + scheme]))
    kinds = ("state", "error", "gradient")
    pairs = [(kind, back) for kind in kinds for back in (f"{kind}-back", "paper", "mark")]
    pairs += [(text, back) for text in ("ink", "faint") for back in ("paper", "box")]
    pairs += [("faint", f"{kind}-back") for kind in kinds]
    for text, back in pairs:
        light, dark = sorted((luminance(colours[text]), luminance(colours[back])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5, (text, back)


def test_the_largest_page_is_below_a_megabyte():
    assert len(explain(Story("abcdefghijklm", "lstm", 3, 6))) < 1 << 20


def test_a_hostile_text_stays_data():
    story = Story(HOSTILE, bptt=6)
    page = explain(story)
    text = page.decode("utf-8")
    assert text.count("</script>") == 2 and "<!--" not in text
    assert "\u2028" not in text and "\u2029" not in text
    assert embedded(page)["text"][:4] == ["<", "/", "s", "c"]
    shown = Story("ab\u2028\n\t \x00cd", bptt=3).shown
    assert shown == ["a", "b", "U+2028", "↵", "⇥", "␣", "U+0000", "c", "d"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"text": "hello"},
            "text: expected at least 6 symbols for a window of 4 steps and one step beyond its seam, found 5",
        ),
        ({"text": b"\xff"}, "text: expected a text, found b'\\xff'"),
        ({"cell": "transformer"}, "cell: expected one of simple, lstm, gru, found 'transformer'"),
        ({"hidden": 4}, "hidden: expected from 1 to 3"),
        ({"bptt": 0}, "bptt: expected from 1 to 6"),
    ],
)
def test_what_is_refused(given: dict[str, Any], told: str):
    with pytest.raises(UsageError) as raised:
        Story(**given)
    assert str(raised.value).startswith(told)


def call(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["explain", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert call() == (
        0,
        "bptt.html: 8 steps in windows of 4; the last 2 symbols are left out; open it in a browser\n",
        "",
    )
    page = (tmp_path / "bptt.html").read_bytes()
    assert page == page_of("simple")
    code, out, told = call("--cell", "gru")
    assert (code, out) == (1, "")
    assert told == "gpurnn: cannot write bptt.html: it exists; give another name or --force to replace it\n"
    assert (tmp_path / "bptt.html").read_bytes() == page
    assert call("--cell", "gru", "--text", r"a\nb abab", "--force")[0] == 0
    assert embedded((tmp_path / "bptt.html").read_bytes())["text"][:2] == ["a", "↵"]
    code, _, told = call("--text", "abc", "-o", "other.html")
    assert code == 2 and told.endswith("give a longer --text, or lower --bptt\n")
    assert call("-o", "nowhere/page.html")[0] == 1
    assert call("-o", "-")[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["bptt.html"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gpurnn.files.durable.os.write", full)
    code, _, told = call("-o", str(tmp_path / "page.html"))
    assert code == 1 and "No space left on device" in told
    assert list(tmp_path.iterdir()) == []


def test_the_page_is_in_what_is_installed(tmp_path: Path):
    """Its parts are no Python: they have to be named as data of the package."""
    root = Path(__file__).resolve().parents[2]
    listed = (
        "from setuptools import Distribution as D; d = D(); d.parse_config_files(); print(*d.package_data['gpurnn'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", listed], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()
    package = root / "gpurnn"
    data = {path for pattern in found for path in package.glob(pattern)}
    assert {path.name for path in data} >= {
        "page.html",
        "page.css",
        "numbers.js",
        "table.js",
        "picture.js",
        "walk.js",
        "cut.js",
    }


_EVERY_VIEW = """(() => {
  const found = {}, document_ = document.getElementById("document");
  for (const begins of [false, true]) for (const mode of ["training", "same", "whole"]) {
    if (document_.checked !== begins) document_.click();
    document.querySelector(`input[value=${mode}]`).click();
    found[mode + (begins ? 1 : 0)] = [...document.querySelectorAll(".n")].map((each) => {
      each.click();
      return [each.dataset.name, each.textContent, document.getElementById("formula").textContent];
    });
  }
  return found;
})()"""
"""In each view every number on the page: its name, how it is printed, and the formula that is shown of it."""


@pytest.mark.parametrize("cell", list(SEEDS))
def test_every_number_and_formula_in_a_browser(cell: str, tmp_path: Path):
    """Those of the data to the digits that are shown, and each formula comes to what stands behind it."""
    page = tmp_path / "page.html"
    page.write_bytes(page_of(cell))
    seen = look(page, _EVERY_VIEW, tmp_path)
    assert (seen.said, seen.asked) == ([], [page.as_uri()])
    for name, view in numbers_of(cell)["views"].items():
        names = {key for key, _, _ in seen.answer[name]}
        assert {key.split(".")[0] for key in names} >= view["values"].keys() - {"cut_h", "cut_c"}
        for key, shown, formula in seen.answer[name]:
            value = look_up(view["values"], key)
            assert shown == printed(value).replace("-", "−")
            left, _, right = formula.rpartition(" = ")
            assert right == shown
            if left:
                assert printed(evaluated(left, str)) == printed(value), (key, formula)


_WALK = """(() => {
  const by = (id) => document.getElementById(id), seen = () => document.querySelectorAll(".n:not(.hidden)").length;
  const all = seen(), told = {};
  by("first").click();
  told.first = [seen() < all, by("formula").textContent, by("place").textContent];
  by("next").click();
  told.next = [by("what").textContent, by("place").textContent];
  by("group").click();
  told.group = by("what").textContent;
  by("guess").checked = true;
  by("next").click();
  told.asked = [by("what").textContent, by("formula").textContent, by("answer").hidden, document.activeElement.id];
  by("guessed").value = "7";
  by("answer").requestSubmit();
  told.wrong = [by("verdict").textContent, by("answer").hidden];
  by("all").click();
  told.all = [seen() === all, by("place").textContent];
  const dh = document.querySelector('.n[data-name="dh.2.1"]');
  dh.click();
  const pressed = (key) => new KeyboardEvent("keydown", { key, bubbles: true });
  const key = (name) => document.activeElement.dispatchEvent(pressed(name));
  dh.focus();
  key("ArrowRight");
  told.right = document.activeElement.dataset.name;
  key("ArrowDown");
  told.down = document.activeElement.dataset.name;
  told.stops = document.querySelectorAll('.n[tabindex="0"]').length;
  told.used = [...document.querySelectorAll(".n.used")].map((each) => each.dataset.name).sort();
  told.named = document.querySelectorAll(".n:not([aria-label])").length;
  return told;
})()"""


@pytest.mark.parametrize(("width", "dark"), [(1340, False), (400, True)])
def test_walking_through_in_a_browser(width: int, dark: bool, tmp_path: Path):
    page = tmp_path / "page.html"
    page.write_bytes(page_of("simple"))
    seen = look(page, _WALK, tmp_path, width=width, dark=dark, keep="page.png")
    assert (seen.said, seen.asked) == ([], [page.as_uri()])
    assert seen.width == (width, width)
    assert (tmp_path / "page.png").stat().st_size > 10_000
    values = numbers_of("simple")["views"]["training0"]["values"]
    told = seen.answer
    assert told["first"][0] and told["first"][1].endswith(f" = {printed(values['a'][0][0])}".replace("-", "−"))
    assert told["next"] == ["a(0), unit 2: a state", told["next"][1]]
    assert told["next"][1].startswith("2 of ")
    assert told["group"] == "h(0), unit 2: a state"
    assert told["asked"][0] == "o(0) of h: a state" and told["asked"][1].endswith(" = ?")
    assert told["asked"][2:] == [False, "guessed"]
    assert told["wrong"] == ["Not quite: you said 7.0000. 0 of 1 so far.", True]
    assert told["all"][0] and told["all"][1].startswith("all ")
    assert (told["right"], told["down"]) == ("dh.3.1", "da.3.0")
    assert (told["stops"], told["named"]) == (1, 0)
    assert told["used"] == ["dh.3.0", "h.3.0"]


def test_a_hostile_text_in_a_browser(tmp_path: Path):
    """The page stands, with the text as text. It needs no more than Chromium."""
    page = tmp_path / "page.html"
    page.write_bytes(explain(Story(HOSTILE, bptt=6)))
    found = dumped(page, tmp_path)
    assert "“&lt;/script&gt;&lt;!-" in found
    names = re.findall(r'data-name="([^"]+)"[^>]*>([^<]*)<', found)
    values = data_of(Story(HOSTILE, bptt=6))["views"]["training0"]["values"]
    assert len(names) > 500
    for name, shown in names:
        assert shown == printed(look_up(values, name)).replace("-", "−")
