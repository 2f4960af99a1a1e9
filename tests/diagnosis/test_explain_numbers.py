"""The numbers of the learner's page: against the equations once more, and against the formulas that it shows."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from network import reference
from network.reference import Lane, Number, derivative

from gpurnn.diagnosis.explain.formulas import PLACES, evaluated, look_up, names_in, printed
from gpurnn.diagnosis.explain.pages import compared
from gpurnn.diagnosis.explain.play import play
from gpurnn.diagnosis.explain.sheet import Sheet
from gpurnn.diagnosis.explain.story import RATE, SEEDS, Story

CELLS = list(SEEDS)
of_cells = pytest.mark.parametrize("cell", CELLS)
Parameters = dict[str, Any]


def near(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-12, atol=1e-13)


@of_cells
@pytest.mark.parametrize("document", [False, True])
@pytest.mark.parametrize(("steps", "renew"), [(4, True), (4, False), (8, True), (3, True), (1, True)])
def test_every_formula_gives_its_number(cell: str, document: bool, steps: int, renew: bool):
    """Exactly, and as a reader reckons it: from the digits that are shown to the digits that are shown."""
    sheet = Sheet(play(Story(cell=cell), steps, renew=renew, document=document))
    places, count = sheet.places, 0
    for name, formula in names_in(sheet.formulas):
        value = look_up(sheet.values, name)
        near(evaluated(formula, lambda of: repr(look_up(sheet.values, of))), value)
        decimals = partial(printed, places=places.get(name, PLACES))
        shown = evaluated(formula, lambda of, shown_as=decimals: shown_as(look_up(sheet.values, of)))
        assert printed(shown) == printed(value), (name, formula)
        count += 1
    assert count > 400


class Window:
    """One window by the scalar equations, in which each step has parameters of its own."""

    def __init__(self, story: Story, theta: Parameters, start: Lane, begin: int, end: int, document: bool) -> None:
        self.cell, self.tokens, self.begin, self.start = story.cell, story.tokens, begin, start
        self.theta = [deepcopy(theta) for _ in range(begin, end)]
        self.carry = [0.0 if t == 0 or (document and t == story.document) else 1.0 for t in range(begin, end)]
        self.weight = [0.0 if document and t + 1 == story.document else 1.0 for t in range(begin, end)]
        self.states, self.logits = self.run()

    def run(self, first: int = 0, start: Lane | None = None) -> tuple[list[Lane], list[list[Number]]]:
        """From its step `first` on, from a state: the states after each step, and the logits."""
        states, logits, lane = [], [], self.start if start is None else start
        for t in range(first, len(self.theta)):
            token = [[self.tokens[self.begin + t]]]
            ((row,),), ((lane,),) = reference.forward(self.cell, self.theta[t], token, [[self.carry[t]]], [[lane]])
            states.append(lane)
            logits.append(row)
        return states, logits

    def loss(self, logits: list[list[Number]], first: int = 0) -> Number:
        """J of the window, as far as steps from `first` on make it."""
        total: Number = 0.0
        for t, row in enumerate(logits, first):
            total = total + self.weight[t] * reference.nats(row, self.tokens[self.begin + t + 1])
        return total / sum(self.weight)

    def of_copies(self, t: int, name: str) -> Any:
        """(∂J/∂θ)(t): θ is a copy of its own at every step."""
        return derivative(lambda: self.loss(self.run()[1]), self.theta[t][name])

    def of_start(self) -> Any:
        """What would go back to h of the window before."""
        start = {name: list(numbers) for name, numbers in self.start.items()}
        return derivative(lambda: self.loss(self.run(0, start)[1]), start["h"])

    def of_output(self, t: int) -> Any:
        row = list(self.logits[t])
        return derivative(lambda: self.loss([row], t), row)

    def of_state(self, t: int, state: str, *, above: bool) -> Any:
        """∂J/∂h(t) or ∂J/∂c(t), the other one held, by the steps after t and, above, by its own output."""
        lane = {name: list(values) for name, values in self.states[t].items()}
        theta = self.theta[t]

        def loss() -> Number:
            V, c = theta["output.V"], theta["output.c"]
            o = [c[k] + reference.dot(lane["h"], V, k) for k in range(len(c))]
            later = self.loss(self.run(t + 1, lane)[1], t + 1)
            return later + self.loss([o], t) if above else later

        return derivative(loss, lane[state])


@of_cells
@pytest.mark.parametrize("document", [False, True])
def test_numbers_are_those_of_the_equations(cell: str, document: bool):
    """Windows, renewal and carried state too: the reference trains by itself."""
    story = Story(cell=cell)
    played = play(story, story.bptt, renew=True, document=document)
    values = Sheet(played).values
    drawn = story.parameters(
        {f"layers.0.{n}" if n in "UWbb_h" else f"output.{n}": a[0].shape for n, a in played.theta.items()}
    )
    theta: Parameters = {name: array.tolist() for name, array in drawn.items()}
    lane: Lane = {name: [0.0] * story.hidden for name in ("h", "c") if name in played.steps}
    sent = None
    for w, (begin, end) in enumerate(pairwise(played.begins)):
        window = Window(story, theta, lane, begin, end, document)
        short = {name.split(".")[-1]: name for name in theta}
        gradient = {}
        for name, full in short.items():
            near(values[f"theta_{name}"][w], theta[full])
            parts = [window.of_copies(t, full) for t in range(end - begin)]
            gradient[full] = sum(np.array(part) for part in parts)
            for t, part in enumerate(parts, begin):
                near(values[f"grad_{name}"][t], part[story.tokens[t]] if name == "U" else part)
            near(values[f"sum_{name}"][w], gradient[full])
        for t in range(begin, end):
            at = t - begin
            near(values["logits"][t], window.logits[at])
            near(values["do"][t], window.of_output(at))
            near(values["dh"][t], window.of_state(at, "h", above=True))
            near(values["dh_next"][t], window.of_state(at, "h", above=False))
            near(np.array(values["dh_out"][t]) + values["dh_next"][t], values["dh"][t])
            for state in lane:
                near(values[state][t], window.states[at][state])
            if "c" in lane:
                near(values["dc_next"][t], window.of_state(at, "c", above=False))
            near(values["nats"][t], reference.nats(window.logits[at], story.tokens[t + 1]))
        near(values["loss"][w], window.loss(window.logits))
        if w:
            sent = window.of_start()
            near(values["cut_h"][w], sent)
        theta = {name: (np.array(theta[name]) - RATE * gradient[name]).tolist() for name in theta}
        lane = window.states[-1]
    assert sent is not None and max(map(abs, sent)) > 0.01
    for name, full in short.items():
        near(values[f"theta_{name}"][-1], theta[full])


@of_cells
def test_a_document_that_begins_at_the_seam_gets_nothing_and_sends_nothing(cell: str):
    story = Story("abcd efgh", cell=cell, bptt=5)
    assert story.document == 5
    values = Sheet(play(story, 5, renew=False, document=True)).values
    assert not np.any(values["grad_W"][5]) and np.any(values["grad_U"][5])
    assert not np.any(values["cut_h"][1])
    assert not np.any(values["do"][4])


@of_cells
def test_the_run_teaches(cell: str):
    """What the seeds were chosen for: shorter windows cut more, and it shows in every digit that is looked at."""
    story = Story(cell=cell)
    whole = play(story, story.steps, renew=False, document=False).mean_gradient["W"]
    found = {}
    for steps in (1, 2, 4, 8):
        mean = play(story, steps, renew=False, document=False).mean_gradient["W"]
        found[steps] = compared(mean, whole)
    assert found[1]["difference"] > found[2]["difference"] > found[4]["difference"] > 0.25
    assert found[1]["cosine"] < found[2]["cosine"] < found[4]["cosine"] < 0.96
    assert found[8]["difference"] < 1e-12
    renewed, same = (play(story, 4, renew=renew, document=False) for renew in (True, False))
    assert np.linalg.norm(renewed.cut["h"][1]) > 0.4 * np.linalg.norm(renewed.steps["dh_out"][3])
    assert renewed.losses[0] == same.losses[0] > renewed.losses[1]
    assert renewed.losses[1] < same.losses[1] - 0.1
    np.testing.assert_array_equal(renewed.steps["h"][3], same.steps["h"][3])
    assert np.abs(np.array(whole)).max() > 0.05
    assert np.abs(np.array(renewed.steps["h"])).max() < 0.93


def test_v_and_c_lose_nothing_at_any_seam():
    story = Story()
    whole = play(story, story.steps, renew=False, document=False).mean_gradient
    for steps in range(1, story.steps):
        mean = play(story, steps, renew=False, document=False).mean_gradient
        for name in ("V", "c"):
            near(mean[name], whole[name])
        assert compared(mean["W"], whole["W"])["difference"] > 0.01
