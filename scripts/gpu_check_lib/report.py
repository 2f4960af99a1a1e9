"""The report: JSON for programs, Markdown for people; both are whole after every row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_check_lib.rows.windows import ROUNDS
from gpurnn.files.durable import make_folder, write_durably
from gpurnn.files.output import find_folder

NO_TIMINGS = "emulated device: no timings"
_WINDOWS = f"""\
A window is forward, backward, clipping by the global norm and Adam. Time from the end of a window to the end of the
next, by events; the median of {ROUNDS} rounds in which all variants take turns, after the clock was up. gpurnn: a CUDA
graph, of persistent kernels where they fit ("steps" says how they ran; "why" what keeps the device from them).
PyTorch: nn.LSTM and so on, the faster of one-hot rows and gathered rows, fused Adam; default: TF32 within cuDNN;
float16, bfloat16: autocast; graph: the default, captured whole. "x float32": how many times as long as gpurnn takes.
model: what `scripts/gpu_model` expects, and the measured time over it."""
_COUNTS = """\
Asked of the device by one window after warm-up. kernels: launched one by one; what a graph does is one launch of it.
copies to: from the host; on: on the device, memsets too. waits: of the host, for the upload of two windows before."""

_Found = Mapping[str, Any]


@dataclass
class Report:
    """What is known so far. Each `write` replaces both files, each at once.

    name: of the two files. minutes: how long the check may take. rows: the answers so far, see `running.run`.
    """

    folder: Path
    name: str
    emulated: bool
    minutes: float
    complete: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """The JSON file."""
        return self.folder / f"{self.name}.json"

    @property
    def text(self) -> Path:
        """The Markdown file."""
        return self.folder / f"{self.name}.md"

    def add(self, row: dict[str, Any]) -> None:
        """A row is over."""
        self.rows.append(row)
        self.write()

    def write(self) -> None:
        """Replace both files. Raises OSError."""
        make_folder(find_folder(self.folder))
        write_durably(self.text, [self.markdown().encode()])
        write_durably(self.data, [json.dumps(self.as_json(), indent=1).encode(), b"\n"])

    def problems(self) -> list[str]:
        """A line for each row that failed and each warning within one."""
        found = [f"{row['name']}: {row['reason']}" for row in self.rows if row["status"] == "failed"]
        for row in self.rows:
            found += [f"{row['name']}: {warning}" for warning in row.get("warnings", ())]
            for name, variant in row.get("variants", {}).items():
                found += [
                    f"{row['name']}, {name}: {line}"
                    for line in (variant.get("error"), *variant.get("warnings", ()))
                    if line
                ]
        return found

    def as_json(self) -> dict[str, Any]:
        """Format 2: `rows` is a list of what was asked, in order; `complete` is false until the end."""
        note = {"note": NO_TIMINGS} if self.emulated else {}
        environment = self._environment()
        about = {name: environment.get(name) for name in ("machine", "device", "programs")}
        return {
            "format": 2,
            **note,
            "complete": self.complete,
            "emulated": self.emulated,
            "minutes": self.minutes,
            **about,
            "problems": self.problems(),
            "rows": self.rows,
        }

    def _environment(self) -> _Found:
        return next((row for row in self.rows if row["name"] == "environment"), {})

    def markdown(self) -> str:
        """The same for people."""
        environment = self._environment()
        device = (environment.get("device") or {}).get("device", "a device that is not known yet")
        lines = [f"# gpurnn on {device}", ""]
        if self.emulated:
            lines += [
                f"**{NO_TIMINGS}**; counts and values are those of real CuPy and real kernels, run by the CPU.",
                "",
            ]
        if not self.complete:
            lines += ["This report is not complete: the check goes on, or was ended.", ""]
        lines += [f"- {name}: {value}" for name, value in (environment.get("machine") or {}).items() if value]
        lines += [f"- {name}: {versions}" for name, versions in (environment.get("programs") or {}).items()]
        clock = environment.get("clock_mhz"), environment.get("most_clock_mhz")
        lines += [f"- clock: {clock[0]} MHz when idle, at most {clock[1]}"] if all(clock) else []
        lines += ["", *(f"PROBLEM: {line}" for line in self.problems())]
        lines += ["", "## Rows", "", *_rows(self.rows)]
        lines += ["", "## Windows", "", _WINDOWS, "", *_windows(self.rows)]
        counted = [launch for row in self.rows for launch in row.get("launches", ())]
        lines += ["", "## Launches", "", _COUNTS, "", *_launches(counted)]
        lines += ["", "## The other answers", "", *_others(self.rows)]
        return "\n".join(lines) + "\n"


def _rows(rows: Sequence[_Found]) -> Iterator[str]:
    cells = [
        [row["name"], row["status"].replace("_", " "), f"{row['seconds']:.0f} s", row["reason"] or ""] for row in rows
    ]
    return table(["row", "", "took", ""], cells)


def _windows(rows: Sequence[_Found]) -> Iterator[str]:
    """A line for each size and variant."""
    cells = []
    for row in rows:
        for name, found in row.get("variants", {}).items():
            expected = found.get("model") or {}
            cells.append(
                [
                    *_sizes(row["case"]),
                    name,
                    _milliseconds(found),
                    _rate(found.get("tokens_per_second")),
                    _times(found.get("times_float32")),
                    _range(expected),
                    _number(expected.get("measured_over_model")),
                    _mebibytes(found.get("memory")),
                    _whole(found.get("clock_mhz")),
                    found.get("path", "-"),
                    found.get("error") or found.get("why") or "",
                ]
            )
    head = [*_SIZES, "variant", "ms", "tokens/s", "x float32", "model, ms", "/ model", "MiB", "MHz", "steps", "why"]
    return table(head, cells)


_SIZES = ("cell", "B", "T", "H", "K", "L")


def _launches(rows: Sequence[_Found]) -> Iterator[str]:
    cells = []
    for row in rows:
        counts = row.get("counts") or {}
        numbers = [counts.get(name) for name in ("kernels", "graph_launches", "h2d")]
        numbers.append(counts["d2d"] + counts["memset"] if counts else None)
        numbers += [counts.get(name) for name in ("malloc", "sync")]
        cells.append([*_sizes(row), row["way"], *("-" if n is None else f"{n:g}" for n in numbers)])
    return table([*_SIZES, "way", "kernels", "graphs", "copies to", "on", "allocations", "waits"], cells)


_SHOWN_ABOVE = frozenset({"name", "status", "reason", "seconds", "launches", "machine", "programs", "warnings"})


def _others(rows: Sequence[_Found]) -> Iterator[str]:
    for row in rows:
        rest = {name: value for name, value in row.items() if name not in _SHOWN_ABOVE}
        if row["status"] != "done" or not rest or "variants" in row:
            continue
        yield from (f"### {row['name']}", "")
        for name, value in rest.items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                yield from ("", *table(list(value[0]), [list(map(_plain, one.values())) for one in value]))
            else:
                yield f"- {name.replace('_', ' ')}: {_plain(value)}"
        yield ""


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return "; ".join(map(_plain, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "-", True: "yes", False: "no"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _sizes(case: _Found) -> list[str]:
    return [str(case[name]) for name in ("cell", "lanes", "bptt", "hidden", "symbols", "layers")]


def _milliseconds(found: _Found) -> str:
    if not found.get("seconds"):
        return "-"
    return f"{1e3 * found['seconds']:.3f} ({1e3 * found['low']:.3f}-{1e3 * found['high']:.3f})"


def _range(expected: _Found) -> str:
    return f"{1e3 * expected['low']:.3f}-{1e3 * expected['high']:.3f}" if expected else "-"


def _times(found: _Found | None) -> str:
    return f"{found['median']:.2f} ({found['low']:.2f}-{found['high']:.2f})" if found else "-"


def _rate(value: float | None) -> str:
    return f"{value:,.0f}" if value else "-"


def _number(value: float | None) -> str:
    return f"{value:.2f}" if value else "-"


def _whole(value: int | None) -> str:
    return str(value) if value else "-"


def _mebibytes(value: int | None) -> str:
    return "-" if value is None else f"{value / 2**20:.1f}"


def table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Markdown that can be read as it stands."""
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    for line in (head, ["-" * width for width in widths], *cells):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
