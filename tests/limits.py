"""Limits of processes that tests start."""

from __future__ import annotations

import sys

_RUN = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


def limited_files(size: int) -> tuple[str, ...]:
    """What to put before a command so that none of its files grows beyond ``size`` bytes, as on a disk that is full.

    Set by the new process itself: a function of Python between fork and exec runs gRPC's handlers of forks where this process
    has used gRPC, and they may end the child.
    """
    return sys.executable, "-c", _RUN, str(size)
