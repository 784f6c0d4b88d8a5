"""The other process of ``second_compiler``: ``python -m accelserve.kernels.native.compile_on_request FOLDER``.

Reads a function's ``request`` a line from standard input, and writes ``done SECONDS`` when its object file is in the folder.
It ends with its standard input, so that it never outlives who started it, and without an answer if it cannot compile or
cache something.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path

from accelserve.kernels.file_cache import end_process, on_failure, write_cached
from accelserve.kernels.native.compiled import function_of
from accelserve.kernels.native.levels import code_targets
from accelserve.kernels.native.machine_code import made, object_path
from accelserve.kernels.native.second_compiler import DONE


def main(folder: str) -> None:
    """Compile until standard input ends; whatever fails is raised."""
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    on_failure(lambda _error: os._exit(1))
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    import accelserve.kernels.native.jit  # noqa: F401 - numba, while the first request is still to come

    target = code_targets()[0]
    while True:
        function = function_of(json.loads(requests.get()))
        began = time.perf_counter()
        code = made(function.symbol, target, function.object_code)
        write_cached(object_path(function.symbol, target, Path(folder)), code)
        sys.stdout.write(f"{DONE} {time.perf_counter() - began:.3f}\n")
        sys.stdout.flush()


def _read(requests: queue.SimpleQueue[str]) -> None:
    """Pass on lines as they come, even while something is compiled, and end the process when there are no more."""
    # Not by sys.stdin: a thread that reads it when Python ends makes that end an abort.
    pending = b""
    while got := os.read(sys.stdin.fileno(), 1 << 16):
        *lines, pending = (pending + got).split(b"\n")
        for line in lines:
            requests.put(line.decode())
    end_process(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
