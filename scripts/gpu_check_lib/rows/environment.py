"""The card, its driver and libraries, and who else uses it."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

from gpu_check_lib.clock import SmClock
from gpu_check_lib.machine import describe
from gpu_check_lib.programs import peer
from gpu_check_lib.row import Context

_LIMITS = (
    *("MultiProcessorCount", "MaxRegistersPerBlock", "MaxSharedMemoryPerBlockOptin", "MaxThreadsPerBlock"),
    *("L2CacheSize", "ClockRate"),
)
_CROWDED = 0.5
"""Part of the memory below which what is free is worth a warning."""


def measure(context: Context) -> dict[str, Any]:
    """Raises BackendError, in one line, where gpurnn cannot use a GPU here."""
    import cupy

    from gpurnn import backend

    be = backend.get("cuda")
    about = {name: value for name, value in be.describe().items() if name != "tf32"}
    device = cupy.cuda.Device()
    free, total = device.mem_info
    address = "" if context.emulated else device.pci_bus_id
    clock = SmClock(address)
    with peer(context) as (_, torch):
        programs = {"gpurnn": ", ".join(f"{name} {value}" for name, value in about.items()), "pytorch": torch}
    others = [] if context.emulated else _others(address)
    return {
        "machine": describe(),
        "device": about,
        "programs": programs,
        "limits": {name: device.attributes[name] for name in _LIMITS if name in device.attributes},
        "nvrtc": ".".join(map(str, cupy.cuda.nvrtc.getVersion())),
        "memory_bytes": {"free": free, "total": total},
        "clock_mhz": clock.mhz(),
        "most_clock_mhz": clock.most_mhz(),
        "pci_address": address,
        "others": others,
        "warnings": _warnings(free, total, others),
    }


def _warnings(free: int, total: int, others: list[str]) -> list[str]:
    found = []
    if others:
        found.append(
            f"other processes use this card: {', '.join(others)}; end them, or take the times for an upper bound"
        )
    if free < _CROWDED * total:
        found.append(
            f"only {free / 2**30:.1f} of {total / 2**30:.1f} GiB are free: large sizes may not fit; "
            "end what holds the rest"
        )
    return found


def _others(address: str) -> list[str]:
    """The processes that compute on this card, "pid name"; empty where they cannot be listed."""
    command = ["nvidia-smi", f"--id={address}", "--query-compute-apps=pid,process_name", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    mine = {str(os.getpid()), str(os.getppid())}
    rows = [re.split(r",\s*", line.strip(), maxsplit=1) for line in said.splitlines() if line.strip()]
    return [" ".join(row) for row in rows if row[0] not in mine]
