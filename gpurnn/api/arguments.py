"""What the functions of the front door do with what they are given: names of keywords, flags, callbacks, paths."""

from __future__ import annotations

import difflib
import functools
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from gpurnn.exceptions import UsageError, shell_word
from gpurnn.settings import checked

_P = ParamSpec("_P")
_R = TypeVar("_R")

AnyPath = str | os.PathLike[str]
"""A path, or what has one: what `gpurnn.prepare` and `gpurnn.train` return."""


def known_keywords(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A decorator: a keyword that the function does not have is a UsageError, which names the nearest one.

    So is, before anything is done, what is not True or False where a `bool` is declared, and what cannot be called
    where a `Callable` is. None is never refused here.
    """
    names = list(inspect.signature(function).parameters)
    kinds = functools.cache(lambda: get_type_hints(function))  # when it is first called: not while this is imported

    @functools.wraps(function)
    def called(*arguments: _P.args, **keywords: _P.kwargs) -> _R:
        for name in keywords:
            if name not in names:
                raise UsageError(_unknown(function.__name__, name, names))
        for name, value in (*zip(names, arguments, strict=False), *keywords.items()):
            if value is not None and name in kinds():
                _expect(name, kinds()[name], value)
        return function(*arguments, **keywords)

    return called


def _expect(name: str, kind: Any, value: object) -> None:
    alternatives = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if bool in alternatives:
        checked(name, bool, value)
    elif any(get_origin(each) is Callable for each in alternatives) and not callable(value):
        raise UsageError(f"{name}: expected a function, found {type(value).__name__}")


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


def path_of(name: str, value: object, *, file: bool = False) -> Path:
    """A path that was given. name: of the argument. file: it is to be that of a file, not of a folder.

    Raises UsageError for what is none, for an empty one, and for one that no file can have.
    """
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"{name}: expected a path, found {type(value).__name__}")
    path = os.fsdecode(value)
    if not path:
        raise UsageError(f"{name}: expected a path, found an empty one")
    if "\0" in path:
        raise UsageError(f"{name}: expected a path, found one with a NUL in it")
    if file and path.endswith("/"):
        raise UsageError(f"{name}: {shell_word(path)} is the name of a folder, since it ends with /; name a file")
    return Path(path)
