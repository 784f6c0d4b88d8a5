"""The client processes, led from one: started, given steps, listened to, ended."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.plan import Form, Pictures, Step, Target
from accelserve.loadgen.process import READY, STOP, Job, Report, Start, run
from accelserve.loadgen.recorder import Merged, Recorded, merged

_START_SECONDS = 0.1  # for a message to reach every process before the step begins
_END_SECONDS = 10.0
_LOOK_SECONDS = 0.2

Watch = Callable[[Merged, float], None]
"""Takes what was measured up to now, and the seconds since the step began."""


class Fleet:
    """Client processes that are ready; made by ``fleet``."""

    def __init__(self, members: list[tuple[BaseProcess, Connection]], interrupt: threading.Event) -> None:
        self._pipes = [pipe for _, pipe in members]
        self._processes = {pipe: process for process, pipe in members}
        self._interrupt = interrupt

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C has come: no other step is to be made."""
        return self._interrupt.is_set()

    def measure(self, step: Step, watch: Watch) -> Merged:
        """Make the load of a step and say what came of it.

        Ctrl-C ends the step early: requests in flight are waited for, and what came until then is returned. Another one,
        while they are waited for, is a KeyboardInterrupt.

        Args:
            step: load and length.
            watch: called about once a second.

        Raises:
            LoadError: a client process ended.
        """
        begin = time.monotonic() + _START_SECONDS
        latest: dict[Connection, Recorded] = {}
        running = set(self._pipes)
        whole = Merged()
        for pipe in self._pipes:
            _send(pipe, Start(step=step, at=begin))
        while running and not self.interrupted:
            if self._listen(running, latest):
                whole = merged(latest.values())
            watch(whole, max(time.monotonic() - begin, 0.0))
        for pipe in running:
            _send(pipe, STOP)
        while running:
            self._listen(running, latest)
        return merged(latest.values())

    def _listen(self, running: set[Connection], latest: dict[Connection, Recorded]) -> bool:
        """Take what has come, for a moment; whether there was anything."""
        heard = False
        for ready in wait(list(running), timeout=_LOOK_SECONDS):
            pipe = next(each for each in running if each is ready)
            report = self._received(pipe)
            if not isinstance(report, Report):
                continue
            latest[pipe] = report.recorded
            heard = True
            if report.final:
                running.discard(pipe)
        return heard

    def _received(self, pipe: Connection) -> object:
        return received(pipe, self._processes[pipe])


def _send(pipe: Connection, message: object) -> None:
    """Nothing where the process has ended: what it is read by says so."""
    with suppress(BrokenPipeError, ConnectionResetError):
        pipe.send(message)


def received(pipe: Connection, process: BaseProcess) -> object:
    """The next message; LoadError if the process ended instead."""
    try:
        message: object = pipe.recv()
    except (EOFError, ConnectionResetError):
        process.join(_END_SECONDS)
        raise LoadError(_end_of(process)) from None
    return message


def _end_of(process: BaseProcess) -> str:
    code = process.exitcode
    if code is None or code >= 0:
        return f"a client process ended with code {code}; its error stands above"
    return f"a client process was ended by {signal.Signals(-code).name}: by somebody, or for want of memory"


@contextmanager
def fleet(
    target: Target, pictures: Pictures, *, batch_size: int, form: Form, processes: int, connections: int
) -> Iterator[Fleet]:
    """Client processes that are ready to send; they end with the block.

    Args:
        target: whom to ask.
        pictures: what to send.
        batch_size: pictures a request.
        form: that the server takes, as ``preflight`` found out.
        processes: at least one.
        connections: most requests in flight in any step, of all processes together.
    """
    # Not forked: gRPC's threads would not come along.
    context = multiprocessing.get_context("spawn")
    members: list[tuple[BaseProcess, Connection]] = []
    try:
        for _ in range(processes):
            here, there = context.Pipe()
            process: BaseProcess = context.Process(target=run, args=(there,), daemon=True)
            with _without_interrupts():
                process.start()
            there.close()
            members.append((process, here))
        # Not as arguments: multiprocessing waits forever for a process to read those that has ended.
        for number, (_, pipe) in enumerate(members):
            job = Job(
                target=target,
                pictures=pictures,
                batch_size=batch_size,
                form=form,
                number=number,
                processes=processes,
                connections=-(-connections // processes),
            )
            _send(pipe, job)
        for member, pipe in members:
            if received(pipe, member) != READY:
                raise LoadError("a client process does not begin as it should")
        with _marked_interrupt() as interrupt:
            yield Fleet(members, interrupt)
    finally:
        for _, pipe in members:
            pipe.close()
        for member, _ in members:
            member.join(_END_SECONDS)
            if member.is_alive():
                member.kill()
                member.join()


@contextmanager
def _marked_interrupt() -> Iterator[threading.Event]:
    """Inside, the first Ctrl-C sets the event: as an exception it may strike in a destructor, and would be lost there."""
    interrupt = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = signal.getsignal(signal.SIGINT)

    def mark(number: int, _frame: FrameType | None) -> None:
        interrupt.set()
        signal.signal(number, before)

    signal.signal(signal.SIGINT, mark)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is started inside never hears Ctrl-C, since a blocked signal stays so across exec; here it waits for the end."""
    # Blocked in this thread, it still comes to one of gRPC's, and Python then raises here; so it is marked as well.
    with _marked_interrupt() as interrupt:
        # multiprocessing starts it with the first process, and unblocks SIGINT behind it, whoever had blocked it.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if interrupt.is_set():
        raise KeyboardInterrupt
