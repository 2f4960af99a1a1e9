"""Work goes to the device of its backend, whatever the current device of the calling thread was."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import isfunction
from typing import Any, TypeVar

import cupy

_Class = TypeVar("_Class", bound=type)


def on_own_device(made: _Class) -> _Class:
    """The class `made`, whose public methods now begin by making a device the calling thread's current one.

    So do callables that they return, but those that were given to them. `self.number` names the device.
    """
    for name in dir(made):
        method = getattr(made, name)
        if isfunction(method) and not name.startswith("_"):
            setattr(made, name, _method(method))
    return made


class OnOwnDevice:
    """The attribute `xp` of a backend: who asks for CuPy works on the backend's device next."""

    def __get__(self, be: Any, owner: type) -> Any:
        if be is not None:
            _use(be.number)
        return cupy


def _use(number: int) -> None:
    if cupy.cuda.runtime.getDevice() != number:
        cupy.cuda.runtime.setDevice(number)


def _method(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        _use(self.number)
        found = method(self, *arguments, **named)
        if callable(found) and not any(found is given for given in arguments):
            return _returned(found, self.number)
        return found

    return call


def _returned(work: Callable[..., Any], number: int) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        _use(number)
        return work(*arguments)

    return call
