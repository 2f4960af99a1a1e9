"""The short version of the fault injection; larger counts go through the same functions."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from faults import fulldisk, shim
from faults.cases import Context, run_child
from faults.scenarios import SAVE
from faults.walk import ACTIONS
from gpurnn.runs.checkpoint import parse_checkpoint


def call(function: str, **arguments: Any) -> Any:
    try:
        return shim.call(function, **arguments)
    except shim.Unavailable as exc:
        pytest.skip(str(exc))


@pytest.mark.parametrize("scenario", ["SAVE", "RESUME", "CREATE"])
def test_a_fault_at_every_call_that_writes(scenario: str, scratch: str) -> None:
    report = call("faults.walk:walk", scenario=f"faults.scenarios:{scenario}", actions=list(ACTIONS), scratch=scratch)
    assert report["violations"] == []
    assert report["calls"] >= 16
    assert report["fired"] >= report["calls"] * len(ACTIONS)


@pytest.mark.parametrize("scenario", ["HISTORY", "SAVE", "RESUME"])
def test_a_loss_of_power_leaves_the_old_or_the_new(scenario: str, scratch: str) -> None:
    report = call(
        "faults.powerloss:replay",
        scenario=f"faults.scenarios:{scenario}",
        scratch=scratch,
        count=100,
        seed=1,
        most_bits=1,
    )
    assert report["violations"] == []
    assert report["states"] > 120


def test_random_kills_lose_nothing_that_was_completed(scratch: str) -> None:
    report = call("faults.cases:kill_randomly", scenario="faults.scenarios:SAVES", count=30, seed=1, scratch=scratch)
    assert report == {"cases": 30, "violations": []}


def test_stop_signals_at_random_times_end_in_a_saved_run(scratch: str) -> None:
    report = call("faults.cases:stop_randomly", scenario="faults.scenarios:STOPPED", count=30, seed=1, scratch=scratch)
    assert report == {"cases": 30, "violations": []}


def test_full_disks_are_reported_and_lose_nothing(scratch: str) -> None:
    try:
        prefix = fulldisk.prefix()
    except shim.Unavailable as exc:
        pytest.skip(str(exc))
    report = call(
        "faults.fulldisk:fill",
        preload=False,
        prefix=prefix,
        scenario="faults.scenarios:SAVES",
        count=20,
        seed=1,
        scratch=scratch,
    )
    assert report == {"cases": 20, "reported": 20, "violations": []}


def test_fuzzed_checkpoints_give_only_typed_errors(scratch: str) -> None:
    report = call("faults.fuzz:fuzz_checkpoints", preload=False, count=10_000, seed=1, scratch=scratch)
    assert report["violations"] == []
    assert report["sealed"] >= 5000
    assert report["accepted"] > 100  # changes that keep the format: the others were not refused for the digest alone
    assert report["peak_growth"] < 64 << 20


def test_fuzzed_tables_give_only_typed_errors_and_are_read_alike_both_ways(scratch: str) -> None:
    report = call("faults.fuzztables:fuzz_tables", preload=False, count=600, seed=1, scratch=scratch)
    assert report["violations"] == []
    assert report["accepted"] > 100
    assert report["peak_growth"] < 64 << 20


def test_fuzzed_labelled_files_give_only_typed_errors_and_are_read_alike_in_every_way(scratch: str) -> None:
    report = call("faults.fuzzlabelled:fuzz_labelled", preload=False, count=500, seed=1, scratch=scratch)
    assert report["violations"] == []
    assert report["accepted"] > 150 and report["corpora"] > 5
    assert report["peak_growth"] < 64 << 20


def test_fuzzed_files_of_pairs_give_only_typed_errors_and_are_read_alike_in_every_way(scratch: str) -> None:
    report = call("faults.fuzzpairs:fuzz_pairs", preload=False, count=500, seed=1, scratch=scratch)
    assert report["violations"] == []
    assert report["accepted"] > 150 and report["corpora"] > 5
    assert report["peak_growth"] < 64 << 20


def test_fuzzed_files_of_frames_give_only_typed_errors_and_are_read_alike_in_every_way(scratch: str) -> None:
    report = call("faults.fuzzframes:fuzz_frames", preload=False, count=500, seed=1, scratch=scratch)
    assert report["violations"] == []
    assert report["accepted"] > 80 and report["corpora"] > 2
    assert report["peak_growth"] < 64 << 20


def test_flipped_bits_and_cut_files_are_refused() -> None:
    report = call("faults.fuzz:flip_and_cut", preload=False, flips=1000, seed=1)
    assert report["violations"] == []
    assert report["lengths"] > 500


@pytest.mark.parametrize(
    ("broken", "action", "complaint"),
    [
        ("IN_PLACE", "torn", "a damaged checkpoint was in place"),
        ("SILENT", "EIO", "the fault was not reported"),
        ("RAW_ERRORS", "EIO", "Traceback"),
        ("ONE_WRITE", "short", "is not an intact checkpoint|a damaged checkpoint was in place"),
    ],
)
def test_the_walk_notices_what_is_broken(broken: str, action: str, complaint: str, scratch: str) -> None:
    report = call("faults.walk:walk", scenario=f"faults.broken:{broken}", actions=[action], scratch=scratch)
    assert any(re.search(complaint, line) for line in report["violations"]), report


@pytest.mark.parametrize("broken", ["NO_FILE_SYNC", "NO_FOLDER_SYNC"])
def test_the_power_loss_notices_a_missing_sync(broken: str, scratch: str) -> None:
    report = call("faults.powerloss:replay", scenario=f"faults.broken:{broken}", scratch=scratch, count=100, seed=1)
    assert report["violations"]


def test_the_fuzzer_notices_a_silent_change(monkeypatch: pytest.MonkeyPatch) -> None:
    from faults import fuzz

    monkeypatch.setattr(fuzz, "parse_checkpoint", lambda data: parse_checkpoint(data, verify=False))
    assert fuzz.flip_and_cut(200, 1)["violations"]


def record_of_a_save(scratch: str) -> list[list[str]]:
    """The calls of one save, in a process under the library: name and file, without what is random in it."""
    from faults import powerloss

    folder = Path(scratch).resolve() / "run"
    folder.mkdir()
    SAVE.prepare(folder)
    outcome = run_child(SAVE, folder, shim=shim.Shim(), record=f"{scratch}/record")
    assert outcome.ending == "done", outcome.text
    return [
        [each.call, re.sub(r"\.[0-9a-f]{8}(?=\.tmp)", "", str(Path(each.path).relative_to(folder)))]
        for each in powerloss.read_record(Path(scratch) / "record")
        if each.call != "mark"
    ]


def test_the_order_of_a_save(scratch: str) -> None:
    calls = [tuple(each) for each in call("faults.test_faults:record_of_a_save", scratch=scratch)]
    best, third = "best.safetensors", "checkpoints/window-0000000003.safetensors"
    new_best, new_third = ".best.safetensors.tmp", "checkpoints/.window-0000000003.safetensors.tmp"
    assert calls == [
        ("truncate", "lock"),
        ("write", "lock"),
        ("write", "log.jsonl"),
        ("fsync", "log.jsonl"),
        *[("create", new_best), ("write", new_best), ("write", new_best), ("fsync", new_best), ("close", new_best)],
        *[("rename", new_best), ("close", best), ("fsync", ".")],
        *[("create", new_third), ("write", new_third), ("write", new_third), ("fsync", new_third)],
        *[("close", new_third), ("rename", new_third), ("close", third), ("fsync", "checkpoints")],
        ("unlink", "checkpoints/window-0000000001.safetensors"),
        ("close", "log.jsonl"),
        ("close", "lock"),
    ]


def save_alone(folder: str) -> None:
    """The work of SAVE, without the library."""
    SAVE.work(Path(folder), Context(os.open(os.devnull, os.O_WRONLY), None))


def test_the_kernel_sees_no_other_calls_than_the_library(scratch: str) -> None:
    """strace, which looks from below, lists what writes in the folder; every such call must be known to the library."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    folder = Path(scratch).resolve() / "run"
    folder.mkdir()
    SAVE.prepare(folder)
    script = f"from faults.test_faults import save_alone; save_alone({str(folder)!r})"
    environment = os.environ | {"PYTHONPATH": f"{shim.ROOT}{os.pathsep}{shim.ROOT / 'tests'}"}
    trace = Path(scratch) / "trace"
    traced = subprocess.run(
        [strace, "-f", "-y", "-o", str(trace), sys.executable, "-c", script], env=environment, capture_output=True
    )
    if traced.returncode and b"ptrace" in traced.stderr:
        pytest.skip("strace is not allowed here")
    assert traced.returncode == 0, traced.stderr
    seen = re.findall(rf"^\d+ +(\w+)\((?=.*{re.escape(str(folder))})(?!.*O_DIRECTORY)(.*)$", trace.read_text(), re.M)
    reading = {"read", "pread64", "fstat", "newfstatat", "stat", "lstat", "statx", "lseek", "readlink", "getdents64"}
    reading |= {"ioctl", "fcntl", "flock", "faccessat2", "access", "execve", "mmap"}
    names = [name for name, rest in seen if name not in reading and not (name == "openat" and "O_CREAT" not in rest)]
    known = {"openat", "write", "pwrite64", "fsync", "ftruncate", "rename", "unlink", "close"}
    assert set(names) <= known | {"renameat", "renameat2", "unlinkat"}
    assert names.count("write") == 1 + 4  # the log; two chunks each of the best checkpoint and of the new one
    assert names.count("fsync") == 5
