"""The short version of what is done to real training, to prepare and to corpora; the soak does the same at length."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import outside_cell
import pytest

from faults import fulldisk, shim
from faults.fuzz import flip_and_cut
from faults.points import FRAMES, LABELLED, PAIRS, POINTS
from faults.signals import KINDS
from faults.soak import _merged, _short
from faults.test_faults import call
from gpurnn.network.cells import CELLS


def clean(report: dict[str, Any]) -> dict[str, Any]:
    assert report.pop("violations") == []
    return report


def test_training_survives_random_kills_with_the_same_bits(scratch: str) -> None:
    scenario = "faults.training:GOING"
    report = call("faults.cases:kill_randomly", scenario=scenario, count=12, seed=1, scratch=scratch, longest=0.2)
    assert clean(report) == {"cases": 12}


def test_training_goes_on_to_the_same_bits_after_every_signal(scratch: str) -> None:
    report = clean(call("faults.signals:strike", each=2, seed=1, scratch=scratch))
    assert report["kinds"] == {kind.name: 2 for kind in KINDS}


def test_the_strikes_notice_a_lost_state(scratch: str) -> None:
    report = call("faults.broken:strike_without_state", preload=False, scratch=scratch)
    assert len(report["violations"]) == len(KINDS)


@pytest.mark.parametrize(
    ("scenario", "actions", "every"),
    [
        ("faults.training:SHORT", ["kill", "torn"], 23),
        ("faults.training:SHORT", ["EIO", "ENOSPC", "short"], 37),
        ("faults.preparing:OVER", ["kill", "torn", "short", "ENOSPC"], 6),
        ("faults.preparing:SERIES", ["kill", "torn", "short", "ENOSPC"], 9),
        ("faults.preparing:LABELLED", ["kill", "torn", "short", "ENOSPC"], 31),
        ("faults.preparing:PAIRED", ["kill", "torn", "short", "ENOSPC"], 59),
        ("faults.preparing:FRAMED", ["kill", "torn", "short", "ENOSPC"], 59),
    ],
)
def test_faults_at_calls(scenario: str, actions: list[str], every: int, scratch: str) -> None:
    report = clean(call("faults.walk:walk", scenario=scenario, actions=actions, every=every, scratch=scratch))
    assert report["fired"] >= len(actions) * (report["calls"] // every)


def test_training_goes_on_while_the_disk_is_full(scratch: str) -> None:
    try:
        prefix = fulldisk.prefix()
    except shim.Unavailable as exc:
        pytest.skip(str(exc))
    scenario = "faults.training:LARGE"
    report = call(
        "faults.fulldisk:fill", preload=False, prefix=prefix, scenario=scenario, count=3, seed=1, scratch=scratch
    )
    assert clean(report) == {"cases": 3, "reported": 3}


def test_training_survives_a_loss_of_power(scratch: str) -> None:
    scenario = "faults.training:HISTORY"
    report = clean(call("faults.powerloss:replay", scenario=scenario, scratch=scratch, count=60, seed=1))
    assert report["states"] == 60


@pytest.mark.parametrize("name", [LABELLED[0], LABELLED[-1]])
def test_labelled_runs_survive_random_kills_with_the_same_bits(name: str, scratch: str) -> None:
    scenario = f"faults.labelledruns:{name}"
    report = call("faults.cases:kill_randomly", scenario=scenario, count=2, seed=1, scratch=scratch, longest=0.2)
    assert clean(report) == {"cases": 2}


@pytest.mark.parametrize("name", [PAIRS[0], PAIRS[-1]])
def test_runs_on_pairs_survive_random_kills_with_the_same_bits(name: str, scratch: str) -> None:
    scenario = f"faults.pairruns:{name}"
    report = call("faults.cases:kill_randomly", scenario=scenario, count=2, seed=1, scratch=scratch, longest=0.2)
    assert clean(report) == {"cases": 2}


@pytest.mark.parametrize("name", FRAMES)
def test_runs_on_frames_survive_random_kills_with_the_same_bits(name: str, scratch: str) -> None:
    scenario = f"faults.frameruns:{name}"
    report = call("faults.cases:kill_randomly", scenario=scenario, count=2, seed=1, scratch=scratch, longest=0.2)
    assert clean(report) == {"cases": 2}


def test_a_prediction_that_is_killed_has_said_what_it_would_have_said(scratch: str) -> None:
    report = clean(call("faults.predictions:strike", preload=False, count=6, seed=1, scratch=scratch))
    assert report["cases"] == 6 and report["cut"] > 1


@pytest.mark.parametrize("cell", list(CELLS))
def test_killed_and_resumed_training_has_the_same_bits(cell: str, scratch: str) -> None:
    module = "outside_cell" if cell == outside_cell.NAME else "faults.cuts"
    report = clean(call(f"{module}:cut", preload=False, cell=cell, windows=120, scratch=scratch, most=5))
    assert report["cases"] == 5


def test_every_fourth_key_of_a_checkpoint_matters(scratch: str) -> None:
    report = clean(call("faults.leaveout:leave_out", preload=False, scratch=scratch, every=4, first=1))
    assert report["keys"] > 90 and report["cases"] >= report["keys"] // 4


def test_nothing_that_lasts_takes_up_what_is_not_finite(scratch: str) -> None:
    report = clean(call("faults.poison:poison", preload=False, count=40, seed=2, scratch=scratch))
    assert report["cases"] == 40
    assert report["skipped"] > 25
    assert set(report["kinds"]) == {"input", "activation", "error", "gradient"}


def test_one_of_two_processes_writes_a_run(scratch: str) -> None:
    assert clean(call("faults.races:race", preload=False, count=4, scratch=scratch)) == {"cases": 4}


def test_changed_corpora_give_only_typed_errors(scratch: str) -> None:
    report = clean(call("faults.fuzzcorpora:fuzz_corpora", preload=False, count=400, seed=1, scratch=scratch))
    assert report["accepted"] > 20  # the others were not refused for their checksums alone
    assert report["peak_growth"] < 64 << 20


def test_changed_corpora_of_fields_give_only_typed_errors(scratch: str) -> None:
    report = clean(
        call("faults.fuzzcorpora:fuzz_corpora", preload=False, count=600, seed=1, scratch=scratch, fields=True)
    )
    assert report["accepted"] > 60
    assert report["peak_growth"] < 64 << 20


def test_a_corpus_that_ends_its_child_is_counted_and_gone_on_from(scratch: str) -> None:
    report = call("faults.broken:fuzz_with_a_death", preload=False, scratch=scratch)
    assert clean(report)["died"] == 2
    assert 20 < report["accepted"] < 100


def test_the_walk_notices_training_that_says_nothing(scratch: str) -> None:
    report = call(
        "faults.walk:walk", scenario="faults.broken:SILENT_TRAINING", actions=["EIO"], every=29, scratch=scratch
    )
    assert any("the fault was not reported" in line for line in report["violations"])


def test_the_cuts_notice_a_lost_state(scratch: str) -> None:
    report = call("faults.broken:cut_without_state", preload=False, scratch=scratch)
    assert len(report["violations"]) == report["cases"]


def test_the_fuzzer_makes_checksums_that_fit(scratch: str) -> None:
    from faults import hdf5bytes
    from faults.training import write_corpus

    data = write_corpus(Path(scratch), 90_000).read_bytes()
    found = hdf5bytes.blocks(data)
    names = {data[start : start + 4] for start, _ in found}
    assert names >= {b"\x89HDF", b"OHDR", b"FAHD", b"FADB"}
    sealed = bytearray(data)
    hdf5bytes.seal(sealed, found)
    assert sealed == data


def test_figures_of_several_runs_add_up() -> None:
    one = {"title": "t", "counts": {"races": 60}, "fixed": {"x": 4}, "peaks": {}, "facts": {}, "violations": []}
    one["runs"] = [1]
    both = _merged(one, one | {"counts": {"races": 39}, "fixed": {"x": 3}, "violations": ["lost"]})
    assert (both["counts"], both["fixed"], both["violations"]) == ({"races": 99}, {"x": 4}, ["lost"])
    assert both["runs"] == [1, 1]
    assert _short("11", both["counts"], both["fixed"], 1) == ["races: 99, expected 100"]
    assert _short("11", {"races": 1}, {}, 0.01) == []
    assert list(POINTS) == [str(number) for number in range(1, 25)]


def test_the_soak_exits_with_1_where_something_falls_short(tmp_path: Path) -> None:
    script = (
        "import sys; from faults import soak; from dataclasses import replace;"
        "soak.POINTS['11'] = replace(soak.POINTS['11'], work=lambda tally: tally.add('races', {done}));"
        "sys.argv[1:] = ['--only', '11', '--json', 'figures.json']; sys.exit(soak.main())"
    )
    for done, code, met in ((40, 1, False), (60, 1, True), (100, 0, True)):
        command = [sys.executable, "-c", script.format(done=done)]
        ended = subprocess.run(command, cwd=tmp_path, env=shim.environment(), capture_output=True, text=True)
        assert ended.returncode == code, ended.stderr
        assert json.loads((tmp_path / "figures.json").read_text())["11"]["met"] is met
    assert flip_and_cut(1, 1)["violations"] == []
