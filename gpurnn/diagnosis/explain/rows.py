"""The rows of the page from top to bottom: which numbers each shows, what they are called, and what they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gpurnn.diagnosis.explain.cells import OF_CELLS, At
from gpurnn.diagnosis.explain.story import Story

STATE, ERROR, GRADIENT = "state", "error", "gradient"


@dataclass(frozen=True)
class Row:
    """key: of the numbers. kind: what they are. lines: a label for each line of numbers; across: for each in a line.

    label, equation: how it is written. note: what it is, in a sentence. name: what one of its numbers is called.
    """

    key: str
    kind: str
    label: str
    equation: str
    note: str
    lines: list[str]
    across: list[str]
    name: str = ""


def rows_of(story: Story) -> list[Row]:
    """Forward, then errors, then gradients of each step."""
    rows = [*_states(story), *_errors(story), *_gradients(story)]
    return [replace(row, name=_NAMES.get(row.key, row.label)) for row in rows]


def units_of(story: Story) -> list[str]:
    """A label of each unit."""
    return [str(unit + 1) for unit in range(story.hidden)]


def columns_of(story: Story) -> list[str]:
    """A label of each column of W: the unit of a(t) that it leads to, with its gate."""
    return [f"{gate.lstrip('_')}{unit}" for gate in OF_CELLS[story.cell].gates for unit in units_of(story)]


_NAMES = {
    "dh_out": "∂J/∂h(t), from above",
    "dh_next": "∂J/∂h(t), from step t+1",
    "dh": "∂J/∂h(t)",
    "dc_next": "∂J/∂c(t), from step t+1",
    "dc": "∂J/∂c(t)",
}
"""Where a label only makes sense below the one above it."""
_NOTES = {
    "a": "What the step adds up: a row of U for its symbol, W times the state of the step before, and b.",
    "h": "The hidden state: what the step hands on, to its output and to the step after.",
    "c": "The cell state: what is remembered beside h; past W, it reaches the step after through the forget gate.",
    "g": "The candidate: what the input gate lets into the cell state.",
    "n": "The candidate: what the update gate lets into the hidden state.",
    "q": "What the state of the step before adds to the candidate, before the reset gate takes its share.",
}
_GATE = "A gate: what the step does with its state, for each unit between closed and open."


def _states(story: Story) -> list[Row]:
    told, units = OF_CELLS[story.cell], units_of(story)
    keys = told.forward(At(0, 0, 0, story.hidden, False), 0)
    rows = [
        Row(key, STATE, told.labels[key], told.equations[key], _NOTES.get(key[0], _GATE), units, [""]) for key in keys
    ]
    symbols = story.shown
    return [
        *rows,
        Row("logits", STATE, "o(t)", "o(t) = c + V h(t)", "The output: a number for each symbol.", symbols, [""]),
        Row("y", STATE, "y(t)", "y(t) = softmax o(t)", "The prediction: a probability for each symbol.", symbols, [""]),
        Row(
            "nats", STATE, "loss, nats", "−ln y(t) of the target", "How wrong the step is; J is their mean.", [""], [""]
        ),
    ]


def _errors(story: Story) -> list[Row]:
    told, units = OF_CELLS[story.cell], units_of(story)
    keys = told.backward(At(0, 0, 0, story.hidden, False), 0)
    back = "W ∂J/∂a(t+1)" if told.past is None else "W ∂J/∂a(t+1), of n that of q, + ∂J/∂h(t+1) z(t+1)"
    rows = [
        Row(
            "do",
            ERROR,
            "∂J/∂o(t)",
            "∂J/∂o(t) = (y(t) − 1 at the target) ÷ targets of the window",
            "An error, of this step alone. Where the target does not count, since a document begins after it, it is 0.",
            story.shown,
            [""],
        ),
        Row(
            "dh_out",
            ERROR,
            "∂J/∂h(t): from above",
            "from above = V ∂J/∂o(t)",
            "What the step's own output says.",
            units,
            [""],
        ),
        Row(
            "dh_next",
            ERROR,
            "+ from step t+1",
            f"from step t+1 = {back}",
            "What all later steps of the window say. At its last step it is 0: the seam cuts it. Before a document's "
            "beginning it is 0, too: no state went there, so no error comes back.",
            units,
            [""],
        ),
        Row(
            "dh", ERROR, "= ∂J/∂h(t)", "∂J/∂h(t) = from above + from step t+1", "The whole error of h(t).", units, [""]
        ),
    ]
    state = "The error of the cell state comes back past the gates, without W: so an LSTM can remember for long."
    if "dc" in keys:
        rows.append(Row("dc_next", ERROR, told.labels["dc_next"], told.equations["dc_next"], state, units, [""]))
    note = "An error, of this step alone: times what the step saw it is the step's part of a gradient."
    return rows + [Row(key, ERROR, told.labels[key], told.equations[key], note, units, [""]) for key in keys]


def _gradients(story: Story) -> list[Row]:
    units, columns, one = units_of(story), columns_of(story), [""]
    own = "One step's part of a gradient. The gradient is the sum of these over the window."
    rows = [
        (
            "W",
            "h(t−1) ∂J/∂a(t)",
            own + " Where a step sees no state of before, h(t−1) is 0, and so is this.",
            columns,
            units,
        ),
        (
            "U",
            "x(t) ∂J/∂a(t)",
            own + " x(t) is 1 at the step's symbol, 0 elsewhere: only that row of U gets it.",
            columns,
            one,
        ),
        ("b", "∂J/∂a(t)", own, columns, one),
        ("b_h", "∂J/∂q(t)", own, units, one),
        ("V", "h(t) ∂J/∂o(t)", own + " No later step is in it: windows cut nothing of V.", story.shown, units),
        ("c", "∂J/∂o(t)", own + " No later step is in it: windows cut nothing of c.", story.shown, one),
    ]
    if story.cell == "gru":
        rows[0] = ("W", "h(t−1) ∂J/∂a(t), in the columns of n with ∂J/∂q(t)", *rows[0][2:])
    else:
        del rows[3]
    return [
        Row(f"grad_{name}", GRADIENT, f"(∂J/∂{name})(t)", f"(∂J/∂{name})(t) = {of}", note, lines, across)
        for name, of, note, lines, across in rows
    ]
