"""The points that the soak shows: what each runs, how often, and what it counts."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from faults import devices, fulldisk
from faults.shim import call
from faults.signals import KINDS
from faults.tally import Tally
from faults.walk import ACTIONS
from gpurnn.network.cells import CELLS

ERRORS = [name for name in ACTIONS if name not in ("kill", "torn")]
CALLS = 20_000  # wrong calls a process
TABLES = 25_000  # fuzzed tables a process
CHUNK = 50_000  # fuzzed checkpoints a process
LABELLED = ("LABELS_BOTH", "LABELS_CUT", "LABELS_THROUGH", "TAGS_BOTH", "TAGS_CONTEXT", "TAGS_THROUGH")
"""Scenarios of `faults.labelledruns`."""
PAIRS = ("PAIRS_BOTH", "PAIRS_ATTENTION", "CAPTIONS", "CAPTIONS_THROUGH")
"""Scenarios of `faults.pairruns`."""
FRAMES = ("FRAMES_BOTH", "FRAMES_ONE")
"""Scenarios of `faults.frameruns`."""
SHORTEST = 120  # windows of a run that is cut: more than an epoch


def kills(tally: Tally) -> None:
    """kill -9: whole or in the middle of a write, at every call of a save and of training; then at random."""
    for scenario in ("faults.scenarios:SAVE", "faults.training:SHORT"):
        every = 1 if scenario.endswith("SAVE") or tally.scale >= 0.1 else 9
        report = tally.run("faults.walk:walk", scenario=scenario, actions=["kill", "torn"], every=every)
        tally.fixed[f"kills at calls, {scenario[7:]}"] = report["fired"]
    report = tally.run(
        "faults.cases:kill_randomly",
        scenario="faults.training:GOING",
        count=tally.share(3000),
        seed=tally.seed,
        longest=0.25,
    )
    tally.add("random kills", report["cases"])


def faults(tally: Tally) -> None:
    """Errors at calls, once and from then on; and disks that are full for good."""
    tally.add("injected faults", 0)
    for scenario, every in (
        ("scenarios:SAVE", 1),
        ("scenarios:CREATE", 1),
        ("preparing:OVER", 2),
        ("preparing:SERIES", 2),
        ("preparing:LABELLED", 2),
        ("preparing:PAIRED", 2),
        ("preparing:FRAMED", 2),
        ("training:SHORT", 5),
    ):
        every = every if tally.scale >= 0.1 or every == 1 else 29
        report = tally.run("faults.walk:walk", scenario=f"faults.{scenario}", actions=ERRORS, every=every)
        tally.add("injected faults", report["fired"])
    for scenario, count in tally.shares({"scenarios:SAVES": 100, "training:LARGE": 50}):
        report = tally.run(
            "faults.fulldisk:fill",
            preload=False,
            prefix=fulldisk.prefix(),
            scenario=f"faults.{scenario}",
            count=count,
            seed=tally.seed,
        )
        tally.add("full disks", report["cases"])
        tally.add("full disks reported", report["reported"])


def power(tally: Tally) -> None:
    """States that a loss of power may leave, of a series of saves and of training."""
    for scenario, count in tally.shares({"scenarios:HISTORY": 6000, "training:HISTORY": 4000}):
        report = tally.run("faults.powerloss:replay", scenario=f"faults.{scenario}", count=count, seed=tally.seed)
        tally.add("states", report["states"])


def cuts(tally: Tally) -> None:
    """Killed and resumed against not killed, for each cell on each device that is here, two cells at a time."""
    windows = max(SHORTEST, round(1000 * tally.scale))
    for device, what in devices.available().items():
        chained = device != "cpu" and not devices.real()  # a window of the emulated device is slow
        tally.facts |= {f"windows, {what}": windows, f"runs, {what}": "two a cell" if chained else "one a cut"}

        def run(cell: str, device: str = device, chained: bool = chained) -> dict[str, Any]:
            cell_on = {"cell": cell, "device": device, "windows": windows, "chained": chained}
            return tally.run("faults.cuts:cut", preload=False, **cell_on)

        with ThreadPoolExecutor(2) as pool:
            for cell, report in zip(CELLS, pool.map(run, CELLS), strict=True):
                tally.fixed[f"cut points, {cell}, {what}"] = report["cases"]
                tally.facts["kinds"] = report["kinds"]


def leave_out(tally: Tally) -> None:
    """Each key of a checkpoint ignored by the loader."""
    report = tally.run("faults.leaveout:leave_out", preload=False)
    tally.fixed |= {
        "keys": report["keys"],
        "keys whose absence was noticed": report["cases"] - len(report["violations"]),
    }


def cadences(tally: Tally) -> None:
    """Saving and validating after every window and never."""
    windows = tally.share(1000)
    tally.facts["windows"] = windows
    tally.fixed["comparisons"] = sum(
        tally.run("faults.cadences:cadences", preload=False, windows=max(40, windows), cell=cell)["cases"]
        for cell in CELLS
    )


def fuzzing(tally: Tally) -> None:
    """Flipped bits, every truncation, and changed checkpoints and corpora."""
    report = tally.keep(call("faults.fuzz:flip_and_cut", preload=False, flips=tally.share(10_000), seed=tally.seed))
    tally.add("bit flips", report["flips"])
    tally.fixed["truncations"] = report["lengths"]
    left = tally.share(1_000_000)
    for number, count in enumerate([CHUNK] * (left // CHUNK) + [left % CHUNK] * bool(left % CHUNK)):
        report = tally.run("faults.fuzz:fuzz_checkpoints", preload=False, count=count, seed=tally.seed * 1000 + number)
        _fuzzed(tally, "checkpoints", report)
    _fuzz_corpora(tally, "corpora", fields=False)


def fuzzing_fields(tally: Tally) -> None:
    """Changed corpora of every kind that is not text."""
    _fuzz_corpora(tally, "corpora of fields", fields=True)


def _fuzz_corpora(tally: Tally, what: str, *, fields: bool) -> None:
    given = {"count": tally.share(100_000), "seed": tally.seed, "fields": fields}
    report = tally.run("faults.fuzzcorpora:fuzz_corpora", preload=False, **given)
    _fuzzed(tally, what, report)
    tally.add(f"{what} that ended their child", report["died"])
    if max(tally.peaks.values()) > 64 << 20:
        tally.violations.append(f"memory grew by {max(tally.peaks.values())} bytes")


def _fuzzed(tally: Tally, what: str, report: dict[str, Any]) -> None:
    tally.add(f"fuzzed {what}", report["cases"])
    tally.add(f"fuzzed {what} with digests that fit", report["sealed"])
    tally.add(f"fuzzed {what} that were still one", report["accepted"])
    peak = f"memory, {what}"
    tally.peaks[peak] = max(tally.peaks.get(peak, 0), report["peak_growth"])


def fuzzing_tables(tally: Tally) -> None:
    """Changed tables of measured series, each read row by row and in blocks, some prepared."""
    left = tally.share(100_000)
    for number, count in enumerate([TABLES] * (left // TABLES) + [left % TABLES] * bool(left % TABLES)):
        given = {"count": count, "seed": tally.seed * 1000 + number}
        report = tally.run("faults.fuzztables:fuzz_tables", preload=False, **given)
        tally.add("fuzzed tables", report["cases"])
        tally.add("fuzzed tables that were still one", report["accepted"])
        tally.peaks["memory, tables"] = max(tally.peaks.get("memory, tables", 0), report["peak_growth"])


def fuzzing_labelled(tally: Tally) -> None:
    """Changed files of labelled texts and tagged words, each read in several ways, some prepared."""
    _fuzz_files(tally, "labelled files", "faults.fuzzlabelled:fuzz_labelled")


def fuzzing_pairs(tally: Tally) -> None:
    """Changed files of pairs, of both sides and of vectors, each read in several ways, some prepared."""
    _fuzz_files(tally, "files of pairs", "faults.fuzzpairs:fuzz_pairs")


def fuzzing_frames(tally: Tally) -> None:
    """Changed lists of files, and files of arrays, sound and pictures, each read in several ways, some prepared."""
    _fuzz_files(tally, "files of frames", "faults.fuzzframes:fuzz_frames")


def _fuzz_files(tally: Tally, what: str, function: str) -> None:
    left = tally.share(100_000)
    for number, count in enumerate([TABLES] * (left // TABLES) + [left % TABLES] * bool(left % TABLES)):
        given = {"count": count, "seed": tally.seed * 1000 + number}
        report = tally.run(function, preload=False, **given)
        tally.add(f"fuzzed {what}", report["cases"])
        tally.add(f"fuzzed {what} that were still one", report["accepted"])
        peak = f"memory, {what}"
        tally.peaks[peak] = max(tally.peaks.get(peak, 0), report["peak_growth"])


def labelled_kills(tally: Tally) -> None:
    """kill -9 of training on labels and tags, in either layout, at random."""
    _kill_runs(tally, "random kills of labelled runs", "faults.labelledruns", LABELLED)


def pair_kills(tally: Tally) -> None:
    """kill -9 of training on pairs and on vectors with texts, at random."""
    _kill_runs(tally, "random kills of runs on pairs", "faults.pairruns", PAIRS)


def frame_kills(tally: Tally) -> None:
    """kill -9 of training on frames, at random."""
    _kill_runs(tally, "random kills of runs on frames", "faults.frameruns", FRAMES)


def _kill_runs(tally: Tally, what: str, module: str, names: Sequence[str]) -> None:
    for name, count in tally.shares(dict.fromkeys(names, 100)):
        given = {"scenario": f"{module}:{name}", "count": count, "seed": tally.seed, "longest": 0.25}
        tally.add(what, tally.run("faults.cases:kill_randomly", **given)["cases"])


def predictions(tally: Tally) -> None:
    """Predictions of labels and tags, killed and stopped."""
    given = {"count": tally.share(300), "seed": tally.seed}
    report = tally.run("faults.predictions:strike", preload=False, **given)
    tally.add("predictions struck", report["cases"])
    tally.add("predictions cut short", report["cut"])


def hostile(tally: Tally) -> None:
    """Files made by hand, opened and imported."""
    report = tally.run("faults.hostile:refuse_all", preload=False)
    tally.fixed["hostile files refused"] = report["cases"] - len(report["violations"])


def signals(tally: Tally) -> None:
    """Each kind of signal at random during training, its validations among it."""
    report = tally.run("faults.signals:strike", each=tally.share(100), seed=tally.seed, longest=0.25)
    for kind, count in report["kinds"].items():
        tally.add(kind, count)
    tally.add("validations cut short", report["cut"])


def poison(tally: Tally) -> None:
    """NaN and infinity at random places of random windows."""
    for device, what in devices.available().items():
        report = tally.run(
            "faults.poison:poison", preload=False, count=tally.share(200), seed=tally.seed, device=device
        )
        tally.add(f"injections, {what}", report["cases"])
        tally.add(f"windows skipped, {what}", report["skipped"])
        tally.facts["kinds"] = report["kinds"]


def races(tally: Tally) -> None:
    """Two processes on one run directory."""
    tally.add("races", tally.run("faults.races:race", preload=False, count=tally.share(100))["cases"])


def wrong_calls(tally: Tally) -> None:
    """Arrays that operations cannot take, between pages that end the process where they are touched."""
    left = tally.share(100_000)
    for number, count in enumerate([CALLS] * (left // CALLS) + [left % CALLS] * bool(left % CALLS)):
        report = tally.run(
            "faults.wrongcalls:call_wrongly", preload=False, count=count, seed=tally.seed * 1000 + number
        )
        tally.add("wrong calls", report["wrong"])
        tally.add("right calls between them", report["right"])
        tally.fixed["operations"] = report["operations"]


def rows(tally: Tally) -> None:
    """Rows of a hundred series through `predict`, without an end."""
    report = tally.keep(call("faults.lasting:forecast_rows", preload=False, count=tally.share(10_000_000)))
    tally.add("rows forecast from", report["rows"])
    _lasting(tally, "rows a second", "growth of memory, rows", report)


def tables(tally: Tally) -> None:
    """A table larger than the memory that preparing it may take."""
    report = tally.keep(call("faults.lasting:prepare_table", preload=False, count=tally.share(2_200_000_000)))
    tally.add("bytes of a table", report["bytes"])
    _lasting(tally, "bytes of a table a second of a processor", "peak of memory, table", report)


def streams(tally: Tally) -> None:
    """A corpus of series larger than memory, read to its end; as large as half of the free disk where that is less."""
    report = tally.keep(call("faults.lasting:stream_rows", preload=False, count=tally.share(10_000_000_000)))
    tally.add("bytes of rows", report["bytes"])
    _lasting(tally, "bytes of rows a second", "growth of memory, stream", report)


def _lasting(tally: Tally, rate: str, memory: str, report: dict[str, Any]) -> None:
    tally.fixed[rate] = round(report["rate"])
    tally.peaks[memory] = report["peak_growth"]


@dataclass(frozen=True)
class Point:
    """A line of the list. needed: least counts (at full scale). fixed: least entries of lists that are run whole."""

    title: str
    work: Callable[[Tally], None]
    needed: dict[str, int] = field(default_factory=dict)
    fixed: dict[str, int] = field(default_factory=dict)


POINTS = {
    "1": Point("kills: unreadable or lost runs", kills, {"random kills": 3000}, {"kills at calls, scenarios:SAVE": 40}),
    "2": Point(
        "faults and full disks: unreported, corrupt, dead",
        faults,
        {"injected faults": 100, "full disks": 150, "full disks reported": 150},
    ),
    "3": Point("power losses: neither old nor new", power, {"states": 10_000}),
    "4": Point("killed and resumed: other bits", cuts, fixed={f"cut points, {cell}, NumPy": 20 for cell in CELLS}),
    "5": Point("keys left out: unnoticed", leave_out, fixed={"keys": 60, "keys whose absence was noticed": 60}),
    "6": Point("saving, validating often or never: other bits", cadences, fixed={"comparisons": 3 * len(CELLS)}),
    "7": Point(
        "damaged and fuzzed files: silent or untyped",
        fuzzing,
        {"bit flips": 10_000, "fuzzed checkpoints": 1_000_000, "fuzzed corpora": 100_000},
        {"truncations": 500},
    ),
    "8": Point("hostile corpora: not refused", hostile, fixed={"hostile files refused": 20}),
    "9": Point("signals: no run that goes on to the same bits", signals, {kind.name: 100 for kind in KINDS}),
    "10": Point("NaN and infinity: contaminated", poison, {"injections, NumPy": 200}),
    "11": Point("races: not one writer and one line", races, {"races": 100}),
    "12": Point(
        "wrong calls: accepted, crashed, wrote elsewhere", wrong_calls, {"wrong calls": 100_000}, {"operations": 48}
    ),
    "13": Point("fuzzed corpora of fields: silent or untyped", fuzzing_fields, {"fuzzed corpora of fields": 100_000}),
    "14": Point("fuzzed tables: untyped, or read in two ways", fuzzing_tables, {"fuzzed tables": 100_000}),
    "15": Point("rows of a hundred series: memory grows", rows, {"rows forecast from": 10_000_000}),
    "16": Point("a large table: more than 300 MB, or slow", tables, {"bytes of a table": 2_000_000_000}),
    "17": Point("a large series: memory grows", streams, {"bytes of rows": 1_000_000_000}),
    "18": Point(
        "fuzzed labelled files: untyped, or read in two ways", fuzzing_labelled, {"fuzzed labelled files": 100_000}
    ),
    "19": Point("kills of labelled runs: other bits", labelled_kills, {"random kills of labelled runs": 600}),
    "20": Point("predictions killed: other output", predictions, {"predictions struck": 300}),
    "21": Point(
        "fuzzed files of pairs: untyped, or read in two ways", fuzzing_pairs, {"fuzzed files of pairs": 100_000}
    ),
    "22": Point("kills of runs on pairs: other bits", pair_kills, {"random kills of runs on pairs": 300}),
    "23": Point(
        "fuzzed files of frames: untyped, or read in two ways", fuzzing_frames, {"fuzzed files of frames": 100_000}
    ),
    "24": Point("kills of runs on frames: other bits", frame_kills, {"random kills of runs on frames": 200}),
}
