"""Forks beside an asyncio client that is open, and prints what calls of the new process give: one JSON object a line.

``python fork_with_asyncio.py PORT SILENT_PORT``: a server that answers, and one that takes connections and is silent.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from accelserve.client import AsyncPredictionClient, ClientError

PORT, SILENT_PORT = map(int, sys.argv[1:])
PARENT = os.getpid()
PR_SET_PDEATHSIG = 1  # linux/prctl.h


async def of(client: AsyncPredictionClient, timeout: float) -> str:
    try:
        return str(len(await client.score_images([b"1", b"22"], outputs="lengths", timeout=timeout)))
    except ClientError as error:
        return type(error).__name__


async def of_a_new_client(port: int, timeout: float) -> str:
    async with AsyncPredictionClient("127.0.0.1", port) as client:
        return await of(client, timeout)


async def of_many_calls() -> list[str]:
    async with AsyncPredictionClient("127.0.0.1", PORT) as client:
        return await asyncio.gather(*(of(client, 30) for _ in range(20)))


async def of_a_cancelled_call() -> str:
    async with AsyncPredictionClient("127.0.0.1", SILENT_PORT) as client:
        call = asyncio.ensure_future(of(client, 30))
        await asyncio.sleep(0)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        return "cancelled" if call.cancelled() else "not cancelled"


def end_whatever_happens() -> None:
    """The system ends a new process that spins, with its parent (Linux) and after a minute (anywhere)."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(60)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != PARENT:  # it ended before that
            os._exit(1)


def in_a_child(name: str, work: Coroutine[Any, Any, object]) -> None:
    child = os.fork()
    if child == 0:
        end_whatever_happens()
        try:
            asyncio.events._set_running_loop(None)  # the parent's, in which it forked
            print(json.dumps({name: asyncio.run(work)}), flush=True)
        finally:
            os._exit(0)
    work.close()
    os.waitpid(child, 0)


async def main() -> None:
    async with AsyncPredictionClient("127.0.0.1", PORT) as client:
        print(json.dumps({"parent": await of(client, 30)}), flush=True)
        in_a_child("new client", of_a_new_client(PORT, 30))
        in_a_child("inherited client", of(client, 30))
        in_a_child("many calls", of_many_calls())
        in_a_child("silent server", of_a_new_client(SILENT_PORT, 0.5))
        in_a_child("cancelled call", of_a_cancelled_call())
        print(json.dumps({"parent, after": await of(client, 30)}), flush=True)


asyncio.run(main())
