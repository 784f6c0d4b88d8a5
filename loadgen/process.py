"""A client process: it builds the requests, then makes the load of one step after another, as its pipe says."""

from __future__ import annotations

import itertools
import resource
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from accelserve.loadgen.callers import Arrivals, MonotonicClock, call_at, call_in_turn
from accelserve.loadgen.pictures import groups
from accelserve.loadgen.plan import Closed, Form, Pictures, Step, Target
from accelserve.loadgen.recorder import Recorded, Recorder
from accelserve.loadgen.requests import body_of
from accelserve.loadgen.senders import Outcome, sender_for

REPORT_SECONDS = 1.0
_OTHER_FILES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a process is for.

    Attributes:
        target: whom to ask.
        pictures: what to send.
        batch_size: pictures a request.
        form: that the server takes.
        number: of the process, from 0.
        processes: in all.
        connections: most that it will need.
    """

    target: Target
    pictures: Pictures
    batch_size: int
    form: Form
    number: int
    processes: int
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Make the load of a step; ``at`` is monotonic seconds."""

    step: Step
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a process has seen in the step up to now, or in all of it."""

    recorded: Recorded
    final: bool


READY = "ready"
STOP = "stop"


def run(pipe: Connection) -> None:
    """Take a job, say that everything is ready, then take steps until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that leads, which then says stop
    try:
        job = pipe.recv()
    except (EOFError, OSError):  # OSError: in the middle of it
        return
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the one that leads is done, or gone
        _work(job, pipe)


def _work(job: Job, pipe: Connection) -> None:
    _allow_open_files(job.connections)
    sender = sender_for(job.target, job.connections)
    bodies = [body_of(job.target, each, job.form) for each in groups(job.pictures, job.batch_size)]
    # Each process begins elsewhere, so that they do not all send the same picture at once.
    numbers = itertools.count(job.number * len(bodies) // job.processes)
    try:
        pipe.send(READY)
        while True:
            message = pipe.recv()
            if isinstance(message, Start):
                _take_step(job, message, pipe, lambda: sender.send(bodies[next(numbers) % len(bodies)]))
    finally:
        sender.close()


def _allow_open_files(connections: int) -> None:
    """As many as the connections want: what this process may not open would count as the server's errors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _take_step(job: Job, start: Start, pipe: Connection, send: Callable[[], Outcome]) -> None:
    stop = threading.Event()
    recorder = Recorder(start.step.deadline_ms)
    cpu, end = time.process_time(), start.at + start.step.seconds

    def report(*, final: bool) -> Report:
        recorded = recorder.recorded(
            began=start.at,
            ended=min(end, time.monotonic()),
            cpu_seconds=time.process_time() - cpu,
            final=final,
        )
        return Report(recorded=recorded, final=final)

    threads = [
        threading.Thread(target=each, daemon=True) for each in _callers(job, start, stop, recorder, send)
    ]
    for thread in threads:
        thread.start()
    try:
        reported = time.monotonic()
        for thread in threads:
            while thread.is_alive():
                thread.join(timeout=0.05)
                if pipe.poll() and pipe.recv() == STOP:
                    stop.set()
                if time.monotonic() - reported >= REPORT_SECONDS:
                    reported = time.monotonic()
                    pipe.send(report(final=False))
    finally:  # a pipe that is gone ends the callers, too
        stop.set()
    pipe.send(report(final=True))


def _callers(
    job: Job, start: Start, stop: threading.Event, recorder: Recorder, send: Callable[[], Outcome]
) -> list[Callable[[], None]]:
    """This process's share of the callers; none for processes beyond their number."""
    clock = MonotonicClock(stop)
    load, end = start.step.load, start.at + start.step.seconds
    if isinstance(load, Closed):

        def in_turn() -> None:
            if clock.sleep_until(start.at):
                call_in_turn(send, clock, end, recorder)

        return [in_turn] * share(load.callers, job.number, job.processes)
    seed = f"{start.step.seed} {job.number}"
    arrivals = Arrivals(load.rate / job.processes, start.at, end, seed)
    patience = job.target.timeout_seconds
    return [lambda: call_at(arrivals, send, clock, recorder, patience)] * share(
        load.max_in_flight, job.number, job.processes
    )


def share(whole: int, number: int, parts: int) -> int:
    """How many of ``whole`` the part of that number takes: as even as can be."""
    return whole // parts + (number < whole % parts)
