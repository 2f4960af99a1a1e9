"""How a file becomes frames: kept by the corpus and by every model of it, so that both read files alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from gpurnn.data.corpus.sizes import MAX_WIDTH
from gpurnn.exceptions import DataError

FrameKind = Literal["arrays", "sound", "pictures"]
RATES = (4_000, 384_000)
"""The least and the largest number of samples of sound a second."""
MAX_SPLICE, MAX_SKIP = 1_000, 1_000
_TIMES = (0.001, 1.0)
_ORDER = ("kind", "width", "rate", "window", "step", "splice", "skip")


@dataclass(frozen=True)
class FrameForm:
    """What is the same of all files of a corpus.

    width: numbers of a frame as the file has it: of a row of an array, bands of sound, height of a picture. rate: of
    sound, samples a second; window, step: of sound, seconds that a frame sees, and from one to the next; all three are
    0 of the others. splice: so many frames before a frame and as many after it stand beside it; at the ends the
    outermost is repeated. skip: of these, every so many-th is kept, the first one first.
    Raises DataError where they do not fit each other.
    """

    kind: FrameKind
    width: int
    rate: int = 0
    window: float = 0.0
    step: float = 0.0
    splice: int = 0
    skip: int = 1

    def __post_init__(self) -> None:
        if self.kind not in get_args(FrameKind):
            raise DataError(f"frames: they are of {self.kind!r:.40}, expected {', '.join(get_args(FrameKind))}")
        sound = self.kind == "sound"
        for name, low, high in (
            ("width", 1, MAX_WIDTH),
            ("rate", *(RATES if sound else (0, 0))),
            ("splice", 0, MAX_SPLICE),
            ("skip", 1, MAX_SKIP),
        ):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise DataError(f"frames: {name} is {value!s:.40}, expected a whole number from {low} to {high}")
        least, most = _TIMES if sound else (0.0, 0.0)
        floats = type(self.step) is type(self.window) is float
        if not floats or not least <= self.step <= self.window <= most:
            raise DataError(f"frames: step and window are {self.step!s:.40} and {self.window!s:.40} seconds")
        if self.inputs > MAX_WIDTH:
            raise DataError(f"frames: {self.inputs:,} numbers a frame, expected up to {MAX_WIDTH:,}; splice fewer")

    @property
    def inputs(self) -> int:
        """F, numbers of a frame that a model sees."""
        return self.width * (2 * self.splice + 1)

    @property
    def unit(self) -> float | None:
        """Seconds from one frame that a model sees to the next; None where frames have no time."""
        return self.step * self.skip if self.kind == "sound" else None

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary of JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Any) -> Self:
        """The form that `to_json` described. Raises DataError for anything else."""
        if not isinstance(fields, dict) or set(fields) != set(_ORDER):
            raise DataError(f"frames: expected of their form {', '.join(_ORDER)}")
        return cls(**fields)
