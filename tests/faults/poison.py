"""NaN and infinity at random places of random windows: nothing that lasts may take them up."""

import math
import random
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from faults import devices
from faults.training import settings, write_corpus
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import WindowStream
from gpurnn.network.cells import CELLS
from gpurnn.training.control import Control
from gpurnn.training.learner import Learner

BETWEEN = 3  # windows from one injection to the next

Place = tuple[str, Callable[[], Any]]


class Poison:
    """Puts a value into one element of one array, once, when the armed moment comes."""

    def __init__(self, learner: Learner, seed: int) -> None:
        self._learner, self._random = learner, random.Random(seed)
        self._moment = ""
        model, ws = learner.model, learner._workspace
        self._wrap(model, "forward", "before", "loss")
        self._wrap(model, "backward", "loss", "gradient")
        for number, layer in enumerate(ws.layers):
            self._wrap(layer.loop, "forward", f"projected {number}", f"activated {number}")
            self._wrap(layer.loop, "backward", f"from above {number}", f"errors {number}")

    def _wrap(self, owner: Any, name: str, before: str, after: str) -> None:
        original = getattr(owner, name)

        def wrapped(*arguments: Any, **named: Any) -> None:
            self._strike(before)
            original(*arguments, **named)
            self._strike(after)

        setattr(owner, name, wrapped)

    def places(self) -> dict[str, dict[str, Callable[[], Any]]]:
        """What can be struck, by kind and moment: each gives the array."""
        learner, ws = self._learner, self._learner._workspace
        batch, last = ws.batch, len(ws.layers) - 1
        inputs: dict[str, Callable[[], Any]] = {"before": lambda: self._any(batch.weight, batch.scale, batch.carry)}
        inputs["before "] = lambda: self._any(*learner.state.named().values())
        activations: dict[str, Callable[[], Any]] = {"loss": lambda: ws.o[: batch.steps * ws.lanes]}
        errors: dict[str, Callable[[], Any]] = {}
        for number, layer in enumerate(ws.layers):
            activations[f"projected {number}"] = lambda layer=layer: layer.loop.xU[: batch.steps]
            activations[f"activated {number}"] = lambda layer=layer: self._any(
                layer.loop.gates[: batch.steps], *(states[1 : batch.steps + 1] for states in layer.states.values())
            )
            errors[f"from above {number}"] = lambda layer=layer: layer.y.error[: batch.steps * ws.lanes]
            if number == last:
                continue
            errors[f"errors {number}"] = lambda layer=layer: self._any(layer.loop.da[: batch.steps], layer.loop.da_rec)
        gradients = {"gradient": lambda: self._any(*learner.model.params.gradient.values())}
        return {"input": inputs, "activation": activations, "error": errors, "gradient": gradients}

    def _any(self, *arrays: Any) -> Any:
        return self._random.choice(arrays)

    def arm(self) -> str:
        """Choose what to strike in the next window; returns what."""
        kind, moments = self._random.choice(list(self.places().items()))
        moment = self._random.choice(list(moments))
        self._moment, self._array = moment.strip(), moments[moment]
        return f"{kind} ({moment})"

    def _strike(self, moment: str) -> None:
        if moment != self._moment:
            return
        self._moment = ""
        array = self._array()
        place = tuple(self._random.randrange(size) for size in array.shape)
        array[place] = self._random.choice([math.nan, math.inf, -math.inf])


def poison(count: int, seed: int, scratch: str, device: str = "cpu") -> dict[str, Any]:
    """Strike `count` times, the cells taking turns, and look at what lasts after each window.

    Returns {"cases", "skipped": windows that were, "kinds": what was struck, how often, "violations"}.
    """
    be = devices.get(device)
    report: dict[str, Any] = {"cases": 0, "skipped": 0, "kinds": {}, "violations": []}
    with Corpus.open(write_corpus(Path(scratch))) as corpus:
        for number, cell in enumerate(CELLS):
            share = count // len(CELLS) + (number < count % len(CELLS))
            _strike_cell(Learner(be, corpus, settings(corpus, cell), str), share, seed + number, report)
    return report


def _strike_cell(learner: Learner, count: int, seed: int, report: dict[str, Any]) -> None:
    be, corpus, config = learner.model.be, learner.corpus, learner.config
    poison = Poison(learner, seed)
    with WindowStream(corpus, "train", lanes=config.lanes, steps=config.bptt) as stream:
        for index, window in enumerate(learner.feed(islice(stream, BETWEEN * (count + 1) - 1))):
            before, struck = _lasting(learner), ""
            if index % BETWEEN == BETWEEN - 1:
                struck = poison.arm()
                report["cases"] += 1
                kind = struck.split()[0]
                report["kinds"][kind] = report["kinds"].get(kind, 0) + 1
            learner.consume(window)
            after = _lasting(learner)
            skipped = not be.to_host(learner.optimizer.ctl)[Control.OUTCOME]
            report["skipped"] += skipped
            where = f"{config.model.cell}, window {index}, {struck or 'nothing'} struck"
            for name, array in after.items():
                if not np.isfinite(array).all():
                    report["violations"].append(f"{where}: {name} is not finite")
                elif skipped and not name.startswith("state.") and array.tobytes() != before[name].tobytes():
                    report["violations"].append(f"{where}: {name} changed in a skipped window")
            if skipped and not struck:
                report["violations"].append(f"{where}: the window was skipped")


def _lasting(learner: Learner) -> dict[str, np.ndarray]:
    """Host copies of parameters, moments and carried states."""
    arrays = {"parameters": learner.model.params.values, **learner.optimizer.flats, **learner.state.named()}
    return {name: learner.model.be.to_host(array) for name, array in arrays.items()}
