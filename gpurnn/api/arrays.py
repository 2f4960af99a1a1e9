"""`gpurnn.fit`: arrays of sequences become a trained model, without files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Self

import numpy as np

from gpurnn import backend
from gpurnn.api.arguments import AnyPath, known_keywords, path_of
from gpurnn.api.table import table_of_parts
from gpurnn.backend import Backend
from gpurnn.data.arrays.arrays import Layout, Scaling, expect_finite, inputs_of
from gpurnn.data.arrays.windows import SequenceStream
from gpurnn.exceptions import CheckpointError, DataError, GpurnnError
from gpurnn.network import Model, ModelConfig
from gpurnn.runs.checkpoint import Checkpoint, read_checkpoint
from gpurnn.runs.strictjson import Json
from gpurnn.settings import Count, OneOf, Seed, checked
from gpurnn.training.config import TrainConfig
from gpurnn.training.fit import Fitting, Parts, parts_of_arrays
from gpurnn.training.model_file import write_network
from gpurnn.training.optimizer import OptimizerConfig
from gpurnn.training.schedule import ScheduleConfig
from gpurnn.training.snapshot import load_config, load_model
from gpurnn.training.tasks.series import LOSSES
from gpurnn.training.validation import ForwardPass

_MOST_STEPS = 256
"""Steps of a window of `predict`, whose memory does not grow with the sequences then."""


class Fitted:
    """What `gpurnn.fit` has learnt.

    model: the network with its parameters, which computes on `model.be`, on scaled numbers. config: what it was
    trained with. best: the lowest mean loss over the sequences that were held back; inf where none was.
    x_scaling, y_scaling: means and deviations by which its numbers are scaled.
    """

    def __init__(
        self, model: Model, config: TrainConfig, layout: Layout, x_scaling: Scaling, y_scaling: Scaling, best: float
    ) -> None:
        self.model, self.config, self.best = model, config, best
        self.x_scaling, self.y_scaling, self._layout = x_scaling, y_scaling, layout

    def predict(self, x: Any) -> np.ndarray:
        """What follows from x (N, T, E), in y's unit and with the axes that y had: (N, T, K), (N, T), (N, K) or (N,).

        With quantiles there is one axis more, theirs, at the end. N and T may be others than those of the training;
        NaN: missing. Each sequence begins from a state of zeros. Raises UsageError for other arrays; GpurnnError: a
        prediction that is not finite.
        """
        array = inputs_of(x, self.model.config.inputs)
        expect_finite("x", array)
        sequences, whole = array.shape[:2]
        levels, outputs = max(1, len(self.model.config.quantiles)), len(self.y_scaling.mean)
        lanes, steps = min(self.config.lanes, sequences), min(whole, _MOST_STEPS)
        stream = SequenceStream(
            array,
            self.x_scaling,
            np.arange(sequences),
            lanes=lanes,
            steps=steps,
            outputs=outputs,
            real=self.model.config.real,
        )
        last = self._layout.last
        found = np.empty((sequences, 1 if last else whole, outputs, levels), self.model.config.real)
        passes = ForwardPass(self.model, lanes, steps).outputs(stream.recycled())
        for place, (_, o, _) in zip(stream.places(), passes, strict=True):
            rows = o[:, : len(place.sequences)].swapaxes(0, 1).reshape(len(place.sequences), -1, outputs, levels)
            rows = rows * self.y_scaling.scale[:, None] + self.y_scaling.mean[:, None]
            if not np.isfinite(rows).all():
                raise GpurnnError(
                    "a prediction is not finite: the training has diverged, or x has far too large numbers"
                )
            if not last:
                found[place.sequences, place.begin : place.end] = rows
            elif place.end == whole:
                found[place.sequences, 0] = rows[:, -1]
        return self._layout.fold(found if self.model.config.quantiles else found[..., 0])

    def save(self, path: AnyPath) -> None:
        """Write one file that `Fitted.load` reads: parameters, configuration, scaling.

        Readers find the old file or the whole new one; what `path` leads to is replaced where it is a regular file.
        Raises UsageError, CheckpointError.
        """
        corpus: dict[str, Json] = {"arrays": {"last": self._layout.last, "axes": self._layout.axes}}
        arrays = self.x_scaling.to_arrays("x") | self.y_scaling.to_arrays("y")
        write_network(path_of("path", path, file=True), self.model, self.config, corpus, arrays)

    @classmethod
    def load(cls, path: AnyPath, device: str = "auto") -> Self:
        """What `save` wrote. device: cpu, cuda or cuda:N; auto: a GPU where there is one.

        Raises UsageError, CheckpointError, RunError, BackendError.
        """
        checkpoint = read_checkpoint(path_of("path", path))
        config, layout = load_config(checkpoint), _layout_in(checkpoint)
        model = config.model
        targets = model.output_width // max(1, len(model.quantiles))
        try:
            x_scaling = Scaling.from_arrays("x", checkpoint.tensors, model.input_width)
            y_scaling = Scaling.from_arrays("y", checkpoint.tensors, targets)
        except DataError as error:
            raise CheckpointError(f"{checkpoint.path}: {error}") from None
        return cls(load_model(backend.get(device), checkpoint), config, layout, x_scaling, y_scaling, np.inf)

    def __repr__(self) -> str:
        config = self.model.config
        return f"{config.cell}, {config.head}, {config.dtype}, on {self.model.be.device}\n" + table_of_parts(
            self.model.parts
        )


def _layout_in(checkpoint: Checkpoint) -> Layout:
    corpus = checkpoint.header.get("corpus")
    found = corpus.get("arrays") if isinstance(corpus, dict) else None
    if not isinstance(found, dict) or type(found.get("last")) is not bool or found.get("axes") not in (1, 2, 3):
        raise CheckpointError(f"{checkpoint.path}: expected a model that gpurnn.fit made; gpurnn.load reads others")
    return Layout(bool(found["last"]), int(str(found["axes"])))


def _ignore(line: dict[str, Any]) -> None:
    """Nobody wants to see it."""


@known_keywords
def fit(
    x: Any,
    y: Any,
    *,
    loss: str = "squared",
    quantiles: Sequence[float] = (0.1, 0.5, 0.9),
    epochs: int = 100,
    patience: int = 20,
    valid: float = 0.1,
    batch: int = 32,
    cell: str = "gru",
    hidden: int = 64,
    layers: int = 1,
    dropout: float = 0.0,
    dtype: str = "float32",
    lr: float = 4e-3,
    weight_decay: float = 0.0,
    seed: int = 1,
    device: str = "auto",
    on_line: Callable[[dict[str, Any]], None] | None = None,
) -> Fitted:
    """Train a network on arrays: N sequences of T steps of E real numbers, and real targets of them.

        fitted = gpurnn.fit(x, y, hidden=32)
        forecast = fitted.predict(new_x)

    x and y are scaled by their own means and deviations, which the result keeps; beside them memory does not grow with
    N. A window is `batch` whole sequences, errors go back to their first step. Of all epochs the parameters with the
    lowest loss over the sequences that were held back are kept. The same seed, arrays, machine and versions give the
    same bits.
    Raises UsageError, BackendError; TrainingError: no loss is finite.

    x: (N, T, E) real numbers; NaN: missing, taken for the mean.
    y: A target of each step, (N, T, K) or (N, T); or of the last step alone, (N, K), (N,) or (N, 1, K); NaN: none.
        What has the shape (N, T) is of each step.
    loss: absolute, squared or huber error, or quantile, to predict quantiles.
    quantiles: Of the loss quantile: which ones, rising, each between 0 and 1.
    epochs: How often each sequence is read at most.
    patience: Stop after so many epochs in a row without a better one; 0: never.
    valid: The share of the sequences that is held back to choose the parameters by; 0: none, the last ones are kept.
    batch: Sequences of a window.
    cell: Kind of the recurrent layers: lstm, gru, simple (tanh) or simple-relu.
    hidden: Hidden units of a layer (H).
    layers: Recurrent layers (L).
    dropout: Between layers and before the output.
    dtype: Of all numbers in the network: float32 or float64.
    lr: The highest learning rate; it is halved after 4 epochs in a row without a better one.
    weight_decay: Of matrices.
    seed: Of the first parameters, of dropout, of the order of the sequences and of those held back.
    device: cpu, cuda or cuda:N; auto: a GPU where there is one.
    on_line: Called after each epoch with a dictionary: epoch, loss, valid_loss (of scaled numbers), learning_rate.
    """
    seed = checked("seed", Seed, seed)
    head = checked("loss", Annotated[str, OneOf(LOSSES)], loss)
    parts = parts_of_arrays(x, y, valid, seed)
    levels = checked("quantiles", tuple[float, ...], quantiles) if head == "quantile" else ()
    model = ModelConfig(
        symbols=0,
        inputs=int(parts.x.shape[2]),
        outputs=parts.outputs * max(1, len(levels)),
        input="real",
        head=head,
        quantiles=levels,
        cell=cell,
        hidden=hidden,
        layers=layers,
        dropout=dropout,
        dtype=dtype,
    )
    config = TrainConfig(
        model,
        OptimizerConfig(weight_decay=weight_decay),
        ScheduleConfig(lr=lr, decay_patience=4),
        lanes=min(checked("batch", Count, batch), len(parts.train)),
        bptt=int(parts.x.shape[1]),
        restart=0.0,
        seed=seed,
        patience=patience,
    )
    return _fitted(backend.get(device), config, parts, checked("epochs", Count, epochs), on_line or _ignore)


def _fitted(
    be: Backend, config: TrainConfig, parts: Parts, epochs: int, on_line: Callable[[dict[str, Any]], None]
) -> Fitted:
    fitting = Fitting(be, config, parts)
    model = fitting.run(epochs, on_line)
    return Fitted(model, config, parts.layout, parts.x_scaling, parts.y_scaling, fitting.best)
