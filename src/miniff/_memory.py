"""How much memory there is for what may be kept in it."""

import os
import sys
from pathlib import Path

__all__ = ["free_memory", "resident_memory"]

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


def resident_memory() -> float:
    """Bytes of memory that this process has and that cannot be had back.

    Data in files that are mapped into memory do not count: their pages are given up when memory is
    short. Those of the program itself do.
    """
    sizes = _resident_on_linux()
    if sizes is None:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(peak if sys.platform == "darwin" else 1024 * peak)
    return sizes["RssAnon"] + sizes["RssShmem"] + min(sizes["RssFile"], OF_PROGRAM)


def _resident_on_linux(path: Path = Path("/proc/self/status")) -> dict[str, float] | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    rows = [line.split() for line in lines if line.startswith("Rss")]
    return {row[0].rstrip(":"): 1024 * float(row[1]) for row in rows}


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


OF_PROGRAM = (_resident_on_linux() or {"RssFile": 0.0})["RssFile"]
"""Files that are mapped when this is loaded: libraries."""
