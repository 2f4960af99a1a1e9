"""The NumPy-style bodies of `gpurnn.network.heads.ctc`: all lanes at once, step by step.

A string of m labels has the states blank 0 .. m and, each between two of these, label 1 .. m. alpha, beta: (B, L) of
blanks and (B, L) of labels, of which 0 is none. alpha(t) of a state: the log of the sum over all ways to it, from the
first step of its sequence to step t; beta(t): of the sum over all ways on from it, behind step t to the last one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpurnn.backend import Argument, Array

NEVER = -1e300
"""The log of 0: a number, so that the difference of two is one."""
LEAST = -1e6
"""The log of any y that is less: whatever finite numbers the outputs are, sums keep their digits behind the point."""
_NB, _B, _BL, _BK = ("N", "B"), ("B",), ("B", "L"), ("B", "K")
SCRATCH = {
    "since": Argument(_NB, "index"),
    "left": Argument(_NB, "index"),
    "labels": Argument(_NB, "index"),
    "nats": Argument(_NB, "double"),
    "share": Argument(_NB, "double"),
    "logs": Argument(_BK, "double"),
    "y": Argument(_BK, "double"),
    "string": Argument(_BL, "index"),
    "places": Argument(_BL, "index"),
    "apart": Argument(_BL, "flag"),
    "own": Argument(_BL, "double"),
    "blanks": Argument(_BL, "double"),
    "marks": Argument(_BL, "double"),
    "of_blanks": Argument(_BL, "double"),
    "of_marks": Argument(_BL, "double"),
    "flags": Argument(_BL, "flag"),
    "number": Argument(("L",), "range"),
    "lane": Argument(_B, "range"),
    "flag": Argument(_B, "flag"),
    "other": Argument(_B, "flag"),
    "count": Argument(_B, "index"),
    "one": Argument(("B", "1"), "double"),
    "two": Argument(_B, "double"),
}


class Scratch(NamedTuple):
    """Of each step: since, left: how many steps of its sequence are before it, and how many are not; labels: m of it.

    nats: the loss of its string; share: Σ weight / m; both 0 where there is no loss. Of the step at hand: logs, y: log
    y and y; string: the labels from the first one on; places: where they stand in y; apart: whether each is another
    than the one before; own: log y of each. blanks, marks: of the states, one step before or behind; of_blanks,
    of_marks: likewise, of the step at hand. The rest holds from line to line.
    """

    since: Array
    left: Array
    labels: Array
    nats: Array
    share: Array
    logs: Array
    y: Array
    string: Array
    places: Array
    apart: Array
    own: Array
    blanks: Array
    marks: Array
    of_blanks: Array
    of_marks: Array
    flags: Array
    number: Array
    lane: Array
    flag: Array
    other: Array
    count: Array
    one: Array
    two: Array


def find_losses(
    xp: Any, o: Array, target: Array, carry: Array, weight: Array, losses: Array, alphas: Array, s: Scratch
) -> None:
    """losses, alphas: overwritten, and what `s` has of each step. The rest: read only."""
    blank, most = o.shape[2] - 1, alphas.shape[2] // 2 - 1
    _find_strings(xp, target, carry, weight, blank, most, s)
    for t in range(len(o)):
        _look_at(xp, o, target, t, s)
        _alphas(xp, alphas[t], t, s)
        _at_last_step(xp, t, s)
    for t in reversed(range(len(o))):
        xp.not_equal(s.left[t], 1, out=s.flag)
        for of_sequence in (s.nats, s.share):
            xp.copyto(of_sequence[t], of_sequence[(t + 1) % len(o)], where=s.flag)
        xp.divide(s.nats[t], xp.maximum(s.labels[t], 1, out=s.count), out=s.two)
        xp.copyto(s.two, 0, where=_holds_none(xp, t, s))
        losses[t] = s.two


def find_errors(xp: Any, o: Array, target: Array, scale: Array, alphas: Array, s: Scratch) -> None:
    """o: overwritten with its error, after `find_losses`. The rest: read only."""
    width = alphas.shape[2] // 2
    for beta in (s.blanks, s.marks):
        beta.fill(NEVER)
    for t in reversed(range(len(o))):
        _look_at(xp, o, target, t, s)
        _betas(xp, t, s)
        xp.exp(s.logs, out=s.y)
        for alpha, beta, occupancy in (
            (alphas[t, :, :width], s.of_blanks, s.blanks),
            (alphas[t, :, width:], s.of_marks, s.marks),
        ):
            xp.add(alpha, beta, out=occupancy)
            xp.add(occupancy, s.nats[t][:, None], out=occupancy)
            xp.exp(occupancy, out=occupancy)
        xp.sum(s.blanks, axis=1, keepdims=True, out=s.one)
        xp.subtract(s.y[:, -1:], s.one, out=s.y[:, -1:])
        s.blanks[:, :-1] = s.marks[:, 1:]
        s.blanks[:, -1] = 0
        xp.subtract.at(s.y.reshape(-1), s.places, s.blanks)
        xp.multiply(s.share[t], scale, out=s.two)
        xp.multiply(s.y, s.two[:, None], out=s.y)
        xp.copyto(s.y, 0, where=xp.equal(s.two, 0, out=s.flag)[:, None])
        o[t] = s.y
        xp.add(s.of_blanks, s.logs[:, -1:], out=s.blanks)
        xp.add(s.of_marks[:, 1:], s.own[:, :-1], out=s.marks[:, 1:])


def _begins(xp: Any, carry: Array, t: int, lanes: Array) -> Array:
    """`lanes`, overwritten: those that begin a sequence at step t; behind the last step all do."""
    if 0 < t < len(carry):
        xp.equal(carry[t, :, 0], 0, out=lanes)
    else:
        lanes.fill(True)
    return lanes


def _holds_none(xp: Any, t: int, s: Scratch) -> Array:
    """The lanes where step t holds no label. The first of a sequence that has none counts as if it held one."""
    return xp.greater_equal(s.since[t], xp.maximum(s.labels[t], 1, out=s.count), out=s.flag)


def _find_strings(xp: Any, target: Array, carry: Array, weight: Array, blank: int, most: int, s: Scratch) -> None:
    """since, left, labels of all steps; share: Σ weight of those up to each step that hold a label."""
    for t in reversed(range(len(target))):
        ends = _begins(xp, carry, t + 1, s.flag)
        for behind in (s.left, s.labels):
            xp.add(behind[(t + 1) % len(target)], 1, out=behind[t])
            xp.copyto(behind[t], 1, where=ends)
        xp.copyto(s.labels[t], 0, where=xp.equal(target[t], blank, out=s.flag))
    for t in range(len(target)):
        begin = _begins(xp, carry, t, s.flag)
        xp.add(s.since[t - 1], 1, out=s.since[t])
        s.share[t] = s.share[t - 1]
        for before in (s.since, s.share):
            xp.copyto(before[t], 0, where=begin)
        xp.minimum(s.labels[t], most, out=s.labels[t])
        xp.copyto(s.labels[t], s.labels[t - 1], where=xp.logical_not(begin, out=s.other))
        s.two[...] = weight[t]
        xp.copyto(s.two, 0, where=_holds_none(xp, t, s))
        xp.add(s.share[t], s.two, out=s.share[t])


def _look_at(xp: Any, o: Array, target: Array, t: int, s: Scratch) -> None:
    """logs, string, places, apart and own of step t."""
    s.logs[...] = o[t]
    xp.amax(s.logs, axis=1, keepdims=True, out=s.one)
    xp.subtract(s.logs, s.one, out=s.logs)
    xp.exp(s.logs, out=s.y)
    xp.sum(s.y, axis=1, keepdims=True, out=s.one)
    xp.subtract(s.logs, xp.log(s.one, out=s.one), out=s.logs)
    xp.maximum(s.logs, LEAST, out=s.logs)
    xp.subtract(t, s.since[t], out=s.count)
    xp.add(s.count[:, None], s.number, out=s.places)
    xp.minimum(s.places, len(target) - 1, out=s.places)
    xp.multiply(s.places, target.shape[1], out=s.places)
    xp.add(s.places, s.lane[:, None], out=s.places)
    xp.take(target.reshape(-1), s.places, out=s.string, mode="clip")
    xp.not_equal(s.string[:, 1:], s.string[:, :-1], out=s.apart[:, 1:])
    s.apart[:, 0] = True
    xp.multiply(s.lane, o.shape[2], out=s.count)
    xp.add(s.count[:, None], s.string, out=s.places)
    xp.take(s.logs.reshape(-1), s.places, out=s.own, mode="clip")


def _alphas(xp: Any, alpha: Array, t: int, s: Scratch) -> None:
    """alpha: (B, 2L), of step t, overwritten; blanks, marks: those of the step before, overwritten with it."""
    width = alpha.shape[1] // 2
    begin = xp.equal(s.since[t], 0, out=s.flag)[:, None]
    for before in (s.blanks, s.marks):
        xp.copyto(before, NEVER, where=begin)
    xp.copyto(s.blanks[:, :1], 0, where=begin)
    ways = xp.logaddexp(s.blanks, s.marks, out=s.of_blanks)
    xp.copyto(s.blanks, ways, where=s.apart)
    xp.logaddexp(s.marks[:, 1:], s.blanks[:, :-1], out=s.marks[:, 1:])
    xp.add(s.marks[:, 1:], s.own[:, :-1], out=s.marks[:, 1:])
    xp.add(ways, s.logs[:, -1:], out=s.blanks)
    alpha[:, :width], alpha[:, width:] = s.blanks, s.marks


def _at_last_step(xp: Any, t: int, s: Scratch) -> None:
    """nats, share: of the strings of sequences that end with step t; of others anything."""
    labels = s.labels[t]
    xp.equal(s.number, labels[:, None], out=s.flags)
    for last, total in ((s.blanks, s.two), (s.marks, s.nats[t])):
        s.of_marks.fill(NEVER)
        xp.copyto(s.of_marks, last, where=s.flags)
        xp.amax(s.of_marks, axis=1, out=total)
    xp.logaddexp(s.nats[t], s.two, out=s.nats[t])
    xp.negative(s.nats[t], out=s.nats[t])
    xp.less(s.number, labels[:, None], out=s.flags)
    xp.greater(s.flags, s.apart, out=s.flags)
    xp.sum(s.flags, axis=1, out=s.count)
    xp.add(s.count, labels, out=s.count)
    xp.subtract(s.count, 1, out=s.count)
    unfit = xp.greater(s.count, s.since[t], out=s.flag)
    xp.add(s.share[t], labels, out=s.two)
    xp.logical_or(unfit, xp.equal(s.two, 0, out=s.other), out=unfit)
    xp.divide(s.share[t], xp.maximum(labels, 1, out=s.count), out=s.share[t])
    for of_sequence in (s.nats, s.share):
        xp.copyto(of_sequence[t], 0, where=unfit)


def _betas(xp: Any, t: int, s: Scratch) -> None:
    """of_blanks, of_marks: overwritten with beta of step t. blanks, marks: beta and log y of the next step; used up."""
    xp.logaddexp(s.blanks[:, :-1], s.marks[:, 1:], out=s.of_blanks[:, :-1])
    s.of_blanks[:, -1] = s.blanks[:, -1]
    xp.copyto(s.blanks, s.of_blanks, where=s.apart)
    xp.logaddexp(s.marks, s.blanks, out=s.of_marks)
    ends = xp.equal(s.left[t], 1, out=s.flag)[:, None]
    xp.equal(s.number, s.labels[t][:, None], out=s.flags)
    xp.logical_and(s.flags, ends, out=s.flags)
    for beta in (s.of_blanks, s.of_marks):
        xp.copyto(beta, NEVER, where=ends)
        xp.copyto(beta, 0, where=s.flags)
    s.of_marks[:, 0] = NEVER
