"""What a cell is: the pointwise part of one step, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpurnn.backend import Array, FusedOp, PersistentOp
from gpurnn.network.params import INITIALISERS

Within = Callable[[Any, Mapping[str, Array], Array, Mapping[str, Array]], dict[str, Array]]
"""Errors of states within a step: called with xp, gates and states by name, the error of h, and those of the others."""


@dataclass(frozen=True)
class Cell:
    """The pointwise part of a recurrent layer; it holds no weights and knows no time.

    name: as on the command line; gates: G, how many blocks of H columns U and W have.
    states: what is carried from step to step, the hidden state `h` first, then any number of others; each (B, H).
    forward, backward: fused operations whose argument names say which buffer they get:

    - `a` (B, GH): x U of this step before `forward`; the activated gates after it; the errors da after `backward`.
    - `r` (B, GH): h(t-1) W before `forward`. Where `apart`, it is kept for `backward`, which overwrites it with the
      errors of the recurrent projection; otherwise those are `a`.
    - `b` (GH,), and each of `biases` (H,): parameters.
    - each of `states` by its name, `h`, `c`, ...: after the step; with `_prev`, `h_prev`, `c_prev`, ...: before it.
    - each of `saved` (B, H): kept from `forward` for `backward`.
    - `dh_out` (B, H): error of h(t) from above; `dh_rec` (B, H): from da(t+1) W^T.
    - `e_` and the name of a state, `e_c`, ... (B, H): the error of that state that goes back beside W; it comes from
      the step after, and `backward` overwrites it with that of the state before. h has one where it reaches h(t)
      past the gates, as in the GRU; every other state has one.

    persistent: both passes over all steps of a window in one launch, None without; see `PersistentOp`.
    gate_names: of the blocks of `a` after `forward`, for looking; without, they are gate0, gate1, ...
    within: for looking, the whole errors of the other states of step t: from those that step t+1 has left, and from the
    whole error of h(t), which follows from them; None: nobody knows. All (B, H).
    `forward` takes `a`, `r`, `b` and all biases, and writes all states and what is saved. `backward` takes `dh_out` and
    `dh_rec`, and writes `a`, each `e_` and, where `apart`, `r`.
    Raises ValueError for an argument that is none of these, of another shape, missing, or written where it may not be;
    for a state whose error would be lost; for one name of two arrays.
    """

    name: str
    gates: int
    states: tuple[str, ...]
    forward: FusedOp
    backward: FusedOp
    apart: bool = False
    biases: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    recurrent_init: str = "uniform"
    forget_gate: bool = False
    persistent: tuple[PersistentOp, PersistentOp] | None = None
    gate_names: tuple[str, ...] = ()
    within: Within | None = None

    def __post_init__(self) -> None:
        self._check_parts()
        previous, errors = [f"{name}_prev" for name in self.states], [f"e_{name}" for name in self.states]
        shared, kept = ["b", *self.biases], ["a", *self.states, *self.saved]
        given = ["r", *shared, *previous]
        from_after = ["dh_out", "dh_rec"]
        names = [*kept, *given, *from_after, *errors, "U", "W"]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"cell {self.name}: {', '.join(twice)}: expected a name for each array, found two with one"
            )
        apart = ["r"] if self.apart else []
        self._check_op(self.forward, kept + given, ["a", "r", *shared], [*self.states, *self.saved], ["a", *apart])
        for name in self.states[1:]:
            if name not in self.errors:
                raise ValueError(f"cell {self.name}: {self.backward.name}: state {name} needs an argument e_{name}")
        left = ["a", *apart, *(f"e_{name}" for name in self.errors)]
        self._check_op(self.backward, [*kept, *given, *from_after, *errors], from_after, left)

    def _check_parts(self) -> None:
        """What each field is, by itself."""

        def wrong(field: str, expected: str) -> ValueError:
            return ValueError(f"cell {self.name}: {field}: expected {expected}, found {getattr(self, field)!r}")

        if not isinstance(self.name, str) or not self.name:
            raise wrong("name", "a text")
        if type(self.gates) is not int or self.gates < 1:
            raise wrong("gates", "a whole number from 1 on")
        for field in ("states", "biases", "saved", "gate_names"):
            names = getattr(self, field)
            if not isinstance(names, tuple) or not all(isinstance(name, str) and name for name in names):
                raise wrong(field, "a tuple of names")
        if self.states[:1] != ("h",):
            raise wrong("states", "h first")
        if self.gate_names and len({*self.gate_names} - {*self.states}) != self.gates:
            raise wrong("gate_names", f"{self.gates} names that no state has")
        if self.recurrent_init not in INITIALISERS:
            raise wrong("recurrent_init", f"one of {', '.join(INITIALISERS)}")
        for field in ("forward", "backward"):
            if not isinstance(getattr(self, field), FusedOp):
                raise wrong(field, "a FusedOp")
        if self.persistent is not None and [type(op) for op in self.persistent] != [PersistentOp, PersistentOp]:
            raise wrong("persistent", "two PersistentOps or None")

    def _check_op(
        self, op: FusedOp, known: Sequence[str], reads: Sequence[str], writes: Sequence[str], may: Sequence[str] = ()
    ) -> None:
        """Its arguments are among `known`, of the shapes that those have; it has all of `reads`, and writes `writes`.

        may: what else it may write.
        """
        where = f"cell {self.name}: {op.name}:"
        wide = ("H", "1H") if self.gates == 1 else (f"{self.gates}H",)
        for name, argument in op.arguments.items():
            if name not in known:
                raise ValueError(f"{where} {name} is none of {', '.join(sorted(known))}")
            last = wide if name in ("a", "r", "b") else ("H", "1H")
            lanes = () if name in ("b", *self.biases) else ("B",)
            if argument.kind != "real" or argument.shape not in [(*lanes, size) for size in last]:
                found = f"{argument.shape} {argument.kind}"
                raise ValueError(f"{where} {name}: expected {(*lanes, last[0])} real, found {found}")
            if argument.written and name not in (*writes, *may):
                raise ValueError(f"{where} {name}: expected one that is not written")
        for name in (*reads, *writes):
            if name not in op.arguments or (name in writes and not op.arguments[name].written):
                raise ValueError(f"{where} {name}: expected among its arguments{', written' * (name in writes)}")

    @property
    def activated(self) -> tuple[str, ...]:
        """The names of the gates that `forward` leaves in `a`; none where it leaves `a` as it was."""
        if not self.forward.arguments["a"].written:
            return ()
        return self.gate_names or tuple(f"gate{number}" for number in range(self.gates))

    @property
    def errors(self) -> tuple[str, ...]:
        """The states whose errors go back beside W."""
        return tuple(name for name in self.states if f"e_{name}" in self.backward.arguments)
