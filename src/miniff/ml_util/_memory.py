"""How much memory there is for what may be kept in it."""

import os
from pathlib import Path

__all__ = ["free_memory"]

GROUP = Path("/sys/fs/cgroup")
"""Where a Linux container tells its own limit."""


def free_memory() -> float:
    """Bytes that new data may take without anything being swapped out, as far as can be told."""
    machine = _available_on_linux()
    if machine is None:
        # Elsewhere only the size of the memory is known: take it that half is in use.
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    limit = _free_in_group()
    return machine if limit is None else min(machine, limit)


def _available_on_linux(path: Path = Path("/proc/meminfo")) -> float | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return float(line.split()[1]) * 1024
    return None


def _free_in_group(group: Path = GROUP) -> float | None:
    try:
        limit = (group / "memory.max").read_text().strip()
        used = (group / "memory.current").read_text().strip()
    except OSError:
        return None
    return None if limit == "max" else max(0.0, float(limit) - float(used))
