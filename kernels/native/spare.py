"""What of the machine this process may still take: its own limits, and those of the control group that it is in.

Files of control groups: https://docs.kernel.org/admin-guide/cgroup-v2.html. A container sees its own group as the root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_KILO = 1024


def processors() -> float:
    """How many processors may work for this process at once; a fraction under a quota."""
    known = hasattr(os, "sched_getaffinity")
    count = float(len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1)
    for group in _groups():
        with suppress(OSError, ValueError):
            quota, period = (group / "cpu.max").read_text().split()
            count = min(count, int(quota) / int(period))  # ValueError for "max"
    return count


def memory_bytes() -> int | None:
    """How much more memory this process can have without anything being swapped or killed; None if nobody says."""
    found: list[int] = []
    with suppress(OSError, StopIteration):
        found.append(next(_fields(Path("/proc/meminfo"), r"MemAvailable:\s+(\d+) kB")) * _KILO)
    for group in _groups():
        with suppress(OSError, ValueError, StopIteration):
            most, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
            # Files that nobody reads any more are given up before anybody is killed.
            found.append(most - used + next(_fields(group / "memory.stat", r"\binactive_file (\d+)")))
    return min(found, default=None)


def _fields(path: Path, pattern: str) -> Iterator[int]:
    return (int(each) for each in re.findall(pattern, path.read_text()))


def _groups() -> list[Path]:
    """This process's control group and those that it lies in."""
    own = ""
    with suppress(OSError):
        own = next(iter(re.findall(r"^0::/(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)), "")
    inner = _GROUPS / own
    return [inner, *inner.parents[: len(Path(own).parts)]]
