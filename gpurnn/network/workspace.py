"""Every buffer of a window, allocated once: the parts of a model bound to one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from gpurnn.backend import Backend
from gpurnn.exceptions import UsageError
from gpurnn.network.attentions import AttentionPass
from gpurnn.network.batch import Batch
from gpurnn.network.chain import fields_of
from gpurnn.network.heads import HeadPass
from gpurnn.network.params import Params
from gpurnn.network.part import Binding, Part, Pass
from gpurnn.network.signal import Signal
from gpurnn.network.state import StateKind
from gpurnn.settings import Count, Natural, Seed, checked


class Workspace:
    """The buffers of a model for windows of up to `steps` steps of `lanes` lanes.

    source, sequences: up to how many steps of a source and sequences they have, where the model reads fields of these.
    labels: of the longest string of labels that they have, where the head reads strings; 0: as many as there are steps.

    train: with the buffers of the backward pass. Nothing is allocated after it is made.
    batch: the window at hand. passes: what each part does with it, in their order; working: of those but the head that
    do something; layers: of those that carry a state; head: of the last part;
    attention: of that part, None where there is none.
    o: (T B, K), the output; overwritten by its error in training. losses: (T B,), the loss of each target; nats: the
    same. loss: (1,) float64, J of the window.
    params: of the model that it was made for; kind: of the states that fit it.
    holds: what `o` is: "logits" after forward, "errors" after backward, else "". ran: for which of the windows of its
    batch, counted from 1; -1: none. encoded: whether `encode` ran once. watched: whether `watch` was called.
    It cannot be copied or pickled: its buffers lie within each other.
    Raises UsageError for lanes and steps that are no whole numbers from 1 on, others from 0, and for a seed out of its
    range.
    """

    def __init__(
        self,
        be: Backend,
        parts: Sequence[Part],
        params: Params,
        lanes: int,
        steps: int,
        *,
        source: int = 0,
        sequences: int = 0,
        labels: int = 0,
        train: bool = True,
        seed: int = 0,
    ) -> None:
        """seed: keys the dropout masks."""
        lanes, steps = checked("lanes", Count, lanes), checked("steps", Count, steps)
        source, sequences = checked("source", Natural, source), checked("sequences", Natural, sequences)
        labels = checked("labels", Natural, labels)
        seed = checked("seed", Seed, seed)
        real = params.values.dtype
        self.be, self.lanes, self.steps, self.params, self.train = be, lanes, steps, params, train
        self.kind = StateKind.of(be, parts, real, lanes)
        self.holds, self.ran, self.watched = "", -1, False
        self.encoded = False
        fields = fields_of(parts)
        sizes = {"source": source, "sequences": sequences, "labels": labels}
        self.batch = Batch(be, fields, real, lanes, steps, **sizes, train=train)
        to = Binding(be, params, self.batch, train=train, seed=seed)
        self.passes: list[Pass] = []
        signal = Signal()
        for part in parts:
            self.passes.append(part.bind(to, signal))
            signal = self.passes[-1].y
        self.layers = [each for each in self.passes if each.part.states]
        head = self.passes[-1]
        assert isinstance(head, HeadPass)
        self.head = head
        self.working = [each for each in self.passes[:-1] if type(each) is not Pass]
        self.attention = next((each for each in self.passes if isinstance(each, AttentionPass)), None)
        self.o, self.losses, self.loss = head.o, head.losses, head.loss
        self.nats = head.losses

    def watch(self) -> None:
        """From now on keep the gates and the errors of the states at each step, for looking; see `Step.errors`.

        `Model.backward` goes step by step then, and what is kept takes about half as much memory again. Raises
        UsageError for a workspace made for forward only.
        """
        if not self.train:
            raise UsageError("workspace: made for forward only, it has no errors to watch; make it with train=True")
        if not self.watched:
            for each in self.passes:
                each.watch()
        self.watched = True

    def hold(self, what: str) -> None:
        """`o` is this of the window in its batch now; see `holds`."""
        self.holds, self.ran = what, self.batch.windows

    def __reduce__(self) -> NoReturn:
        raise TypeError("a workspace cannot be copied or pickled; make another with model.workspace(lanes, steps)")
