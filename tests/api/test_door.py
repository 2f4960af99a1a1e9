"""What `import gpurnn` gives: functions and the shim, none of them loaded before it is used."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import gpurnn
from gpurnn.exceptions import UsageError

LOADED = """
import json, sys, gpurnn
rooms = [name for name in sys.modules if name.split(".")[0] in ("numpy", "cupy", "click", "h5py")]
rooms += [name for name in sys.modules if name.startswith("gpurnn.")]
print(json.dumps([rooms, dir(gpurnn), gpurnn.backend.__name__, "cupy" in sys.modules]))
"""


def test_importing_loads_nothing_and_says_what_there_is():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    rooms, names, shim, cupy = json.loads(done.stdout)
    assert (rooms, shim, cupy) == ([], "gpurnn.backend", False)
    assert set(gpurnn.__all__) <= set(names)


@pytest.mark.parametrize("name", [name for name in gpurnn.__all__ if name != "backend"])
def test_each_function_says_what_its_keywords_mean(name: str):
    function = getattr(gpurnn, name)
    text = inspect.getdoc(function)
    for keyword in inspect.signature(function).parameters:
        assert f"\n{keyword}: " in text


def test_a_name_that_there_is_not():
    with pytest.raises(AttributeError, match="module 'gpurnn' has no attribute 'lode'"):
        gpurnn.lode  # noqa: B018


def test_an_unknown_keyword_names_the_nearest_one():
    for call, message in (
        (lambda: gpurnn.load("run", devise="cpu"), r"load: there is no keyword devise; did you mean device\?"),
        (lambda: gpurnn.prepare("a", "b", min_counts=2), r"prepare: .* min_counts; did you mean min_count\?"),
        (lambda: gpurnn.evaluate("run", q=2), "evaluate: there is no keyword q; help says which there are"),
    ):
        with pytest.raises(UsageError, match=message):
            call()


def test_what_is_no_flag_and_no_function():
    """Whatever it is, it would be true, or be called after the first window."""
    for call, message in (
        (lambda: gpurnn.prepare("a", "b", force="no"), "force: expected True or False, found 'no'"),
        (lambda: gpurnn.prepare("a", "b", lower=2), "lower: expected True or False, found 2"),
        (lambda: gpurnn.prepare("a", "b", on_progress=5), "on_progress: expected a function, found int"),
        (lambda: gpurnn.train("a", "b", tf32="yes"), "tf32: expected True or False, found 'yes'"),
        (lambda: gpurnn.train("a", "b", on_window="show"), "on_window: expected a function, found str"),
        (lambda: gpurnn.train(resume="a", allow_inexact="no"), "allow_inexact: expected True or False, found 'no'"),
        (lambda: gpurnn.train("a", "b", no_graph=[]), r"no_graph: expected True or False, found \[\]"),
    ):
        with pytest.raises(UsageError, match=f"^{message}$"):
            call()


def test_what_is_no_path():
    for call, message in (
        (lambda: gpurnn.load(3), "source: expected a path, found int"),
        (lambda: gpurnn.evaluate(object()), "run: expected a path, found object"),
        (lambda: gpurnn.load("run", checkpoint=2), "checkpoint: expected a path, found int"),
        (lambda: gpurnn.load(""), "source: expected a path, found an empty one"),
        (lambda: gpurnn.prepare(["a.txt", None], "b.h5"), "texts: expected a path, found NoneType"),
        (lambda: gpurnn.prepare("a.txt", ""), "output: expected a path, found an empty one"),
        (lambda: gpurnn.load("run", checkpoint=""), "checkpoint: expected a path, found an empty one"),
        (lambda: gpurnn.prepare("a\0.txt", "b.h5"), "texts: expected a path, found one with a NUL in it"),
        (lambda: gpurnn.prepare("a.txt", "new/"), "output: new/ is the name of a folder, since it ends with /; name a"),
    ):
        with pytest.raises(UsageError, match=message):
            call()
