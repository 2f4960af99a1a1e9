"""What the functions of the front door do with what they are given: names of keywords, and paths."""

from __future__ import annotations

import difflib
import functools
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from gpurnn.exceptions import UsageError

_P = ParamSpec("_P")
_R = TypeVar("_R")

AnyPath = str | os.PathLike[str]
"""A path, or what has one: what `gpurnn.prepare` and `gpurnn.train` return."""


def known_keywords(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A decorator: a keyword that the function does not have is a UsageError, which names the nearest one."""
    names = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def called(*arguments: _P.args, **keywords: _P.kwargs) -> _R:
        for name in keywords:
            if name not in names:
                raise UsageError(_unknown(function.__name__, name, names))
        return function(*arguments, **keywords)

    return called


def declares(work: Callable[[Mapping[str, Any]], _R]) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """A decorator: the function only says which arguments there are; `work` is called with those that are given.

    For a function that has to know whether an argument was left out, though help() and editors show its default.
    """

    def declare(function: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def called(*arguments: _P.args, **keywords: _P.kwargs) -> _R:
            return work(signature.bind(*arguments, **keywords).arguments)

        return known_keywords(called)

    return declare


def _unknown(function: str, name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    advice = f"did you mean {near[0]}?" if near else "help says which there are"
    return f"{function}: there is no keyword {name}; {advice}"


def path_of(name: str, value: object) -> Path:
    """A path that was given. name: of the argument. Raises UsageError for what is none, and for an empty one."""
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"{name}: expected a path, found {type(value).__name__}")
    path = os.fsdecode(value)
    if not path:
        raise UsageError(f"{name}: expected a path, found an empty one")
    return Path(path)
