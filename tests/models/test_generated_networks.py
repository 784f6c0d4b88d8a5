"""Networks that nobody thought of: each is refused with a sentence, or answers on the CPU as on the reference device.

They run in child processes, so that one that a process dies of is seen and named. Machine code is shared through a cache,
and networks draw their sizes from few values: a fifth of a second each, most of it conversion.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFUSALS = (
    r"first axis must be the batch",
    r"mixes the images of a batch",
    r"no kernel implements \d+ node\(s\) of this network: .*(dimensions|the images of a batch)",
)
"""What a network of the generator may rightly be refused for."""
LEAST_SERVED = 0.6


def ran(first: int, count: int, step: int, cache: Path) -> str:
    """The lines of one child process, with a last one if it died."""
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.models.run_generated_networks"]
    arguments = [str(first), str(count), str(step), str(cache)]
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout
    return f"{done.stdout.rstrip()} FAILED: the process ended with {done.returncode}\n{done.stderr[-2000:]}"


@pytest.mark.parametrize(
    ("networks", "each"),
    [(12, 6), pytest.param(5000, 250, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
)
def test_generated_networks_are_refused_or_answered_rightly(
    networks: int, each: int, code_cache: Path
) -> None:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        texts = list(pool.map(lambda first: ran(first, each, 1, code_cache), range(0, networks, each)))
    lines = [line for text in texts for line in text.splitlines()]
    failed = [line for line in lines if "FAILED" in line]
    assert failed == [], "\n".join(texts)
    refused = [line for line in lines if " refused " in line]
    assert [line for line in refused if not any(re.search(allowed, line) for allowed in REFUSALS)] == []
    served = sum(line.endswith(" same") for line in lines)
    assert served + len(refused) == networks
    assert served > LEAST_SERVED * networks
