"""What a loop over steps accepts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gpurnn.backend.base import Array, StepProduct
from gpurnn.backend.checks import HOST, expect, expect_count, overlap, real, share_memory
from gpurnn.backend.declared import FusedOp, extent


class LoopChecks:
    """Checks of `Backend.bind_loop` and of what it makes. Raises TypeError or ValueError where the arrays do not fit.

    steps, lanes: T and B.
    """

    def __init__(
        self,
        op: FusedOp,
        dtype: Any,
        arrays: Mapping[str, Array],
        product: StepProduct,
        *,
        backward: bool,
        masked: Collection[str],
        cleared: Collection[str],
        earlier: Mapping[str, str],
    ) -> None:
        self._name, self.dtype = f"loop of {op.name}", real(op.name, dtype)
        self._arguments = op.arguments
        self._product, self._earlier, self._backward = product, earlier, backward
        names = dict.fromkeys((*product, *op.arguments))
        for name in names:
            if name not in arrays:
                raise ValueError(f"{self._name}: {name}: expected among the arrays, found {', '.join(arrays)}")
        self._arrays = {name: arrays[name] for name in names}
        self._written = {name for name, argument in op.arguments.items() if argument.written} | {product.writes}
        self._hidden = self._check_product()
        self._check_shapes({*masked, *cleared})
        self._check_apart()

    def _expect(self, name: str, array: Array, shape: tuple[int | str, ...], *, written: bool) -> None:
        expect(HOST, self._name, name, array, self.dtype, shape, written=written)

    def _check_product(self) -> int:
        """Sets steps and lanes; returns H."""
        backward = self._backward
        (reads, matrix, writes), arrays = self._product, self._arrays
        self._expect(reads, arrays[reads], ("T", "B", "n" if backward else "H"), written=reads in self._written)
        self.steps, self.lanes, read = arrays[reads].shape
        if not arrays[reads].size:
            raise ValueError(f"{self._name}: {reads}: expected 1 or more of each, found {arrays[reads].shape}")
        self._expect(matrix, arrays[matrix], ("H", read) if backward else (read, "n"), written=False)
        if not arrays[matrix].size:
            raise ValueError(f"{self._name}: {matrix}: expected 1 or more of each, found {arrays[matrix].shape}")
        hidden, columns = arrays[matrix].shape
        self._through(writes, hidden if backward else columns, by_lane=True)
        return int(hidden)

    def _check_shapes(self, square: Collection[str]) -> None:
        """Arguments of the operation. square: those that have to be (B, H)."""
        dims = {"B": self.lanes, "H": self._hidden}
        for name, argument in self._arguments.items():
            if argument.kind != "real" or argument.shape[:-1] not in ((), ("B",)):
                raise ValueError(f"{self._name}: {name}: a step has arguments (B, n) and (n,), found {argument.shape}")
            if name in square and argument.shape != ("B", "H"):
                raise ValueError(f"{self._name}: {name}: expected (B, H) for what carry masks, found {argument.shape}")
            self._through(name, extent(argument.shape[-1], dims), by_lane=len(argument.shape) == 2)

    def _through(self, name: str, size: int, *, by_lane: bool) -> None:
        """An array that has a row a lane: for each step, or one for all of them."""
        array = self._arrays[name]
        axes = array.ndim if HOST.has(array) else 0
        shape: tuple[int | str, ...] = (self.lanes, size) if by_lane else (size,)
        if by_lane and axes == 3:
            shape = (1 if len(array) == 1 else self.steps, *shape)
        self._expect(name, array, shape, written=name in self._written)

    def _check_apart(self) -> None:
        names = list(self._arrays)
        for position, name in enumerate(names):
            for other in names[position + 1 :]:
                written = next((each for each in (name, other) if each in self._written), None)
                if written is None or not share_memory(HOST, self._arrays[name], self._arrays[other]):
                    continue
                if not (self._one_step_on(name, other) or self._one_step_on(other, name) or self._same(name, other)):
                    raise ValueError(overlap(self._name, other if written == name else name, written))

    def _one_step_on(self, before: str, after: str) -> bool:
        """Whether these are the same before and after each step, in one array."""
        first, second = self._arrays[before], self._arrays[after]
        apart = HOST.address(second) - HOST.address(first)
        return self._earlier.get(before) == after and first.shape == second.shape and apart == first.strides[0]

    def _same(self, name: str, other: str) -> bool:
        """Whether these are what the product reads and the argument where the operation, before it, leaves it."""
        first, second = self._arrays[name], self._arrays[other]
        same = HOST.address(first) == HOST.address(second) and first.shape == second.shape
        left = self._backward and self._product.reads in (name, other)
        return same and left and (name in self._written) != (other in self._written)

    def check(self, steps: int, carry: Array | None) -> None:
        """Raises TypeError or ValueError unless the loop can run so many steps with this carry."""
        if not expect_count(self._name, "steps", steps) <= self.steps:
            raise ValueError(f"{self._name}: steps: expected 1 to {self.steps}, found {steps}")
        if carry is None:
            return
        self._expect("carry", carry, ("T", self.lanes, 1), written=False)
        if len(carry) < steps:
            raise ValueError(f"{self._name}: carry: expected {steps} steps or more, found {len(carry)}")
        for name in self._written:
            if share_memory(HOST, carry, self._arrays[name]):
                raise ValueError(overlap(self._name, "carry", name))
