"""The server's side of the device's process: start it, send images, and end it when it does not answer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TypeVar

from accelserve.kernels.errors import DeviceError
from accelserve.kernels.ir import Array
from accelserve.kernels.opencl.errors import DeviceHungError, DeviceLostError
from accelserve.kernels.opencl.runtime import messages
from accelserve.kernels.opencl.runtime.exchange import SLOTS, Exchange, fill_borders, open_exchange, put, take

Answer = TypeVar("Answer", messages.Ready, messages.Finished, messages.Profiled, messages.Binary)

_LAST_WORDS_BYTES = 400
_END_TIMEOUT_S = 10.0


class DeviceProcess:
    """A running process with a program loaded on the device. Not for several threads at once.

    Attributes:
        ready: what it said when the weights were up.
        pid: of the process.
    """

    def __init__(self, start: messages.Start, lease: int | None, deadline_s: float) -> None:
        """Start the process and wait until the program is on the device.

        Args:
            start: what to load; its ``exchange`` is filled in here.
            lease: file descriptor of the device's lock, which the process keeps open; None if it runs nothing.
            deadline_s: for building and uploading.

        Raises:
            DeviceError: the process could not, or did not in time; it has ended.
        """
        self._segments = start.segments
        self._exchange_fd = open_exchange(start.segments)
        self._words = os.memfd_create("accelserve-device-stderr")
        self._spawn(lease)
        try:
            self._exchange = Exchange(start.segments, self._exchange_fd)
            self._send(replace(start, exchange=self._exchange_fd))
            self.ready = self._expect(messages.Ready, deadline_s)
            self._fill_borders()
        except BaseException:
            self.end()
            raise

    def _spawn(self, lease: int | None) -> None:
        ours, theirs = socket.socketpair()
        lifeline_end, self._lifeline = os.pipe()
        passed = [theirs.fileno(), lifeline_end, self._exchange_fd, *([] if lease is None else [lease])]
        module = "accelserve.kernels.opencl.runtime.worker"
        self._process = subprocess.Popen(  # noqa: S603 - our own module, with our own interpreter
            [sys.executable, "-P", "-m", module, str(theirs.fileno()), str(lifeline_end)],
            pass_fds=passed,
            stdin=subprocess.DEVNULL,
            stdout=self._words,
            stderr=self._words,
            start_new_session=True,  # before it can ignore them, signals of the terminal do not reach it
            # Binaries are cached by us, under a key that knows the driver, or not at all.
            env={**os.environ, "PYOPENCL_NO_CACHE": "1"},
        )
        theirs.close()
        os.close(lifeline_end)
        self._connection = Connection(ours.detach())
        self.pid = self._process.pid

    def _fill_borders(self) -> None:
        for segment, slots in zip(self._segments, self._exchange.slots, strict=True):
            for slot in slots:
                for port in segment.inputs:
                    fill_borders(port, slot.inputs[port.value])

    def run(
        self, segment: int, images: Sequence[Mapping[str, Array]], deadline_s: float
    ) -> tuple[list[dict[str, Array]], list[float]]:
        """Run a segment on a batch, two images in flight.

        Args:
            segment: index among those of ``start``.
            images: input value -> array of its type, one mapping an image.
            deadline_s: for each image.

        Returns:
            Output value -> fresh array, one mapping an image; and the device's seconds for each image.

        Raises:
            DeviceHungError, DeviceLostError: the process has ended; what was in flight is lost.
        """
        results: list[dict[str, Array]] = []
        seconds: list[float] = []
        flying: deque[int] = deque()
        for image in images:
            if len(flying) == SLOTS:
                seconds.append(self._expect(messages.Finished, deadline_s).seconds)
                results.append(self._taken(segment, flying.popleft()))
            number = len(results) + len(flying)
            self._put(segment, number % SLOTS, image)
            flying.append(number % SLOTS)
            self._send(messages.Run(segment, number % SLOTS))
        for slot in flying:
            seconds.append(self._expect(messages.Finished, deadline_s).seconds)
            results.append(self._taken(segment, slot))
        return results, seconds

    def profile(self, segment: int, runs: int, deadline_s: float) -> tuple[tuple[float, ...], ...]:
        """Seconds of every layer, one row a run, on the image that went through slot 0 last."""
        self._send(messages.Profile(segment, runs))
        return self._expect(messages.Profiled, deadline_s * runs).seconds

    def binary(self, deadline_s: float) -> messages.Binary:
        """The compiled program."""
        self._send(messages.ReadBinary())
        return self._expect(messages.Binary, deadline_s)

    def _put(self, segment: int, slot: int, image: Mapping[str, Array]) -> None:
        for port in self._segments[segment].inputs:
            put(port, self._exchange.slots[segment][slot].inputs[port.value], image[port.value])

    def _taken(self, segment: int, slot: int) -> dict[str, Array]:
        outputs = self._exchange.slots[segment][slot].outputs
        return {port.value: take(port, outputs[port.value]) for port in self._segments[segment].outputs}

    def _send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except (BrokenPipeError, ConnectionResetError, OSError):
            raise self._lost() from None

    def _expect(self, kind: type[Answer], deadline_s: float) -> Answer:
        try:
            if not self._connection.poll(deadline_s):
                self.end()
                raise DeviceHungError(deadline_s)
            answer = self._connection.recv()
        except (EOFError, ConnectionResetError, BrokenPipeError, OSError):
            raise self._lost() from None
        if isinstance(answer, messages.Failed):
            self.end()
            raise answer.error
        if not isinstance(answer, kind):
            self.end()
            raise DeviceLostError(f"its process said {type(answer).__name__} where {kind.__name__} was due")
        return answer

    def _lost(self) -> DeviceError:
        self._kill()
        lost = DeviceLostError(
            f"its process ended with status {self._process.returncode}{self._last_words()}"
        )
        self.end()
        return lost

    def _last_words(self) -> str:
        size = os.fstat(self._words).st_size if self._words >= 0 else 0
        said = os.pread(self._words, _LAST_WORDS_BYTES, max(0, size - _LAST_WORDS_BYTES)) if size else b""
        text = said.decode(errors="replace").strip()
        return f", saying: {text}" if text else ""

    def _kill(self) -> None:
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # a process in a driver's uninterruptible sleep
            self._process.wait(_END_TIMEOUT_S)

    def end(self) -> None:
        """End the process and give its memory back; a second call does nothing."""
        self._kill()
        self._connection.close()
        for name in ("_lifeline", "_exchange_fd", "_words"):
            descriptor = getattr(self, name)
            if descriptor >= 0:
                os.close(descriptor)
                setattr(self, name, -1)
