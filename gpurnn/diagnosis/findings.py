"""What measures mean: the level and the sentence of each, all in one place.

Levels: "info", nothing to do; "note", something to know or to try; "warning", something is wrong; "none", not measured,
and the sentence says why. A gradient that windows cut is never more than a note: what is missing of it need not be
missing in quality. Sentences name settings as messages do, see `gpurnn.exceptions`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpurnn.data.told import counted
from gpurnn.diagnosis.again import Again
from gpurnn.diagnosis.history import History, Updates
from gpurnn.diagnosis.reach import Fall, Reach
from gpurnn.diagnosis.recovery import JUDGED_FROM, FromZero
from gpurnn.diagnosis.text import TextCost
from gpurnn.diagnosis.units import Units
from gpurnn.diagnosis.whole import Word
from gpurnn.diagnosis.window import ALL, WindowCut
from gpurnn.diagnosis.worth import LITTLE, Worth
from gpurnn.training.config import TrainConfig

LEVELS = ("none", "info", "note", "warning")
"""Rising."""
GOOD, FAIR = 0.98, 0.9
"""Cosines of a gradient through windows with the whole one, from which on there is nothing to say, and little."""
_DEAD, _EXTREME = 0.05, 0.5
_HIGH, _LOW = 1.5e-2, 1e-4
"""Between these ratios of an update to the parameters most trainings lie by far."""
_BLIND = 1.1
"""A network that begins costs about what no knowledge does; one that costs so many times as much does harm."""
_FIRST = 100
"""Before so many windows parameters are small and updates large, also where the loss falls as it should."""
_FEW = 16
"""Errors that grow over fewer lags do not explode: they may fall behind these."""
_OFTEN, _ABOVE, _OF_FALL = 0.5, 0.2, 0.02
"""Clipping that acts in more of the windows, or a loss that is by more of it above its lowest: the rate is too high.

A loss near 0 may be many times its lowest, and still next to nothing of all that it fell.
"""


@dataclass(frozen=True)
class Finding:
    """What is said of a measure."""

    level: str
    sentence: str


def why_not_asked(question: str, kind: str, config: TrainConfig) -> str:
    """Why a panel says nothing of what is not read at any place. kind: of what was learnt."""
    if kind == "captions" and config.layout == "through":
        return "it is not told of captions that go on from one window to the next"
    whole = "windows hold pieces of sequences" if config.cut else "windows hold whole sequences"
    if question == "window":
        return f"{whole}, which begin anew, so that no gradient is cut"
    return f"{whole}, each of which begins anew, so that no state is carried from one window to the next"


def of_recovery(found: FromZero, unit: str, example: str, carried: int | None, kind: str = "text") -> Finding:
    """example: where one that is stuck begins. carried: how many lanes of training are stuck. kind: what is learnt."""
    lanes = f"; lanes of training that are stuck: {carried}" if carried else ""
    starts, stuck = len(found.starts), int(found.stuck.sum())
    if not stuck:
        most = 1 - 0.05 ** (1 / starts)
        return Finding(
            "warning" if carried else "info",
            f"all {starts} starts from an empty state recovered (so at most {most:.1%} do not, with 95 %){lanes}",
        )
    told = f"{stuck} of {starts} starts from an empty state never recovered"
    if not math.isfinite(found.worst):
        return Finding(
            "warning", f"{told}: their losses are not finite, the model has diverged; try another checkpoint"
        )
    if kind == "series":
        told += (
            f": {JUDGED_FROM} steps later forecasts still cost more than twice as much as with the state carried on, "
            f"up to {found.worst:.2g} ({unit})"
        )
    else:
        told += f" (up to {_short(found.worst, 1)} {unit} a target)"
    return Finding(
        "warning",
        f"{told}, one at {example}; a {'sample' if kind == 'text' else 'prediction'} begins so: train longer, with "
        f"`restart` above 0, and look again{lanes}",
    )


def of_worth(found: Worth, unit: str, kind: str = "text", burn_in: int = 0) -> Finding:
    """unit: of the loss. kind: what is learnt. burn_in: how many steps from an empty state training leaves out."""
    if not found.starts or math.isnan(found.lost[0]):
        return Finding("none", "not measured: no start recovered")
    if found.harm is not None:
        steps = found.positions[found.harm]
        return Finding(
            "warning",
            f"the carried state does harm: with it a target costs {-found.lost[found.harm]:.2g} more, of "
            f"{found.carried:.2g} ({unit}), than with a state of {steps} step{'s' * (steps != 1)}; what was learnt of "
            "what lies further back does not hold here: where it overfits, use the best checkpoint, more `dropout`, or "
            "stop earlier (`patience`)",
        )
    if not found.used or found.beyond == 0:  # of text alone it is known that what lies further back tells something
        told = f"the carried state is worth nothing beyond the last 2 steps (at 2 back {found.lost[2]:.2g} {unit}): "
        if kind != "text":
            told += "either steps further back tell nothing, or "
        told += "the network does not use it; if the rate is not too high train longer, or with longer windows (`bptt`)"
        return Finding("warning" if kind == "text" else "note", told)
    if kind == "series":
        return _of_forecasts(found, unit, burn_in)
    first = f"a state of 1 step is worth {found.lost[1]:.2g} {unit} less than the whole one"
    if found.beyond is None:
        return Finding("info", f"{first}; what lies {found.positions[-1]} steps back still counts")
    return Finding("info", f"{first}; what lies more than {found.beyond} steps back is worth less than {LITTLE} {unit}")


def _of_forecasts(found: Worth, unit: str, burn_in: int) -> Finding:
    """Their loss has no scale of its own, so what they cost is told beside it."""
    told = (
        f"a forecast from a state of 1 step costs {found.lost[1]:.2g} more than one from the whole state, which costs "
        f"{found.carried:.2g} ({unit})"
    )
    if burn_in > 1:
        told += f"; the first {burn_in} steps are not learnt"
    if found.beyond is None:
        return Finding("info", f"{told}; what lies {found.positions[-1]} steps back still counts")
    return Finding(
        "info", f"{told}; what lies more than {found.beyond} steps back is worth less than {LITTLE:.0%} of the loss"
    )


def with_what_comes_again(finding: Finding, found: Again, steps: int, unit: str) -> Finding:
    """The same with what the network lacks of a symbol further back. steps: of a window. unit: of the loss."""
    if found.lag is None:
        return finding
    shown, needed = max(0.0, 1 - found.lag / steps), _showing(found.lag, steps)
    advice = "train longer" if needed == steps else f"try longer ones: `bptt={needed}`"
    return Finding(
        "note" if finding.level == "info" else finding.level,
        f"{finding.sentence}; the symbol of {found.lag} steps back comes again more often than the network "
        f"expects: if it did, the loss would be {found.fall[found.lag]:.2g} of {found.loss:.2g} {unit} lower; windows "
        f"of {steps} show it to {shown:.0%} of the targets: {advice}",
    )


def _showing(lag: int, steps: int) -> int:
    """How long windows have to be, doubled as often as it takes, until a third of the targets sees such a lag."""
    while lag > steps * 2 / 3:
        steps *= 2
    return steps


def of_units(found: Units, epochs: float) -> Finding:
    """Those that never move, those that stand at their ends, and gates."""
    dead, units = sum(found.dead.values()), sum(found.units.values())
    extreme = max(found.extreme.values())
    sentence = f"{dead} of {units} hidden units hardly move, {extreme:.0%} of values are at +-1"
    gates = [f"{name} {gate.open:.0%} open, {gate.closed:.0%} closed" for name, gate in found.gates.items()]
    if gates:
        sentence += f"; gates: {', '.join(gates[:4])}{' ...' if len(gates) > 4 else ''}"
    if extreme > _EXTREME:  # they do not move because of that
        advice = "a lower `lr` helps" if found.gates else "a lower `lr` or a gated `cell` helps"
        return Finding("note", f"{sentence}; such units pass little error back: {advice}")
    if dead > _DEAD * units and not epochs < 1:
        return Finding("note", f"{sentence}; a smaller `hidden` might do as well")
    return Finding("info", sentence + (_young(epochs) if dead else ""))


def of_text(found: TextCost, unit: str, given: float | None, symbols: int) -> Finding:
    """The dearest classes. given: the mean loss of a text that somebody gave, None without. symbols: there are."""
    dearest = sorted(found.classes.items(), key=lambda item: -item[1].share)[:3]
    told = ", ".join(f"{name} {cost.share:.0%} ({_short(cost.each, 2)} each)" for name, cost in dearest)
    mean = found.total / found.targets
    told += f"; the hardest 1 % of targets carry {found.hardest:.0%}"
    blind, level = math.log(symbols), "info"
    if mean > _BLIND * blind:
        level = "warning"
        told += f"; to take all {symbols:,} symbols for alike costs {blind:.3f}: it has diverged, or fits another text"
    own = "" if given is None else f"; of the text that was given {_short(given, 3)} each"
    return Finding(level, f"{_short(mean, 3)} {unit} a target: {told}{own}")


def _short(value: float, digits: int) -> str:
    """So many digits behind the point, but of what is beyond all sense only how large it is."""
    return f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.1e}"


def slowest(found: Reach) -> tuple[str, Fall]:
    """The hidden state whose errors fall least in a step, by its name."""
    hidden = {name: fall for name, fall in found.falls.items() if name.endswith(".dh")}
    return max(hidden.items(), key=lambda item: -1 if math.isnan(item[1].beta) else item[1].beta)


def of_reach(found: Reach, clipped: float | None, epochs: float, of: str = "target") -> Finding:
    """clipped: the share of updates that were clipped, where that is known. of: what the errors are of."""
    name, slow = slowest(found)
    if math.isnan(slow.beta):
        return Finding(
            "note",
            f"the error of a {of} does not go back at all: every {of} sees its own step only; either units stand at "
            "their ends (see units), or nothing of before is used",
        )
    if math.isinf(slow.beta):
        return Finding(
            "warning",
            f"the error of a {of} is not finite: it explodes, or the model has diverged; try another checkpoint, or a "
            "lower `lr` or `clip`",
        )
    lags = len(slow.median)
    if slow.beta >= 1 and lags < _FEW:
        return Finding("info", f"the error of a {of} does not fall within the {lags} steps that a sequence has")
    if slow.beta >= 1:
        alive = "what keeps training alive is clipping" if clipped is None or clipped > 0 else "clipping did not act"
        acted = f", which acted in {clipped:.0%} of updates" if clipped else ""
        return Finding(
            "warning",
            f"errors grow by {slow.beta:.3f} a step back: they explode; {alive}{acted}; lower `lr` or `clip`, or begin "
            "with smaller weights",
        )
    where = f" in {name.removesuffix('.dh')}" if len({n.rsplit(".", 1)[0] for n in found.falls}) > 1 else ""
    way = "ahead" if ".reverse." in name else "back"
    sentence = f"the error of a {of} halves every {slow.half:.1f} steps {way}{where}"
    if not slow.half < lags:
        sentence = f"more than half of the error of a {of} is left {lags - 1} steps {way}{where}"
    elif slow.one_percent is None:
        sentence += f"; more than 1 % is left after {lags - 1}"
    else:
        few = f"more than {lags - 1}" if slow.one_percent_of_few is None else slow.one_percent_of_few
        sentence += f"; 1 % is left after {slow.one_percent} for half of the {of}s, after {few} for all but a tenth"
    aside = f" ({found.stuck} stuck lanes set aside)" if found.stuck else ""
    return Finding("info", sentence + aside + _young(epochs))


def with_words(finding: Finding, words: Sequence[Word]) -> Finding:
    """The same with the words that decide targets."""
    if not words:
        return finding
    told = ", ".join(f"{each.word!a} {each.share:.0%}" for each in words[:5])
    return Finding(finding.level, f"{finding.sentence}; the error falls most on the words {told}")


def _young(epochs: float) -> str:
    return "; the network is young, look again after an epoch" if epochs < 1 else ""


def recurrent_matrix(found: WindowCut) -> str:
    """Of the matrices W the one of whose gradient windows keep least; all parameters where there is none."""
    names = [name for name in found.kept if name.endswith(".W")]
    known = [name for name in names if not math.isnan(found.kept[name].cosine[found.own])]
    return min(known or names, key=lambda name: found.kept[name].cosine[found.own], default=ALL)


def of_window(found: WindowCut, shares: np.ndarray | None, epochs: float, again: Again | None = None) -> Finding:
    """shares: of the gradient of that matrix by lag; again: what text lacks further back, where they are known."""
    name, own = recurrent_matrix(found), found.own
    steps = found.widths[own]
    kept = found.kept[name]
    share, cosine = kept.share[own], kept.cosine[own]
    shown = _hardly_shown(again, steps)
    if math.isnan(cosine):
        told = f"the gradient of {name} is 0, or not finite, through windows of any length"
        return Finding("note", told + (shown or ": how long they have to be is not known"))
    sentence = f"windows of {steps} keep {share:.0%} of the gradient of {name} (cosine {cosine:.2f})"
    if shares is not None and len(shares) > steps and np.isfinite(shares).all():
        mean = float(np.arange(len(shares)) @ shares)
        sentence += f", of which {min(1.0, shares[: steps + 1].sum()):.0%} comes from at most {steps} steps back"
        if mean > 0:  # few targets may outweigh the others, and point against them
            sentence += f": targets early in a window see little of it, the rest goes like {mean:.1f}/T"
    if shown:
        return Finding("note", sentence + shown + _young(epochs))
    if cosine >= GOOD:
        return Finding("info", sentence + _young(epochs))
    enough = next((n for n in range(own + 1, len(found.widths)) if kept.cosine[n] >= GOOD), len(found.widths) - 1)
    longer = found.widths[enough]
    sentence += f"; {longer} would keep {kept.share[enough]:.0%} at {longer // steps} times the memory; "
    if again is not None and math.isfinite(again.loss) and again.lag is None and steps < len(again.fall):
        most = max(0.0, again.fall[steps:].max())
        sentence += (
            f"little is to be gained as far as single symbols show: none of more than {steps} steps back comes again "
            f"unexpectedly (to know would save {most:.1g} of {again.loss:.2g} at most); "
        )
    return Finding(
        "note", f"{sentence}whether that lowers the loss only training shows: `bptt={longer}`{_young(epochs)}"
    )


def _hardly_shown(again: Again | None, steps: int) -> str:
    """What windows are too short for, and which ones are not."""
    if again is None or again.lag is None or _showing(again.lag, steps) == steps:
        return ""
    return f"; they hardly show what comes again {again.lag} steps back: `bptt={_showing(again.lag, steps)}`"


def of_run(log: History | None, updates: Updates | None, why_not: str) -> Finding:
    """why_not: why there is no log, or why there are no updates, where there are none."""
    if log is None and updates is not None:
        next_ones, clipped = counted(len(updates.ratio), "update"), updates.clipped.mean()
        ratio = np.median(updates.ratio)
        return Finding(
            "info",
            f"{why_not}; of its next {next_ones} {clipped:.0%} are clipped, one moves the parameters by {ratio:.1g} of "
            "their size",
        )
    if log is None:
        return Finding("none", f"not measured: {why_not}")
    level, told, high = "info", [], False
    losses = (("training loss", log.loss), ("validation", log.last))
    known = ", ".join(f"{name} {_short(each, 3)}" for name, each in losses if each is not None)
    told.append(f"after {counted(log.windows, 'window')} {known or 'no loss that is finite'}")
    if log.overfitting:
        level = "warning"
        told.append(
            f"validation was no better for {log.worse} validations while the training loss fell: it overfits; use the "
            f"best checkpoint (window {log.best_window:,}), more `dropout`, or stop earlier (`patience`)"
        )
    if log.divergences or log.skipped:
        level, high = "warning", True
        ran = f"the loss ran away {counted(log.divergences, 'time')}" if log.divergences else ""
        were = "was" if log.skipped == 1 else "were"
        skipped = f"{counted(log.skipped, 'window')} {were} skipped" if log.skipped else ""
        told.append(f"{', '.join(filter(None, (ran, skipped)))}: the rate is too high, lower `lr` or `clip`")
    if _rose(log):
        level, high = "warning", True
        told.append(f"that is far above its lowest, {_short(log.lowest or 0, 3)}: the rate is too high, lower `lr`")
    told.append(_clip(log, updates))
    if log.clipped > _OFTEN:
        level, high = "warning" if level == "warning" else "note", True
        told[-1] += ": a lower `lr` trains more steadily"
    ratio = log.ratio if updates is None else float(np.median(updates.ratio))
    if ratio == 0:
        level = "warning"
        told.append("its updates change no parameter")
    elif ratio is not None:
        told.append(f"an update moves the parameters by {ratio:.1g} of their size")
        if ratio > _HIGH and log.windows < _FIRST and _falls(log):
            told[-1] += f", as in the first {_FIRST} windows of many trainings"
        elif ratio > _HIGH:
            level, high = "warning" if level == "warning" else "note", True
            told[-1] += ", which is much: try a lower `lr`"
        elif ratio < _LOW:
            level = "warning" if level == "warning" else "note"
            told[-1] += ", which is little: it hardly learns any more; a higher `lr`, or it is done"
    if high:
        told.append(f"a quarter of it is `lr={log.rate / 4:.3g}`")
    if why_not:
        told.append(why_not)
    return Finding(level, "; ".join(each for each in told if each))


def _falls(log: History) -> bool:
    """Whether the last loss is the lowest of more than one."""
    losses = [loss for loss in log.curve.loss if loss is not None]
    return len(losses) > 1 and log.loss is not None and log.loss < min(losses[:-1])


def _rose(log: History) -> bool:
    """Whether the loss is far above its lowest, beside that and beside all that it fell."""
    losses = [loss for loss in log.curve.loss if loss is not None]
    if log.lowest is None or log.loss is None or not losses:
        return False
    rise = log.loss - log.lowest
    return rise > _ABOVE * abs(log.lowest) and rise > _OF_FALL * (max(losses) - log.lowest)


def _clip(log: History, updates: Updates | None) -> str:
    if not log.clip or math.isnan(log.norm):
        return ""
    if log.clipped:
        return f"`clip={log.clip:g}` acted in {log.clipped:.0%} of the windows (largest norm {log.norm:.2g})"
    if updates is not None and updates.clipped.any():
        return f"`clip={log.clip:g}` acted in {updates.clipped.mean():.0%} of the next updates"
    return f"`clip={log.clip:g}` never acted (largest norm {log.norm:.2g})"
