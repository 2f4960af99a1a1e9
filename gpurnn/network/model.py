"""The whole network over one window: the parts one after the other, and the same in reverse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gpurnn.backend import Array, Backend
from gpurnn.exceptions import UsageError
from gpurnn.network.chain import fields_of, parts_of, specs_of
from gpurnn.network.config import ModelConfig
from gpurnn.network.expect import (
    expect_encoded,
    expect_errors,
    expect_kept,
    expect_parameters,
    expect_state,
    expect_window,
    expect_workspace,
)
from gpurnn.network.heads import Head
from gpurnn.network.params import Params
from gpurnn.network.part import of_part
from gpurnn.network.state import State, StateKind, carrying
from gpurnn.network.workspace import Workspace
from gpurnn.settings import expect_kind


class Model:
    """A recurrent model: its configuration, its parts and its parameters. Buffers and states belong to the caller.

    parts: from input to head. fields: what they read of a window. head: the last part.

    Every method raises UsageError, and computes nothing, for a workspace of another model, a state of another kind of
    model, and parameters that were never drawn or loaded.
    """

    def __init__(self, be: Backend, config: ModelConfig, params: Params | None = None) -> None:
        """params: of this configuration, to be used as they are; None: new ones. Raises UsageError for others.

        Raises UsageError, too, where two parts do not go together.
        """
        expect_kind("be", Backend, be)
        expect_kind("config", ModelConfig, config)
        if params is not None:
            expect_kind("params", Params, params)
        self.be, self.config, self.parts = be, config, parts_of(config)
        self.fields = fields_of(self.parts)
        specs = specs_of(self.parts)
        self.params = Params(be, specs, config.real) if params is None else params
        if (self.params.specs, self.params.values.dtype) != (specs, config.real):
            raise UsageError("params: they are of a model of another configuration")

    @property
    def head(self) -> Head:
        """The last part."""
        head = self.parts[-1]
        assert isinstance(head, Head)
        return head

    def workspace(
        self,
        lanes: int,
        steps: int,
        *,
        source: int = 0,
        sequences: int = 0,
        labels: int = 0,
        train: bool = True,
        seed: int = 0,
    ) -> Workspace:
        """Buffers for windows of up to `steps` steps of `lanes` lanes; seed: of the dropout masks.

        source, sequences: up to how many steps of a source, and sequences, such a window has, where the model reads
        fields of these. labels: of the longest string of labels, where the head reads strings; 0: as many as there are
        steps.
        """
        return Workspace(
            self.be,
            self.parts,
            self.params,
            lanes,
            steps,
            source=source,
            sequences=sequences,
            labels=labels,
            train=train,
            seed=seed,
        )

    def state(self, lanes: int) -> State:
        """A carried state of zeros."""
        return State(self.be, self.parts, self.config.real, lanes)

    def begin(self, state: State) -> None:
        """`state`: overwritten with the one in which every lane begins a sequence: zeros, or what its start has learnt.

        A window need not be told: where its carry is 0, a step sees the start whatever is carried.
        """
        expect_parameters(self.params)
        expect_state(state, StateKind.of(self.be, self.parts, self.config.real, state.kind.lanes))
        state.reset()
        for part, carried in zip(carrying(self.parts), state.layers, strict=True):
            for name, first in part.first(of_part(part, self.params.value)).items():
                carried[name][...] = first

    def forward(self, ws: Workspace, state: State) -> None:
        """Outputs `ws.o` of the window in `ws.batch`, from the carried `state` (read only; see `carry_out`).

        A workspace made for training applies dropout. Raises UsageError where no window was loaded.
        """
        self._encode(ws, state)
        self.decode(ws, state)

    def encode(self, ws: Workspace) -> None:
        """What follows from the sources or the vectors of the window in `ws.batch` alone: what all of its steps share.

        Raises UsageError where no window was loaded.
        """
        expect_workspace(ws, self.params)
        expect_window(ws)
        ws.hold("")
        for each in ws.working:
            each.encode(ws.batch)
        ws.encoded = True

    def decode(self, ws: Workspace, state: State) -> None:
        """As `forward`, from what `encode` has left, as often as there are windows of steps of the same sequences.

        `batch.begin` says that there is another such window. Raises UsageError where nothing was encoded.
        """
        self._decode(ws, state)
        ws.head.forward(ws.batch)
        ws.holds = "logits"

    def advance(self, ws: Workspace, state: State) -> None:
        """`state`: overwritten with the one after the window in `ws.batch`. As `forward`, but without outputs."""
        self._encode(ws, state)
        self._decode(ws, state)
        self.carry_out(ws, state)

    def _encode(self, ws: Workspace, state: State) -> None:
        """As `encode`, where `decode` is to go on from a state."""
        expect_workspace(ws, self.params)
        expect_state(state, ws.kind)
        self.encode(ws)

    def _decode(self, ws: Workspace, state: State) -> None:
        """All parts but the head."""
        expect_workspace(ws, self.params)
        expect_state(state, ws.kind)
        expect_window(ws)
        expect_encoded(ws)
        ws.hold("")
        for layer, carried in zip(ws.layers, state.layers, strict=True):
            for name, array in carried.items():
                layer.states[name][0] = array
        for each in ws.working:
            each.forward(ws.batch)

    def loss(self, ws: Workspace) -> None:
        """`ws.losses` of each target from the outputs, which are used up. For evaluation.

        Raises UsageError unless `forward` has just run.
        """
        expect_workspace(ws, self.params, holds="logits")
        ws.holds = ""
        ws.head.evaluate(ws.batch)

    def backward(
        self, ws: Workspace, d_last: Sequence[Mapping[str, Array]] | None = None, keep: Array | None = None
    ) -> None:
        """Loss, errors and gradients of the window that `forward` has just run.

        `ws.loss`, `ws.losses`, `ws.o` (its error), every layer's errors and `params.gradients`: overwritten.
        d_last: for each layer, the errors at its last states by name, from the window after this one; None: 0, which
        truncates. What would go to the window before is in each layer's `d_first`.
        keep: (T, B) real, what the errors of the outputs are multiplied by before they go back, for looking: 1 where
        they are followed, 0 elsewhere; the loss stays that of the window. None: 1 everywhere.
        Raises UsageError unless `forward` has just run on a workspace made for training, and where d_last or keep do
        not fit.
        """
        expect_workspace(ws, self.params, train=True, holds="logits")
        if d_last is not None:
            expect_errors(ws, d_last)
        if keep is not None:
            expect_kept(ws, keep)
        for number, layer in enumerate(ws.layers):
            layer.d_last = None if d_last is None else d_last[number]
        ws.holds = "errors"
        ws.head.backward(ws.batch, keep)
        for each in reversed(ws.working):
            each.backward(ws.batch)

    def carry_out(self, ws: Workspace, state: State) -> None:
        """`state`: overwritten with the last slot of the window that `forward` has just run.

        Raises UsageError where it has not run on the window in `ws.batch`.
        """
        expect_workspace(ws, self.params, ran=True)
        expect_state(state, ws.kind)
        for layer, carried in zip(ws.layers, state.layers, strict=True):
            for name, array in carried.items():
                array[...] = layer.states[name][ws.batch.steps]
