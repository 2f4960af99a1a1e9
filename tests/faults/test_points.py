"""What the soak counts, without letting anything fail."""

from typing import Any

import pytest

from faults import fulldisk, points, tally
from faults.points import POINTS
from faults.signals import KINDS
from faults.soak import _short
from faults.tally import Tally

SCALES = [number / 1000 for number in range(1, 1001, 7)] + [0.05, 0.15, 0.25, 1]


class Report(dict[str, Any]):
    """A report of a part that did as many cases as it was told, and of lists as many as there are."""

    def __missing__(self, key: str) -> Any:
        kinds = {kind.name: self.get("each", 0) for kind in KINDS}
        return {"violations": [], "kinds": kinds, "peak_growth": 0}.get(key, self["count"])


def reported(function: str, **arguments: Any) -> Report:
    return Report({"count": 1000} | arguments)


@pytest.mark.parametrize("key", POINTS)
def test_no_scale_makes_a_point_fall_short_of_what_it_counts(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (points, tally):
        monkeypatch.setattr(module, "call", reported)
    monkeypatch.setattr(fulldisk, "prefix", lambda: ())
    for scale in SCALES:
        counted = Tally(1, scale)
        POINTS[key].work(counted)
        assert _short(key, counted.counts, counted.fixed, scale) == [], scale


def test_parts_of_a_count_are_at_least_one_and_its_share_together() -> None:
    for scale in SCALES:
        counted = Tally(1, scale)
        parts = dict(counted.shares({"a": 100, "b": 50, "c": 1}))
        assert list(parts) == ["a", "b", "c"] and min(parts.values()) >= 1
        assert counted.share(151) <= sum(parts.values()) <= counted.share(151) + 2
    assert dict(Tally(1, 1).shares({"a": 100, "b": 50})) == {"a": 100, "b": 50}
