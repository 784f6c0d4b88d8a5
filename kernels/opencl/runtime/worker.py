"""The device's own process: ``python -m accelserve.kernels.opencl.runtime.worker SOCKET LIFELINE``.

A bad kernel can hang for ever or end the process that it runs in, so drivers are never loaded into the server's process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection

import pyopencl as cl

from accelserve.kernels.errors import DeviceError
from accelserve.kernels.opencl.errors import DeviceLostError
from accelserve.kernels.opencl.runtime import messages
from accelserve.kernels.opencl.runtime.exchange import SLOTS, Exchange
from accelserve.kernels.opencl.runtime.platforms import OpenClDevice, find_devices
from accelserve.kernels.opencl.runtime.program import binary_of, make_program
from accelserve.kernels.opencl.runtime.resident import Flight, Resident

_FOR_THE_SERVER = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Terminals and service managers send them to every process; the server then finishes what it has, with this one."""


def main(socket: int, lifeline: int) -> None:
    """Serve one program over the inherited socket until the other end closes it.

    Args:
        socket: file descriptor of the messages.
        lifeline: read end of a pipe whose other end closes when the server's process ends.
    """
    for number in _FOR_THE_SERVER:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    connection = Connection(socket)
    try:
        start = connection.recv()
        try:
            started = _started(connection, start)
        except (DeviceError, cl.Error, MemoryError) as error:
            connection.send(messages.Failed(_portable(error)))
            return
        _serve(connection, started)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the server closed the program, or is gone


@dataclass(frozen=True, slots=True)
class _Loaded:
    program: cl.Program
    residents: list[Resident]
    exchange: Exchange


def _started(connection: Connection, start: messages.Start) -> _Loaded:
    began = time.perf_counter()
    context = cl.Context([_device(start.device)])
    program = make_program(context, start.program)
    built = time.perf_counter()
    residents = [
        Resident(context, program, segment, start.path, in_turn=start.in_turn) for segment in start.segments
    ]
    exchange = Exchange(start.segments, start.exchange)
    uploaded = time.perf_counter()
    connection.send(messages.Ready(built - began, uploaded - built, exchange.pinned))
    return _Loaded(program, residents, exchange)


def _device(wanted: OpenClDevice) -> cl.Device:
    for found, device in find_devices():
        if (found.platform, found.name, found.ordinal) == (wanted.platform, wanted.name, wanted.ordinal):
            return device
    raise DeviceLostError(f"{wanted.name} ({wanted.platform}) is not there any more")


def _serve(connection: Connection, loaded: _Loaded) -> None:
    """Take a request whenever one is there and a slot is free; answer the oldest flight otherwise."""
    flights: deque[Flight] = deque()
    while True:
        if flights and (len(flights) == SLOTS or not connection.poll()):
            _answer(connection, flights.popleft())
            continue
        request = connection.recv()
        try:
            if isinstance(request, messages.Run):
                slot = loaded.exchange.slots[request.segment][request.slot]
                resident = loaded.residents[request.segment]
                flights.append(resident.submit(request.slot, slot.inputs, slot.outputs))
            elif isinstance(request, messages.Profile):
                connection.send(
                    messages.Profiled(tuple(loaded.residents[request.segment].profile(request.runs)))
                )
            elif isinstance(request, messages.ReadBinary):
                driver = loaded.program.context.devices[0].platform.version
                connection.send(messages.Binary(binary_of(loaded.program), driver))
        except cl.Error as error:
            connection.send(messages.Failed(_portable(error)))


def _answer(connection: Connection, flight: Flight) -> None:
    try:
        connection.send(messages.Finished(flight.wait()))
    except cl.Error as error:
        connection.send(messages.Failed(_portable(error)))


def _portable(error: Exception) -> DeviceError:
    """An error that the server's process, which has no drivers, can unpickle."""
    return error if isinstance(error, DeviceError) else DeviceLostError(f"{type(error).__name__}: {error}")


def _end_with(lifeline: int) -> None:
    """End this process when the server's does, even while a kernel hangs; the lease goes with it."""
    os.read(lifeline, 1)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
