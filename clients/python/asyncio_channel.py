"""The asyncio client's channel: grpc.aio's, or, in a process that was forked beside one, gRPC's own threads.

grpc.aio polls on a thread that a fork does not bring along (gRPC then says "skipping fork() handlers"): calls of the new
process are never answered, nor do their deadlines end them. The blocking gRPC does work there.
"""

import asyncio
import os
from typing import ClassVar, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from accelserve.client.connection import Connection
from accelserve.protos.services import UnaryMethod

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)


class _Aio:
    """What this process knows of grpc.aio."""

    used = False
    lost = False
    inherited: ClassVar[list[grpc.aio.Channel]] = []
    """Never let go of: to close one waits for the thread that is not here."""

    @classmethod
    def after_fork(cls) -> None:
        """In the child: what the parent used has no thread here."""
        cls.lost = cls.used


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_Aio.after_fork)


class AsyncioChannel:
    """Opened in the process that makes it, and once more in a process that inherits it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open()

    async def call(
        self, method: UnaryMethod[RequestT, ResponseT], request: RequestT, timeout_s: float
    ) -> ResponseT:
        """Sends a request once.

        Raises:
            grpc.RpcError: it failed.
            TimeoutError: gRPC did not end the call in time.
            asyncio.CancelledError: the caller was cancelled, or grpc.aio's channel closed.
        """
        if os.getpid() != self._process:
            if self._aio is not None:
                _Aio.inherited.append(self._aio)
            self._open()
        metadata = self._connection.metadata
        async with asyncio.timeout(timeout_s):
            if self._aio is not None:
                return await method.aio_stub(self._aio)(request, timeout=timeout_s, metadata=metadata)
            assert self._threads is not None  # noqa: S101 - one of the two is open
            future = method.stub(self._threads).future(request, timeout=timeout_s, metadata=metadata)
            return await _result(future)

    async def close(self) -> None:
        """Closes it; calls that are under way are cancelled. May be called again."""
        if os.getpid() != self._process:
            return
        if self._aio is not None:
            await self._aio.close()
        if self._threads is not None:
            self._threads.close()

    def _open(self) -> None:
        self._process = os.getpid()
        self._aio: grpc.aio.Channel | None = None
        self._threads: grpc.Channel | None = None
        if _Aio.lost:
            self._threads = self._connection.open()
        else:
            _Aio.used = True
            self._aio = self._connection.open_aio()


async def _result(call: "grpc.Future[ResponseT]") -> ResponseT:
    """What a call on gRPC's threads gives; whoever stops waiting cancels it."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def announce(_: object) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(ended.set)

    call.add_done_callback(announce)
    try:
        await ended.wait()
    except asyncio.CancelledError:
        call.cancel()
        raise
    try:
        return call.result()
    except grpc.FutureCancelledError:
        raise cast("grpc.RpcError", call) from None  # gRPC's futures are the errors that they end with
