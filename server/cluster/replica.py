"""One replica: a server without ports, in a process that Ray Serve starts, watches and stops."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from contextvars import copy_context
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, cast

import grpc

from accelserve.kernels.errors import KernelError
from accelserve.kernels.heap import limit_heaps
from accelserve.protos.services import HealthService
from accelserve.server.backend import Backend
from accelserve.server.cluster.passage import PASSED, PassedAnswer, PassedRequest
from accelserve.server.cluster.replica_call import CallAbortedError, ReplicaCall
from accelserve.server.config import ServerConfig
from accelserve.server.config_files.models import models_of_file
from accelserve.server.core.access import CURRENT_CALL
from accelserve.server.errors import ConfigurationError, ServerError
from accelserve.server.loading.device import ServableLoader
from accelserve.server.ports import joined, named_by_others
from accelserve.server.protocols.headers import REQUEST_ID, request_id_of
from accelserve.server.protocols.status import status_of
from accelserve.server.rpc.call_interceptor import log_call
from accelserve.server.rpc.guard import abort
from accelserve.server.rpc.listener import thread_count
from accelserve.server.rpc.opening import CallOpener
from accelserve.server.security import Security
from accelserve.server.usage_notes import UsageNotes

_LOG = logging.getLogger(__name__)

# Serve tells replicas of a change of settings without starting them anew; this is the only one.
RELOADS = "reloads"

# In the trailing metadata of health: whose replica it was.
DEPLOYMENT = "accelserve-deployment"

# They answer health, metadata and states while predictions fill the other pool.
_CONTROL_THREADS = 16
# Replicas of one node share its ports.
_METRICS_PORTS = 64


class ReplicaStartError(Exception):
    """Why a replica does not start, in one sentence: Serve passes on no more of an exception than its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSettings:
    """What a replica is made of.

    Attributes:
        config: of the server; ``device.threads`` are the cores that the replica may use.
        log: sets the process's log up.
        version: of the process that deployed it.
        deployment: a word that no other command's replicas have; health answers with it.
    """

    config: ServerConfig
    log: Callable[[], None]
    version: str
    deployment: str


class Replica:
    """Answers every method of ``PASSED``, each of which becomes a method of this class by its last word."""

    def __init__(self, settings: ReplicaSettings) -> None:
        """Load the models; ReplicaStartError if they do not load."""
        with redirect_stderr(sys.__stderr__):  # Serve puts a file of its own in the place of sys.stderr
            settings.log()
        self._config = config = settings.config
        self._deployment = settings.deployment
        try:
            self._check_version(settings.version)
            if config.model_config_file is not None:  # it may have changed since the command was started
                config = replace(config, models=models_of_file(config.model_config_file))
            self._cores = config.device.threads
            limit_heaps(self._cores)
            loader = ServableLoader(config.device, config.limits, self._cores)
            self._backend = Backend(config, loader, _CONTROL_THREADS, self._cores)
            self._security = Security(config.security)
            self._usage_notes = UsageNotes(self._backend.registry) if config.usage_notes else None
            if (
                self._usage_notes is not None
            ):  # by the proxy of this node, since nobody reaches a replica itself
                self._usage_notes.start(joined(named_by_others(config.grpc.address), config.grpc.port))
            self._backend.load()
        except (ServerError, KernelError) as error:
            notes = getattr(self, "_usage_notes", None)
            if notes is not None:
                notes.stop()
            raise ReplicaStartError(" ".join(str(error).split())) from None
        self._opener = CallOpener(self._security.keys)
        self._handlers: Mapping[str, Callable[[bytes, Any], bytes]] = {
            method.path: cast(Any, method.handler).unary_unary for method in self._backend.methods
        }
        threads = thread_count(config.grpc, config.batching.max_queued_images)
        self._pool = ThreadPoolExecutor(threads, "requests")
        self._security.start()
        self._metrics_listener = self._listen_for_scrapes()
        self._backend.run()
        self._reloads = 0

    async def reconfigure(self, wishes: Mapping[str, int]) -> None:
        """Read the model configuration file again, if the count of ``RELOADS`` has grown."""
        reloads = wishes[RELOADS]
        if reloads > self._reloads:
            self._reloads = reloads
            await asyncio.to_thread(self._backend.reload)

    async def answer(self, path: str, request: PassedRequest, carried: Any) -> PassedAnswer:
        """One call of the method at ``path``; errors are set on ``carried``, and none is raised.

        Raises:
            CancelledError: nobody waits any more; what waits for the device is withdrawn.
        """
        call = ReplicaCall(carried, request.remaining_seconds)
        pool = getattr(self._handlers[path], "experimental_thread_pool", self._pool)
        work = asyncio.get_running_loop().run_in_executor(
            pool, copy_context().run, self._work, path, request.message, call
        )
        try:
            return PassedAnswer(await asyncio.shield(work))
        except asyncio.CancelledError:
            call.caller_left()
            raise

    def __del__(self) -> None:
        """Serve calls this once the last request is answered, and then ends the process."""
        backend = getattr(self, "_backend", None)
        if backend is not None:
            backend.drain()
            backend.close(time.monotonic() + self._config.drain_seconds)
        notes = getattr(self, "_usage_notes", None)
        if notes is not None:
            notes.stop()

    def _work(self, path: str, message: bytes, call: ReplicaCall) -> bytes:
        """The answer, empty if there is none; on a thread of a pool, in a context of its own."""
        begin = time.perf_counter()
        context = cast(grpc.ServicerContext, call)
        # Set whatever happens: by it the proxy tells a replica's answers from Serve's own.
        given = dict(call.invocation_metadata()).get(REQUEST_ID)
        call.set_trailing_metadata(((REQUEST_ID, request_id_of(given)),))
        try:
            opened = self._opener.open(path, call.invocation_metadata())
            CURRENT_CALL.set(opened)
            marks = ((DEPLOYMENT, self._deployment),) if path == HealthService.CHECK.path else ()
            call.set_trailing_metadata(((REQUEST_ID, opened.request_id), *marks))
            return self._handlers[path](message, context)
        except CallAbortedError:
            return b""
        except Exception as error:  # noqa: BLE001 - what left here would reach the caller with its trace
            return _refused(context, error)
        finally:
            if self._config.log_requests:
                log_call(path, context, time.perf_counter() - begin)

    def _check_version(self, deployed: str) -> None:
        here = version("accelserve")
        if here != deployed:
            raise ConfigurationError(
                f"this node has accelserve {here}, the command has {deployed}; install one version everywhere"
            )

    def _listen_for_scrapes(self) -> Any:
        """A page of the metrics on the first free port from the configured one on; None if none is configured."""
        first = self._config.metrics_port
        if first is None:
            return None
        from accelserve.server.rest.application import monitoring_application
        from accelserve.server.rest.listener import RestListener

        for port in range(first, min(first + _METRICS_PORTS, 65536)):
            rest = replace(self._config.rest, port=port, threads=2)
            listener = RestListener(rest, 0)
            try:
                listener.start(monitoring_application(self._backend.metrics, rest, listener.pool))
            except ConfigurationError:  # another replica's
                continue
            _LOG.info("metrics of this replica at port %d", port)
            return listener
        _LOG.warning("no port from %d to %d is free for this replica's metrics", first, port)
        return None


def _refused(context: grpc.ServicerContext, error: Exception) -> bytes:
    try:
        abort(context, status_of(error))
    except CallAbortedError:
        return b""


def _method(path: str) -> Callable[[Replica, PassedRequest, Any], Awaitable[PassedAnswer]]:
    async def answer(replica: Replica, request: PassedRequest, grpc_context: Any) -> PassedAnswer:
        return await replica.answer(path, request, grpc_context)

    return answer


for _each in PASSED:
    setattr(Replica, _each.name, _method(_each.path))
