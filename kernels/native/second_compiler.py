"""A second process that compiles: numba compiles one function at a time in a process, whatever the number of threads.

What will be needed is said beforehand (``expect``). This process works from the front of that list, since it asks for
functions in that order; the other one is given the last function, then the last of those that are left. Nothing is
compiled twice: a function is taken from the list by who compiles it, and who needs one that the other is at waits for it.

Nobody depends on the other process. It is started only if a second processor, memory and enough work are there, and what
it does not deliver, because it cannot start, ends, or takes too long, is compiled here.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from accelserve.kernels.native import spare
from accelserve.kernels.native.compiled import Function
from accelserve.kernels.native.machine_code import KERNELS, report_compiled

PROGRAM = "accelserve.kernels.native.compile_on_request"
DONE = "done"

_FEWEST = 4
"""Functions that take as long as the start of a process that imports numba."""
_MEMORY_BYTES = 512 << 20
"""Twice what the process takes."""
_PATIENCE_SECONDS = 120.0
"""Many times what the largest function takes, for machines that have much else to do."""
_END_SECONDS = 5.0


@contextlib.contextmanager
def second_compiler(folder: Path) -> Iterator[SecondCompiler]:
    """Compile with two processes while the block runs, if that is of use.

    Args:
        folder: where object files are cached, by all that is loaded meanwhile.
    """
    second = SecondCompiler(folder)
    KERNELS.second = second
    try:
        yield second
    finally:
        KERNELS.second = None
        second.close()


class SecondCompiler:
    """See the module's text. ``expect`` and ``claim`` may be called from any thread.

    Attributes:
        process: the other one, once it was started.
    """

    def __init__(self, folder: Path) -> None:
        self.process: subprocess.Popen[str] | None = None
        self._folder = folder
        self._thread: threading.Thread | None = None
        self._change = threading.Condition()
        self._waiting: list[Function] = []
        self._under_way = ""  # symbol of what the other process compiles
        self._over = False

    def expect(self, functions: Sequence[Function]) -> None:
        """Functions that this process is going to ask for, in this order, and before all that it expected so far."""
        missing = [each for each in functions if not KERNELS.at_hand(each.symbol, self._folder)]
        with self._change:
            known = {self._under_way, *(each.symbol for each in self._waiting)}
            self._waiting[:0] = {each.symbol: each for each in missing if each.symbol not in known}.values()
            if self.process is None and not self._over and len(self._waiting) >= _FEWEST:
                self._start()
            self._change.notify_all()

    def claim(self, symbol: str) -> None:
        """Take a function from the list, or wait until the other process is done with it: the caller looks for it next."""
        with self._change:
            self._waiting = [each for each in self._waiting if each.symbol != symbol]
            self._change.wait_for(lambda: self._under_way != symbol, _PATIENCE_SECONDS)

    def close(self) -> None:
        """End the process, whatever it is at."""
        with self._change:
            self._over = True
            self._change.notify_all()
            if self.process is not None and self.process.stdin is not None:
                with contextlib.suppress(OSError):
                    self.process.stdin.close()  # which ends it, but not in the middle of a file
        if self._thread is not None:
            self._thread.join(_END_SECONDS)
            if self._thread.is_alive() and self.process is not None:
                self.process.kill()  # one that was stopped does not end by itself
                self._thread.join()

    def _start(self) -> None:
        memory = spare.memory_bytes()
        enough = spare.processors() >= 2 and (memory is None or memory >= _MEMORY_BYTES)
        if not enough or not sys.executable:
            self._over = True
            return
        command = [sys.executable, "-m", PROGRAM, str(self._folder)]
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # Ctrl-C is for the one that asks: it closes the pipe, between two files
            )
            self._thread = threading.Thread(
                target=self._give_work, args=(self.process,), name="second-compiler", daemon=True
            )
            self._thread.start()
        except (OSError, RuntimeError):  # no further process, or no further thread
            self._over = True
            if self.process is not None:
                _end(self.process)

    def _give_work(self, process: subprocess.Popen[str]) -> None:
        try:
            while (function := self._given(process)) is not None:
                answer = (process.stdout.readline() if process.stdout else "").split()
                if len(answer) != 2 or answer[0] != DONE:
                    break
                report_compiled(function.symbol, float(answer[1]))
        except (OSError, ValueError):  # ValueError: closed meanwhile, or no number
            pass
        finally:
            with self._change:
                self._over, self._under_way = True, ""
                self._waiting.clear()
                self._change.notify_all()
            _end(process)

    def _given(self, process: subprocess.Popen[str]) -> Function | None:
        """The last function that is left, which the process has been asked for; None if it is not needed any more."""
        with self._change:
            self._under_way = ""
            self._change.notify_all()
            self._change.wait_for(lambda: self._waiting or self._over)
            if self._over or process.stdin is None:
                return None
            function = self._waiting.pop()
            self._under_way = function.symbol
            process.stdin.write(json.dumps(function.request) + "\n")
            process.stdin.flush()
            return function


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and close its pipes."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
