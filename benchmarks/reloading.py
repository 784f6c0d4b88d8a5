"""Loads and unloads models in turn in this process, and prints its memory after every round, one JSON object a line.

    python -m benchmarks.reloading CACHE ROUNDS MODEL/VERSION ...

As a server's loader does it: verified, loaded, warmed up, closed.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from accelserve.server.config import DeviceConfig, RequestLimits
from accelserve.server.core.servable import ServableId
from accelserve.server.loading.device import ServableLoader
from benchmarks.serving_process import ProcessMemory


def main(cache: str, rounds: str, *models: str) -> None:
    """Run all rounds."""
    loader = ServableLoader(DeviceConfig(name="cpu", cache=Path(cache)), RequestLimits())
    for _ in range(int(rounds)):
        for each in map(Path, models):
            servable = loader.load(ServableId(each.parent.name, int(each.name)), each)
            servable.warm_up()
            servable.close()
        print(json.dumps(asdict(ProcessMemory.of(os.getpid()))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
