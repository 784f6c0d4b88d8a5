"""Compiles a version in a process of its own, so that the process that serves never holds more than it needs.

``python -m accelserve.models.serving.compile_apart DIRECTORY DEVICE THREADS CACHE`` fills the cache: packed weights, machine
code, the plan. A second process compiles with it where that is of use (``kernels.native.second_compiler``). It writes a line
to standard output for every function that was compiled, and ends when its standard input does, so that it never outlives
who started it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from accelserve.kernels.devices.discovery import open_device
from accelserve.kernels.file_cache import can_write, end_process, on_failure
from accelserve.kernels.native.second_compiler import second_compiler
from accelserve.kernels.program import LoadOptions

_LOG = logging.getLogger(__name__)
_COMPILED = "compiled "
_END_SECONDS = 5.0


class CompilingApart:
    """The processes that compile for one server. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self.stopped = False

    def compile(
        self, directory: Path, device: str, options: LoadOptions, progress: Callable[[int], None]
    ) -> bool:
        """Fill the cache with everything that a version needs; what fails is left to who compiles it then.

        Args:
            directory: ``REPOSITORY/NAME/VERSION``.
            device: its name, for ``open_device``.
            options: threads and the cache, which must not be None.
            progress: told the number of functions compiled so far, after each.

        Returns:
            Whether the cache is filled.
        """
        if not sys.executable or options.cache is None or not can_write(options.cache):
            return False
        arguments = [str(directory), device, str(options.threads), str(options.cache)]
        try:
            process = self._start([sys.executable, "-m", __spec__.name, *arguments])
        except OSError as error:
            _LOG.warning("%s is compiled by the serving process itself: %s", directory, error)
            return False
        if process is None:
            return False
        with process:
            said = _followed(process, progress)
            code = process.wait()
        with self._lock:
            self._running.discard(process)
        if code != 0:
            _LOG.debug("compiling %s ended with code %d: %s", directory, code, said[-1] if said else "")
        return code == 0

    def stop(self) -> None:
        """End the processes, between two files of the cache; no other is started."""
        with self._lock:
            self.stopped = True
            running = list(self._running)
        for process in running:
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
            process.kill()  # one that was stopped, say

    def _start(self, command: list[str]) -> subprocess.Popen[str] | None:
        with self._lock:
            if self.stopped:
                return None
            process = subprocess.Popen(  # noqa: S603 - our own module and the server's own arguments
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # Ctrl-C is for the server, which then stops this one
            )
            self._running.add(process)
        return process


def _followed(process: subprocess.Popen[str], progress: Callable[[int], None]) -> list[str]:
    """What the process said besides its progress, once it is done."""
    said: list[str] = []
    count = 0
    for line in process.stdout or ():
        if line.startswith(_COMPILED):
            count += 1
            progress(count)
        else:
            said.append(line.rstrip())
    return said


def main(directory: str, device: str, threads: str, cache: str) -> None:
    """Fill the cache; whatever fails is raised."""
    from accelserve.models.serving.servable import Servable

    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    # What cannot be kept is of no use to anybody: who asked for it compiles it then, and says why it is not kept.
    on_failure(lambda _error: os._exit(1))
    code_log = logging.getLogger("accelserve.kernels.native.machine_code")
    code_log.setLevel(logging.INFO)
    code_log.addHandler(logging.StreamHandler(sys.stdout))
    options = LoadOptions(threads=int(threads), cache=Path(cache))
    with (
        second_compiler(Path(cache)),
        closing(Servable.load(Path(directory), device=open_device(device), options=options)) as servable,
    ):
        servable.warm_up()


def _end_with_standard_input() -> None:
    # Not by sys.stdin: a thread that reads it when Python ends makes that end an abort.
    while os.read(sys.stdin.fileno(), 1):
        pass
    end_process(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
