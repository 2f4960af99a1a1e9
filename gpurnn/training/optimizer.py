"""Optimizers: clip the gradient and update the parameters on the flat blocks, with nothing read back by the host.

A window whose loss or gradient is not finite changes neither parameters nor moments; it is counted instead. One whose
weights sum to 0 changes nothing at all and counts neither way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from gpurnn.backend import Argument, Array, Backend, FusedOp
from gpurnn.network.params import Params
from gpurnn.settings import BelowOne, NotNegative, OneOf, Positive, Share, check_fields, expect_kind, renamed
from gpurnn.training.control import CONTROL_SIZE, PLACES, SETTINGS_SIZE, Control, Outcome, Setting

_SOURCE = Path(__file__).with_name("optimizer.cu")
_BLOCK = 1 << 14  # elements updated at a time: they and their moments stay in the cache

PARTS = 256  # partial sums of squares, each made by CUDA threads of its own

DECAY_OF = {"adamw": 0.02}
"""Weight decay where none is given, by optimizer; 0 for the others."""


@renamed(name="optimizer", clip_norm="clip")
@dataclass(frozen=True)
class OptimizerConfig:
    """How parameters follow the gradient.

    optimizer: a key of `OPTIMIZERS`. clip: the largest norm of the gradient, clip_value: its largest element; 0: any.
    weight_decay: on matrices only; added to the gradient, or for adamw applied to the parameters; None becomes that of
    `DECAY_OF`. momentum: of sgd. beta1, beta2: of adam and adamw; rmsprop averages squares with beta2. epsilon: added
    to the root of the squares. average: keep an average of the parameters as well, which reaches back over this part of
    all updates; 0: none.
    """

    optimizer: Annotated[str, OneOf(OPTIMIZERS)] = "adamw"
    clip: NotNegative = 1.0
    clip_value: NotNegative = 0.0
    weight_decay: NotNegative | None = None
    momentum: BelowOne = 0.0
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.999
    epsilon: Positive = 1e-8
    average: Share = 0.1

    def __post_init__(self) -> None:
        check_fields(self)
        if self.weight_decay is None:
            object.__setattr__(self, "weight_decay", DECAY_OF.get(self.optimizer, 0.0))


def control(
    xp: Any, gradient: Array, parts: Array, tickets: Array, loss: Array, scale: Array, settings: Array, ctl: Array
) -> None:
    """ctl: what this window does to the parameters, decided from the norm of gradient (P,) and from loss (1,).

    scale: (1,), 1 over the window's summed weights, 0 where they sum to 0. settings: read only. parts: (PARTS,)
    float64, and tickets: (1,), which holds 0, are what CUDA blocks add up their parts of the norm in.
    """
    inverse = float(scale[0])
    if not inverse:
        ctl[Control.OUTCOME] = Outcome.UNWEIGHTED
        return
    blocks = (gradient[start : start + _BLOCK] for start in range(0, len(gradient), _BLOCK))
    square = sum(float(xp.dot(block, block)) for block in blocks)
    norm, j = math.sqrt(square), float(loss[0])
    finite = math.isfinite(norm) and math.isfinite(j)
    ctl[Control.NORM], ctl[Control.OUTCOME] = norm, Outcome.LEARNT if finite else Outcome.NOT_FINITE
    if not finite:
        ctl[Control.SKIPPED] += 1
        ctl[Control.SKIPPED_IN_A_ROW] += 1
        ctl[Control.MOST_SKIPPED_IN_A_ROW] = max(ctl[Control.MOST_SKIPPED_IN_A_ROW], ctl[Control.SKIPPED_IN_A_ROW])
        return
    clip = float(settings[Setting.CLIP_NORM])
    ctl[Control.CLIP_FACTOR] = clip / norm if 0 < clip < norm else 1.0
    ctl[Control.CLIPPED] += ctl[Control.CLIP_FACTOR] < 1
    ctl[Control.LARGEST_NORM] = max(ctl[Control.LARGEST_NORM], norm)
    ctl[Control.UPDATES] += 1
    ctl[Control.SKIPPED_IN_A_ROW] = 0
    ctl[Control.LOSS] += j / inverse
    ctl[Control.WEIGHT] += 1 / inverse


def sgd(xp: Any, p: Array, g: Array, m: Array, w: Array, settings: Array, ctl: Array, s: Array, u: Array) -> None:
    """m: (P,), becomes momentum m + g; p: (P,), is moved by -rate m. w: see `_parts`. s, u: scratch."""
    rate, momentum = float(ctl[Control.RATE]), float(settings[Setting.BETA1])
    for part in _parts(xp, p, g, w, settings, ctl, s, u):
        mb, gb = m[part], s[: part.stop - part.start]
        xp.multiply(mb, momentum, out=mb)
        xp.add(mb, gb, out=mb)
        xp.multiply(mb, rate, out=gb)
        xp.subtract(p[part], gb, out=p[part])


def rmsprop(xp: Any, p: Array, g: Array, v: Array, w: Array, settings: Array, ctl: Array, s: Array, u: Array) -> None:
    """v: (P,), becomes beta2 v + (1 - beta2) g²; p: (P,), by -rate g / (sqrt(v) + epsilon). w: see `_parts`."""
    rate, beta2, epsilon = float(ctl[Control.RATE]), float(settings[Setting.BETA2]), float(settings[Setting.EPSILON])
    for part in _parts(xp, p, g, w, settings, ctl, s, u):
        n = part.stop - part.start
        vb, gb, ub = v[part], s[:n], u[:n]
        _average_squares(xp, vb, gb, beta2, ub)
        xp.sqrt(vb, out=ub)
        xp.add(ub, epsilon, out=ub)
        xp.divide(gb, ub, out=ub)
        xp.multiply(ub, rate, out=ub)
        xp.subtract(p[part], ub, out=p[part])


def adam(
    xp: Any, p: Array, g: Array, m: Array, v: Array, w: Array, settings: Array, ctl: Array, s: Array, u: Array
) -> None:
    """m, v: (P,), become the averages of g and g²; p: (P,), is moved by -rate m' / (sqrt(v') + epsilon).

    m' and v' are m and v without their bias towards 0. w: see `_parts`. Source: Kingma & Ba 2015; with decoupled
    weight decay: Loshchilov & Hutter 2019.
    """
    if ctl[Control.OUTCOME] != Outcome.LEARNT:  # before the first update there is no bias to correct
        return
    beta1, beta2, updates = float(settings[Setting.BETA1]), float(settings[Setting.BETA2]), float(ctl[Control.UPDATES])
    rate = float(ctl[Control.RATE]) / (1 - beta1**updates)
    root = 1 / math.sqrt(1 - beta2**updates)
    for part in _parts(xp, p, g, w, settings, ctl, s, u):
        n = part.stop - part.start
        mb, vb, gb, ub = m[part], v[part], s[:n], u[:n]
        xp.subtract(gb, mb, out=ub)
        xp.multiply(ub, 1 - beta1, out=ub)
        xp.add(mb, ub, out=mb)
        _average_squares(xp, vb, gb, beta2, ub)
        xp.sqrt(vb, out=ub)
        xp.multiply(ub, root, out=ub)
        xp.add(ub, float(settings[Setting.EPSILON]), out=ub)
        xp.divide(mb, ub, out=ub)
        xp.multiply(ub, rate, out=ub)
        xp.subtract(p[part], ub, out=p[part])


def _average_squares(xp: Any, v: Array, g: Array, beta2: float, u: Array) -> None:
    """v: becomes beta2 v + (1 - beta2) g². u: scratch."""
    xp.multiply(g, g, out=u)
    xp.subtract(u, v, out=u)
    xp.multiply(u, 1 - beta2, out=u)
    xp.add(v, u, out=v)


def _parts(xp: Any, p: Array, g: Array, w: Array, settings: Array, ctl: Array, s: Array, u: Array) -> Iterator[slice]:
    """The flat block in parts that fit the cache, `s` holding each part's gradient, clipped and with weight decay.

    No part unless something is learnt from this window. Decoupled weight decay is applied to p before a part is handed
    over, and when it comes back with p moved, w: (P,), the average of p, becomes
    w + (p - w) / (1 + reach (updates - 1)), unless reach is 0. With a reach of 1 that is the mean of p after every
    update; with less, later ones count more, and w reaches back over about that part of all updates. Source: Shamir &
    Zhang 2013, averaging with polynomial decay. u: scratch.
    """
    if ctl[Control.OUTCOME] != Outcome.LEARNT:
        return
    size, matrices, clip_factor = len(p), int(settings[Setting.MATRICES]), float(ctl[Control.CLIP_FACTOR])
    clip, decay, rate = float(settings[Setting.CLIP_VALUE]), float(settings[Setting.DECAY]), float(ctl[Control.RATE])
    reach, updates = float(settings[Setting.REACH]), float(ctl[Control.UPDATES])
    for start in (*range(0, matrices, _BLOCK), *range(matrices, size, _BLOCK)):
        part = slice(start, min(start + _BLOCK, matrices if start < matrices else size))
        gb, ub = s[: part.stop - start], u[: part.stop - start]
        xp.multiply(g[part], clip_factor, out=gb)
        if clip:
            xp.clip(gb, -clip, clip, out=gb)
        if decay and start < matrices:
            if settings[Setting.DECOUPLED]:
                xp.multiply(p[part], 1 - rate * decay, out=p[part])
            else:
                xp.multiply(p[part], decay, out=ub)
                xp.add(gb, ub, out=gb)
        yield part
        if reach:
            xp.subtract(p[part], w[part], out=ub)
            xp.multiply(ub, 1 / (1 + reach * (updates - 1)), out=ub)
            xp.add(w[part], ub, out=w[part])


def _update(name: str, moments: tuple[str, ...], body: Callable[..., None]) -> FusedOp:
    flat = Argument(("P",), written=True)
    arguments = {"p": flat, "g": Argument(("P",)), **dict.fromkeys(moments, flat)}
    arguments |= {"w": Argument(("P",), written=True, shares="p"), "settings": _SETTINGS, "ctl": _CONTROL}
    block = Argument((f"{_BLOCK}",))
    return FusedOp(name, arguments, body, {"s": block, "u": block}, source=_SOURCE, constants=_CONSTANTS)


_CONSTANTS = {**PLACES, "PARTS": PARTS}
_ONE = Argument(("1",), "double")
_CONTROL = Argument((f"{CONTROL_SIZE}",), "double")
_SETTINGS = Argument((f"{SETTINGS_SIZE}",), "double")

CONTROL = FusedOp(
    "control",
    {
        "g": Argument(("P",)),
        "parts": Argument((f"{PARTS}",), "double", written=True),
        "tickets": Argument(("1",), "index", written=True),
        "loss": _ONE,
        "scale": Argument(("1",)),
        "settings": _SETTINGS,
        "ctl": Argument((f"{CONTROL_SIZE}",), "double", written=True),
    },
    control,
    source=_SOURCE,
    constants=_CONSTANTS,
)
OPTIMIZERS: dict[str, FusedOp] = {
    "sgd": _update("sgd", ("m",), sgd),
    "rmsprop": _update("rmsprop", ("v",), rmsprop),
    "adam": _update("adam", ("m", "v"), adam),
    "adamw": _update("adam", ("m", "v"), adam),
}
"""The update of each optimizer by its name on the command line; its moments are the arguments m and v."""


class Optimizer:
    """Clips and updates the parameters of a model.

    params: those it updates. average: of them, flat (P,), None where none is kept. ctl: the control array,
    float64; see `Control`. Raises UsageError for what is no parameters or no configuration.
    """

    def __init__(self, be: Backend, params: Params, config: OptimizerConfig) -> None:
        for name, kind, value in (("be", Backend, be), ("params", Params, params), ("config", OptimizerConfig, config)):
            expect_kind(name, kind, value)
        self.params, self._xp = params, be.xp
        update = OPTIMIZERS[config.optimizer]
        dtype = params.values.dtype
        self._moments = {name: be.zeros((params.size,), dtype) for name in ("m", "v") if name in update.arguments}
        self.average = be.empty((params.size,), dtype) if config.average else None
        self.restart_average()
        self.ctl = be.zeros((CONTROL_SIZE,), np.float64)
        self._parts, self._tickets = be.zeros((PARTS,), np.float64), be.zeros((1,), be.index_dtype)
        self._settings = be.from_host(_settings(config, params))
        self._control = be.bind(CONTROL, dtype, P=params.size)
        self._update = be.bind(update, dtype, P=params.size)

    @property
    def flats(self) -> dict[str, Array]:
        """All it keeps of the parameters, (P,) each: "m", "v", the moments that its rule has, and "average"."""
        return self._moments | ({} if self.average is None else {"average": self.average})

    def step(self, loss: Array, scale: Array) -> None:
        """One update with `params.gradients`, at the rate in `ctl[Control.RATE]`. loss: (1,) float64; scale: (1,)."""
        params = self.params
        self._control(params.gradients, self._parts, self._tickets, loss, scale, self._settings, self.ctl)
        average = params.values if self.average is None else self.average  # not looked at where none is kept
        self._update(params.values, params.gradients, *self._moments.values(), average, self._settings, self.ctl)

    def restart_average(self) -> None:
        """Begin the average with the parameters of now."""
        if self.average is not None:
            self.average[...] = self.params.values

    def restart_sums(self) -> None:
        """Set to 0 what the control array sums between log lines."""
        self.ctl[Control.LOSS : Control.SIZE + 1].fill(0)

    def note_change(self, before: Array) -> None:
        """Put into the control array how far the parameters are from what they were `before` (P,), which is used up."""
        xp, ctl = self._xp, self.ctl
        ctl[Control.SIZE : Control.SIZE + 1] = xp.dot(before, before)
        xp.subtract(self.params.values, before, out=before)
        ctl[Control.CHANGE : Control.CHANGE + 1] = xp.dot(before, before)


def _settings(config: OptimizerConfig, params: Params) -> np.ndarray:
    settings = np.zeros(SETTINGS_SIZE)
    settings[Setting.CLIP_NORM], settings[Setting.CLIP_VALUE] = config.clip, config.clip_value
    settings[Setting.DECAY], settings[Setting.DECOUPLED] = config.weight_decay, config.optimizer == "adamw"
    settings[Setting.BETA1] = config.momentum if config.optimizer == "sgd" else config.beta1
    settings[Setting.BETA2], settings[Setting.EPSILON] = config.beta2, config.epsilon
    settings[Setting.MATRICES], settings[Setting.REACH] = params.matrix_size, config.average
    return settings
