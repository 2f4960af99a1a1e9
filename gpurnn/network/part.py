"""A part of a network: what it declares, what it does in a window, and what it does in one step of one lane.

Inputs, layers and heads are parts; a network is a list of them, each of which reads the signal of the one before. A
start belongs to a layer. Nobody but a part knows its fields, its parameters, its buffers or what it computes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from functools import cached_property
from types import MappingProxyType
from typing import Any

from gpurnn.backend import Array, Backend
from gpurnn.fields import Field
from gpurnn.network.batch import Batch
from gpurnn.network.params import Params, Spec
from gpurnn.network.signal import Call, Rows, Signal, Symbols

Named = Mapping[str, Array]
"""Arrays of a part by their short names: the parameter "layers.0.W" is "W"."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Declared:
    """What every part says of itself.

    name: no other part of the network has it; its parameters are called `name` and "." and their own name.
    kind: what it is, for people and for what fits what: its name in its table, or that of the cell in it.
    fields: of a window, that it reads.
    """

    name: str
    kind: str
    fields: tuple[Field, ...] = ()

    def specs(self) -> list[Spec]:
        """Its parameters, by their whole names; their order is that of initialisation."""
        return []


class Part(Declared, ABC):
    """One link of the chain from input to loss. It holds no array; `bind` makes those that a window needs.

    inputs, outputs: widths of the rows that it reads and hands on; 0: it reads no rows, or hands on none.
    states: what it carries from step to step, widths by name.
    """

    inputs: int
    outputs: int
    states: Mapping[str, int] = _NOTHING

    @property
    def step_fields(self) -> tuple[Field, ...]:
        """Those of its fields that `step` reads."""
        return self.fields

    def first(self, value: Named) -> Named:
        """The states of a sequence of which nothing was read yet: arrays that broadcast to (B, ...) by state name.

        value: its parameters. States that it does not name are 0.
        """
        return {}

    @abstractmethod
    def bind(self, to: Binding, x: Signal) -> Pass:
        """Its buffers in a workspace, and what it does with them. x: what it reads. Allocates all that it needs."""

    @abstractmethod
    def step(self, lane: Lane, x: Signal) -> Signal:
        """Add the calls of one step of one lane to `lane`. x: one row that it reads; returns the row it hands on."""


class Pass:
    """What a part does in each window of a workspace. This class itself hands on what it reads.

    part: whose. y: what it hands on. states: by name, (T+1, B, ...), with what is carried in slot 0.
    d_last: errors at the last slot by state name, from the window after this one; None: 0.
    """

    states: Named = _NOTHING
    d_last: Named | None = None

    def __init__(self, part: Part, y: Signal) -> None:
        self.part, self.y = part, y

    def encode(self, batch: Batch) -> None:
        """What follows from the sources or the vectors of a window alone, before any step."""

    def forward(self, batch: Batch) -> None:
        """y and the states after slot 0, from what it reads."""

    def backward(self, batch: Batch) -> None:
        """Its gradients, overwritten, and the error of what it read, from y's error, which may be used up."""

    @property
    def d_first(self) -> Named:
        """The errors at slot 0 that `backward` has left, what would cross the seam: by state name, (B, ...)."""
        return {}

    def watch(self) -> None:
        """From now on keep in each window what `Workspace.watch` says."""

    def activations(self) -> dict[str, Array]:
        """After `forward`: gates and states after each step of the window, (steps, B, H), by their names.

        Gates are gone after `backward` unless it is watched.
        """
        return {}

    def errors_at(self, t: int, dy: Array | None) -> tuple[dict[str, Array], Array | None]:
        """After `backward`: the errors of step t by name, and that of what it read then.

        dy: (B, E), of y(t), read only; None: nothing comes from above. Changes nothing.
        """
        return {}, dy

    def gradients_at(self, t: int, dy: Array | None, gradient: Named) -> None:
        """gradient: each of its parameters' (∂J/∂θ)(t), overwritten. dy: as for `errors_at`."""


class Binding:
    """What a part needs to make its buffers in a workspace for up to T steps of B lanes.

    real: the dtype of every real array. lanes, steps, source, sequences: B, T, S, N; rows: T B. labels: of the longest
    string. train: whether there is a backward pass. seed: of all draws.
    encoded: what the encoder hands on, (S B, E), and its error, to which whoever reads it adds; None: there is none.
    """

    encoded: Rows | None = None

    def __init__(self, be: Backend, params: Params | _Within, batch: Batch, *, train: bool, seed: int) -> None:
        self.be, self.real, self.batch, self.train, self.seed = be, params.values.dtype, batch, train, seed
        self.lanes, self.steps, self.source, self.sequences, _ = batch.sizes
        self.labels = batch.sizes.longest
        self.rows = self.lanes * self.steps
        self._params = params
        self._errors: dict[int, Array] = {}

    def within(self, part: Declared, batch: Batch) -> Binding:
        """For the parts that a part is made of, over a batch of its own. They draw by another seed."""
        params = _Within(self._params, part.name)
        return Binding(self.be, params, batch, train=self.train, seed=self.seed ^ 1 << 63)

    def of_rows(self, rows: int) -> Binding:
        """The same for arrays of so many rows instead of T B."""
        other = copy(self)
        other.rows = rows
        vars(other).pop("ones", None)
        return other

    def value(self, part: Declared) -> dict[str, Array]:
        """A part's parameters."""
        return of_part(part, self._params.value)

    def gradient(self, part: Declared) -> dict[str, Array]:
        """Their gradients."""
        return of_part(part, self._params.gradient)

    def empty(self, *shape: int) -> Array:
        """A real array."""
        return self.be.empty(shape, self.real)

    @cached_property
    def ones(self) -> Array:
        """(1, T B) ones: their product with rows is the sum of the rows."""
        ones = self.empty(1, self.rows)
        ones.fill(1)
        return ones

    def error(self, width: int) -> Array | None:
        """The error (T B, E) of what a part hands on, from above; None where there is no backward pass.

        There is one for each width, which all parts share: each reads it and then overwrites it for the one below.
        """
        if self.train and width not in self._errors:
            self._errors[width] = self.empty(self.rows, width)
        return self._errors.get(width)

    def beside(self, batch: Batch) -> Binding:
        """The same for another batch of the same size, with errors of its own."""
        other = copy(self)
        other.batch, other._errors = batch, {}
        return other

    def dense(self, value: Array, error: Array | None) -> Rows:
        """value (T B, E) as a signal."""
        return Rows(self.be, value, self.lanes, error)

    def symbols(self, field: Field) -> Symbols:
        """An index field as a signal of one-hot rows."""
        index, plan = self.batch.arrays[field.name], self.batch.plans.get(field.name)
        return Symbols(self.be, index, field.below, self.real, self.lanes, plan)


class _Within:
    """The parameters of the parts that a part is made of: by their names without that of the part."""

    def __init__(self, params: Params | _Within, name: str) -> None:
        self.values: Array = params.values
        self.value: Named = _named_within(name, params.value)
        self.gradient: Named = _named_within(name, params.gradient)


def _named_within(name: str, named: Named) -> dict[str, Array]:
    prefix = f"{name}."
    return {each.removeprefix(prefix): array for each, array in named.items() if each.startswith(prefix)}


class Lane:
    """One step of one lane as calls on fixed arrays: parts add theirs, and whoever makes text repeats them.

    arrays: of the fields that are read, (1,) or (1, F). before, after: of each part by its name, its states, (1, ...);
    those after the last step are what a step begins with.
    """

    def __init__(
        self,
        be: Backend,
        params: Params,
        arrays: Named,
        before: Mapping[str, Named],
        after: Mapping[str, Named],
    ) -> None:
        self.be, self.real = be, params.values.dtype
        self.arrays, self.before, self.after = arrays, before, after
        self.calls: list[Call] = []
        self._params = params

    def value(self, part: Declared) -> dict[str, Array]:
        """A part's parameters."""
        return of_part(part, self._params.value)

    def empty(self, *shape: int) -> Array:
        """A real array."""
        return self.be.empty(shape, self.real)

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Add a call."""
        self.calls.append(Call(function, arguments))

    def dense(self, value: Array) -> Rows:
        """One row, (1, E), as a signal."""
        return Rows(self.be, value, 1)

    def symbols(self, field: Field) -> Symbols:
        """An index field as a signal of one one-hot row."""
        return Symbols(self.be, self.arrays[field.name], field.below, self.real, 1, None)


def of_part(part: Declared, named: Named) -> dict[str, Array]:
    """A part's arrays by their short names, from those of all."""
    prefix = f"{part.name}."
    names = [spec.name for spec in part.specs()]
    return {name.removeprefix(prefix): named[name] for name in names}
