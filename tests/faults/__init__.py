"""Faults as the kernel would give them: killed processes, failing calls, lost power, full disks, mutated files."""
