"""The whole network over one window: input, recurrent layers, output, loss; and the same in reverse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gpurnn.backend import Array, Backend
from gpurnn.exceptions import UsageError
from gpurnn.network.config import ModelConfig
from gpurnn.network.expect import expect_errors, expect_state, expect_window, expect_workspace
from gpurnn.network.inputs import embedding_backward, embedding_forward, one_hot_backward, one_hot_forward
from gpurnn.network.layers import dropout_backward, dropout_forward, linear_backward, linear_forward
from gpurnn.network.params import Params
from gpurnn.network.workspace import State, Workspace
from gpurnn.settings import expect_kind


class Model:
    """A recurrent language model: its configuration and its parameters. Buffers and states belong to the caller.

    Every method raises UsageError, and computes nothing, for a workspace of another model, a state of another kind of
    model, and parameters that were never drawn or loaded.
    """

    def __init__(self, be: Backend, config: ModelConfig, params: Params | None = None) -> None:
        """params: of this configuration, to be used as they are; None: new ones. Raises UsageError for others."""
        expect_kind("be", Backend, be)
        expect_kind("config", ModelConfig, config)
        if params is not None:
            expect_kind("params", Params, params)
        self.be, self.config = be, config
        self.params = Params(be, config.specs(), config.real) if params is None else params
        if (self.params.specs, self.params.values.dtype) != (config.specs(), config.real):
            raise UsageError("params: they are of a model of another configuration")

    def workspace(self, lanes: int, steps: int, *, train: bool = True, seed: int = 0) -> Workspace:
        """Buffers for windows of up to `steps` steps of `lanes` lanes; seed: of the dropout masks."""
        return Workspace(self.be, self.config, self.params, lanes, steps, train=train, seed=seed)

    def state(self, lanes: int) -> State:
        """A carried state of zeros."""
        return State(self.be, self.config, lanes)

    def forward(self, ws: Workspace, state: State) -> None:
        """Logits `ws.o` of the window in `ws.batch`, from the carried `state` (read only; see `carry_out`).

        A workspace made for training applies dropout. Raises UsageError where no window was loaded.
        """
        x = self._through_layers(ws, state)
        value = self.params.value
        o = ws.o[: len(x)]
        linear_forward(self.be, x, value["output.V"], o)
        ws.add_bias(o, value["output.c"])
        ws.holds = "logits"

    def advance(self, ws: Workspace, state: State) -> None:
        """`state`: overwritten with the one after the window in `ws.batch`. As `forward`, but without logits."""
        self._through_layers(ws, state)
        self.carry_out(ws, state)

    def _through_layers(self, ws: Workspace, state: State) -> Array:
        """What the output layer sees of the window in `ws.batch`, (T B, H)."""
        expect_workspace(ws, self.params)
        expect_state(state, ws.kind)
        expect_window(ws)
        ws.hold("")
        be, batch, value = self.be, ws.batch, self.params.value
        n = batch.steps * ws.lanes
        tokens = batch.tokens[:n]
        x = None
        if ws.x is not None:
            x = ws.x[:n]
            embedding_forward(be, tokens, value["embedding.table"], x)
        for number, layer in enumerate(ws.layers):
            for name, array in state.layers[number].items():
                layer.states[name][0] = array
            U, xU = value[f"layers.{number}.U"], layer.a[: batch.steps].reshape(n, -1)
            if x is None:
                one_hot_forward(be, tokens, U, xU)
            else:
                linear_forward(be, x, U, xU)
            layer.forward(batch.steps, batch.carry, batch.boundary)
            x = self._dropped(ws, number, layer.states["h"][1 : batch.steps + 1]).reshape(n, -1)
        assert x is not None
        return x

    def _dropped(self, ws: Workspace, number: int, h: Array) -> Array:
        """A layer's output as the next one sees it."""
        if not ws.masks:
            return h
        steps = len(h)
        mask, dropped = ws.masks[number][:steps], ws.dropped[number][:steps]
        ws.draw_mask[number](mask, ws.batch.window)
        dropout_forward(self.be, h, mask, dropped)
        return dropped

    def loss(self, ws: Workspace) -> None:
        """`ws.nats` of each target from the logits, which are used up. For evaluation.

        Raises UsageError unless `forward` has just run.
        """
        expect_workspace(ws, self.params, holds="logits")
        ws.holds = ""
        n = ws.batch.steps * ws.lanes
        ws.xent(ws.o[:n], ws.batch.targets[:n], ws.nats[:n])

    def backward(self, ws: Workspace, d_last: Sequence[Mapping[str, Array]] | None = None) -> None:
        """Loss, errors and gradients of the window that `forward` has just run.

        `ws.loss`, `ws.nats`, `ws.o` (its error), every layer's errors and `params.gradients`: overwritten.
        d_last: for each layer, the errors at its last states by name, from the window after this one; None: 0, which
        truncates. What would go to the window before is in each layer's `d_first`.
        Raises UsageError unless `forward` has just run on a workspace made for training, and where d_last does not fit.
        """
        expect_workspace(ws, self.params, train=True, holds="logits")
        if d_last is not None:
            expect_errors(ws, d_last)
        be, batch, value, gradient = self.be, ws.batch, self.params.value, self.params.gradient
        n = batch.steps * ws.lanes
        do, dh = ws.o[:n], ws.dh
        assert dh is not None
        ws.holds = "errors"
        self._loss_and_error(ws, n)
        dx = dh[: batch.steps].reshape(n, -1)
        x = self._output_of(ws, len(ws.layers) - 1)
        linear_backward(be, do, x, value["output.V"], gradient["output.V"], gradient["output.c"], dx, ws.ones)
        for number in range(len(ws.layers) - 1, -1, -1):
            layer, U, dU = ws.layers[number], value[f"layers.{number}.U"], gradient[f"layers.{number}.U"]
            if ws.masks:
                dropout_backward(be, dh[: batch.steps], ws.masks[number][: batch.steps])
            layer.backward(batch.steps, batch.carry, batch.boundary, d_last[number] if d_last else None)
            layer.weight_gradients(batch.steps, batch.carry, batch.boundary, ws.gradients[number], ws.ones)
            da = layer.a[: batch.steps].reshape(n, -1)
            if number > 0:
                linear_backward(be, da, self._output_of(ws, number - 1), U, dU, None, dx, ws.ones)
            elif ws.x is None:
                one_hot_backward(ws.row_gradient, da, batch.tokens[:n], batch.plan, dU)
            else:
                assert ws.dx is not None
                linear_backward(be, da, ws.x[:n], U, dU, None, ws.dx[:n], ws.ones)
                table = gradient["embedding.table"]
                embedding_backward(ws.row_gradient, ws.dx[:n], batch.tokens[:n], batch.plan, table)

    def _loss_and_error(self, ws: Workspace, n: int) -> None:
        """`ws.o` becomes its error; `ws.nats` and `ws.loss` are set."""
        batch = ws.batch
        ws.softmax_xent(ws.o[:n], batch.targets[:n], batch.weight[:n], batch.scale, ws.nats[:n])
        ws.weighted_loss(ws.nats[:n], batch.weight[:n], batch.scale, ws.loss)

    def _output_of(self, ws: Workspace, number: int) -> Array:
        """A layer's output as `forward` handed it on, (T B, H)."""
        steps = ws.batch.steps
        x = ws.dropped[number][:steps] if ws.masks else ws.layers[number].states["h"][1 : steps + 1]
        return x.reshape(steps * ws.lanes, -1)

    def carry_out(self, ws: Workspace, state: State) -> None:
        """`state`: overwritten with the last slot of the window that `forward` has just run.

        Raises UsageError where it has not run on the window in `ws.batch`.
        """
        expect_workspace(ws, self.params, ran=True)
        expect_state(state, ws.kind)
        for layer, carried in zip(ws.layers, state.layers, strict=True):
            for name, array in carried.items():
                array[...] = layer.states[name][ws.batch.steps]
