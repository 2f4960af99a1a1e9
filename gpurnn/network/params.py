"""Parameters: one flat block of values, one flat block of gradients, named views into both; initialisers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpurnn.backend import Array, Backend
from gpurnn.backend.checks import HOST
from gpurnn.exceptions import CheckpointError, UsageError
from gpurnn.settings import Seed, checked, expect_kind

_ALIGN = 16  # elements: each view starts at a multiple, so that vector loads are aligned


@dataclass(frozen=True)
class Spec:
    """One parameter.

    name: as in checkpoints; init: a key of `INITIALISERS`, or "zeros"; gates: blocks of columns, each drawn for itself;
    hidden: H, which scales the uniform initialiser; forget_bias: what the second block of an LSTM's b begins with.
    Raises UsageError for an initialiser that there is none of.
    """

    name: str
    shape: tuple[int, ...]
    init: str = "zeros"
    gates: int = 1
    hidden: int = 1
    forget_bias: float = 0.0

    def __post_init__(self) -> None:
        if self.init != "zeros" and self.init not in INITIALISERS:
            expected = ", ".join(("zeros", *INITIALISERS))
            raise UsageError(f"parameter {self.name}: init: expected one of {expected}, found {self.init!r:.60}")


class Params:
    """All parameters of a model and their gradients.

    values, gradients: flat arrays of (size,), matrices first: weight decay applies to `values[:matrix_size]`.
    value, gradient: views by name, in the order of the specs; the gaps between views stay 0.
    ready: whether the values were drawn or loaded; a model computes nothing before that.
    """

    def __init__(self, be: Backend, specs: list[Spec], dtype: Any) -> None:
        self.specs = specs
        self.size, self.matrix_size, offsets = _layout(specs)
        self.values = be.zeros((self.size,), dtype)
        self.gradients = be.zeros((self.size,), dtype)
        self.value = views(self.values, specs, offsets)
        self.gradient = views(self.gradients, specs, offsets)
        self._offsets = offsets
        self.ready = False

    @property
    def count(self) -> int:
        """How many numbers are learnt."""
        return sum(math.prod(s.shape) for s in self.specs)

    def named(self, flat: Array) -> dict[str, Array]:
        """Views by parameter name into another flat array of the same layout, such as an optimizer's moments."""
        return views(flat, self.specs, self._offsets)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: the views are made again, of the copy's arrays."""
        return {name: value for name, value in vars(self).items() if name not in ("value", "gradient")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.value, self.gradient = self.named(self.values), self.named(self.gradients)

    def with_values(self, flat: Array) -> Params:
        """The same parameters with other values, views of `flat` (size,); they share the gradients.

        Raises UsageError for an array of another kind.
        """
        own = self.values
        expect_kind("values", type(own), flat)
        if (flat.shape, flat.dtype) != (own.shape, own.dtype):
            raise UsageError(f"values: expected {own.shape} {own.dtype}, found {flat.shape} {flat.dtype}")
        other = copy.copy(self)
        other.values, other.value, other.ready = flat, self.named(flat), True
        return other

    def load(self, be: Backend, tensors: Mapping[str, np.ndarray], source: str) -> None:
        """Copy host tensors into the values; raises CheckpointError where one does not fit, and copies none then."""
        for spec in self.specs:
            if spec.name not in tensors:
                raise CheckpointError(f"{source}: no parameter {spec.name}; was it trained with other options?")
            found = tensors[spec.name]
            if not HOST.has(found) or found.dtype.kind not in "fiu":
                kind = f"{type(found).__name__} {getattr(found, 'dtype', '')}".strip()
                raise CheckpointError(f"{source}: {spec.name}: expected a NumPy array of real numbers, found {kind}")
            if found.shape != spec.shape:
                raise CheckpointError(
                    f"{source}: {spec.name}: expected {spec.shape}, found {found.shape}; "
                    "was it trained with other `hidden`, `embedding` or `cell`, or on another vocabulary?"
                )
        for spec in self.specs:
            be.from_host(np.array(tensors[spec.name], self.values.dtype), out=self.value[spec.name])
        self.ready = True

    def initialise(self, be: Backend, seed: int) -> None:
        """Draw all values: each parameter from its own generator, so that one does not depend on another's shape.

        Raises UsageError for a seed out of its range.
        """
        seed = checked("seed", Seed, seed)
        for number, spec in enumerate(self.specs):
            rng = np.random.default_rng([seed, number])
            host = np.zeros(spec.shape) if spec.init == "zeros" else _draw(rng, spec)
            if spec.forget_bias:
                hidden = spec.shape[0] // spec.gates
                host[hidden : 2 * hidden] = spec.forget_bias
            be.from_host(host.astype(self.values.dtype), out=self.value[spec.name])
        self.ready = True


def _layout(specs: list[Spec]) -> tuple[int, int, dict[str, int]]:
    """Total size, size of the part with the matrices, and each parameter's offset."""
    offsets: dict[str, int] = {}
    end = 0
    for spec in (s for s in specs if len(s.shape) > 1):
        offsets[spec.name] = end
        end += -(-math.prod(spec.shape) // _ALIGN) * _ALIGN
    matrix_size = end
    for spec in (s for s in specs if len(s.shape) == 1):
        offsets[spec.name] = end
        end += -(-math.prod(spec.shape) // _ALIGN) * _ALIGN
    return end, matrix_size, offsets


def views(flat: Array, specs: list[Spec], offsets: Mapping[str, int]) -> dict[str, Array]:
    """Named views of a flat array."""
    return {s.name: flat[offsets[s.name] : offsets[s.name] + math.prod(s.shape)].reshape(s.shape) for s in specs}


def _draw(rng: np.random.Generator, spec: Spec) -> np.ndarray:
    """Each gate's block of columns is drawn for itself."""
    rows, columns = spec.shape
    draw = INITIALISERS[spec.init]
    blocks = [draw(rng, rows, columns // spec.gates, spec.hidden) for _ in range(spec.gates)]
    return np.concatenate(blocks, axis=1)


def _uniform(rng: np.random.Generator, rows: int, columns: int, hidden: int) -> np.ndarray:
    """Uniform in ±1/sqrt(H)."""
    limit = 1 / math.sqrt(hidden)
    return rng.uniform(-limit, limit, (rows, columns))


def _glorot(rng: np.random.Generator, rows: int, columns: int, hidden: int) -> np.ndarray:
    """Uniform in ±sqrt(6 / (rows + columns)). Source: Glorot & Bengio 2010."""
    limit = math.sqrt(6 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns))


def _orthogonal(rng: np.random.Generator, rows: int, columns: int, hidden: int) -> np.ndarray:
    """Orthonormal rows or columns, whichever are fewer. Source: Saxe, McClelland & Ganguli 2014."""
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    return q if rows >= columns else q.T


def _identity(rng: np.random.Generator, rows: int, columns: int, hidden: int) -> np.ndarray:
    """Ones on the diagonal. Source: Le, Jaitly & Hinton 2015."""
    return np.eye(rows, columns)


def _normal(rng: np.random.Generator, rows: int, columns: int, hidden: int) -> np.ndarray:
    """Normal with standard deviation 0.1, for embedding tables."""
    return 0.1 * rng.standard_normal((rows, columns))


INITIALISERS: dict[str, Callable[[np.random.Generator, int, int, int], np.ndarray]] = {
    "uniform": _uniform,
    "glorot": _glorot,
    "orthogonal": _orthogonal,
    "identity": _identity,
    "normal": _normal,
}
"""Matrix initialisers by name: draw(generator, rows, columns, hidden)."""
