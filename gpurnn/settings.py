"""What a setting may be: declared with the fields of a configuration, and checked in this one place.

A field's annotation says it all: `lanes: Count = 32`. An `int` is a whole number, a `float` any finite number, a `str`
a text, a `tuple[str, ...]` a list of texts, a `tuple[float, ...]` one of finite numbers; `Annotated[float, Rule(...)]`
has a rule besides, and `| None` allows None.

A setting has one name: that of its field, which is that of its option on the command line. Where files hold it under
another key, one that the field had before, `renamed` says so beside the class.
"""

from __future__ import annotations

import functools
import math
import operator
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, is_dataclass
from numbers import Real
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from gpurnn.exceptions import UsageError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Rule:
    """What a number has to be besides its type. expected: in words. holds: whether a value is that."""

    expected: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class OneOf:
    """A text that is among `choices`, as they are then; or one of `others`, which a message does not name."""

    choices: Collection[str]
    others: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """In words."""
        return f"one of {', '.join(self.choices)}"

    def holds(self, value: str) -> bool:
        """Whether `value` is one of them."""
        return value in self.choices or value in self.others


_STORED = Rule("less than 2**63", lambda n: n < 2**63)  # the header of a checkpoint holds no more
Size = Annotated[int, Rule("at least 1", lambda n: n >= 1)]
Count = Annotated[Size, _STORED]
Natural = Annotated[int, Rule("0 or more", lambda n: n >= 0), _STORED]
Seed = Annotated[int, Rule("0 or more and less than 2**63", lambda n: 0 <= n < 2**63)]
NotNegative = Annotated[float, Rule("0 or more", lambda x: x >= 0)]
Positive = Annotated[float, Rule("a value above 0", lambda x: x > 0)]
Share = Annotated[float, Rule("0 <= value <= 1", lambda x: 0 <= x <= 1)]
BelowOne = Annotated[float, Rule("0 <= value < 1", lambda x: 0 <= x < 1)]
Factor = Annotated[float, Rule("0 < value <= 1", lambda x: 0 < x <= 1)]


def checked(name: str, kind: Any, value: Any) -> Any:
    """`value` as the plain Python value that `kind`, an annotation as above, asks for.

    name: of the setting, for the message. Numbers of NumPy become Python's. Raises UsageError where it is not one.
    """
    base, rules, optional = _parts(kind)
    if value is None and optional:
        return None
    try:
        plain = _PLAIN[base](value) if base in _PLAIN else _instance(base, value)
    except (TypeError, OverflowError):
        found = " ".join(repr(value).split())  # an array has lines
        raise UsageError(f"{name}: expected {_named(base)}, found {found:.60}") from None
    finite = all(not isinstance(each, float) or math.isfinite(each) for each in _each(plain))
    for rule in rules:
        if not (finite and rule.holds(plain)):
            more = "" if finite else "; it has to be finite"
            raise UsageError(f"{name}: expected {rule.expected}, found {plain!r:.60}{more}")
    if not finite:
        raise UsageError(f"{name}: expected a finite number, found {plain}")
    return plain


def expect_kind(name: str, kind: type, value: Any) -> None:
    """Raises UsageError that names it unless `value` is of this class. Quick, for what is looked at in each window."""
    if not isinstance(value, kind):
        raise UsageError(f"{name}: expected {_named(kind)}, found {type(value).__name__}")


def check_fields(config: Any) -> None:
    """Make every field of a configuration, a frozen dataclass, what its annotation asks for; from `__post_init__`.

    Raises UsageError that names the first that is not.
    """
    for name, kind in field_kinds(type(config)).items():
        object.__setattr__(config, name, checked(name, kind, getattr(config, name)))


def field_kinds(config: type) -> dict[str, Any]:
    """What each field of a configuration may be, by its name."""
    return get_type_hints(config, include_extras=True)


def choices_of(kind: Any) -> Collection[str] | None:
    """The table of the values that there are, where there is one."""
    return next((rule.choices for rule in _parts(kind)[1] if isinstance(rule, OneOf)), None)


def base_of(kind: Any) -> type:
    """The type that an annotation asks for: `int`, `float`, `str`, `tuple` or a class."""
    base = _parts(kind)[0]
    return get_origin(base) or base


def renamed(**former: str) -> Callable[[type[_T]], type[_T]]:
    """What decorates a configuration, a dataclass, some of whose fields had another name: `former_name="name"`.

    Files hold such a field under its former name, see `keys_of`. As keyword and as attribute the former name works too,
    with a DeprecationWarning; where both are given, as by `dataclasses.replace`, the former one counts.
    """

    def decorate(config: type[_T]) -> type[_T]:
        initialise = vars(config)["__init__"]

        @functools.wraps(initialise)
        def __init__(self: Any, *values: Any, **given: Any) -> None:
            for name in former.keys() & given.keys():
                _warn_of(name, former[name])
                given[former[name]] = given.pop(name)
            initialise(self, *values, **given)

        setattr(config, "__init__", __init__)  # noqa: B010 - mypy refuses the plain assignment
        for name, now in former.items():
            setattr(config, name, _Former(name, now))
        return config

    return decorate


class _Former:
    """A field, or its default, by the name that it had."""

    def __init__(self, name: str, now: str) -> None:
        self.name, self.now = name, now

    def __get__(self, config: Any, kind: type) -> Any:
        _warn_of(self.name, self.now)
        return getattr(kind if config is None else config, self.now)


def _warn_of(name: str, now: str) -> None:
    warnings.warn(f"{name} is now called {now}", DeprecationWarning, stacklevel=3)


def keys_of(config: type) -> dict[str, str]:
    """The key under which files hold each field of a configuration, by the field's name."""
    former = {each.now: each.name for each in vars(config).values() if isinstance(each, _Former)}
    return {field.name: former.get(field.name, field.name) for field in fields(config)}


def stored(config: Any) -> dict[str, Any]:
    """A configuration as files hold it: a dictionary of plain values, and of such dictionaries, by key."""
    values = {key: getattr(config, name) for name, key in keys_of(type(config)).items()}
    return {key: stored(value) if is_dataclass(value) else value for key, value in values.items()}


def _parts(kind: Any) -> tuple[type, tuple[Rule | OneOf, ...], bool]:
    """Its type, its rules, and whether None will do."""
    others = [each for each in get_args(kind) if each is not type(None)]
    optional = get_origin(kind) is not Annotated and len(others) < len(get_args(kind))
    if optional:
        (kind,) = others
    if get_origin(kind) is Annotated:
        base, *rules = get_args(kind)
        return base, tuple(rules), optional
    return kind, (), optional


def _whole(value: Any) -> int:
    if isinstance(value, (bool, np.bool_)):
        raise TypeError
    return operator.index(value)


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError
    return bool(value)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise TypeError
    return tuple(value)


def _reals(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return tuple(map(_real, value))


def _each(plain: Any) -> tuple[Any, ...]:
    return plain if isinstance(plain, tuple) else (plain,)


def _instance(base: type, value: Any) -> Any:
    if not isinstance(value, base):
        raise TypeError
    return value


_TEXTS: Any = tuple[str, ...]
_REALS: Any = tuple[float, ...]
_PLAIN: dict[Any, Callable[[Any], Any]] = {int: _whole, float: _real, bool: _flag, _TEXTS: _texts, _REALS: _reals}


def _named(base: type) -> str:
    article = "an" if base.__name__[0] in "AEIOUaeiou" else "a"
    named: dict[Any, str] = {int: "a whole number", float: "a finite number", bool: "True or False", str: "a text"}
    named |= {_TEXTS: "a list of texts", _REALS: "a list of finite numbers"}
    return named.get(base, f"{article} {base.__name__}")
