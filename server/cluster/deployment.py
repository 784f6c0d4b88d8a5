"""Puts replicas on a Ray cluster, from the process of ``accelserve serve``."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from typing import Any

import grpc

from accelserve.protos import grpc_health_v1 as health
from accelserve.protos.services import HealthService
from accelserve.server.cluster.connection import connection_to
from accelserve.server.cluster.options import LOCAL, ClusterOptions
from accelserve.server.cluster.proxy import SERVICES
from accelserve.server.cluster.replica import DEPLOYMENT, RELOADS, Replica, ReplicaSettings
from accelserve.server.errors import ConfigurationError, LoadError
from accelserve.server.ports import PortReservation, free_port, joined
from accelserve.server.rpc.listener import thread_count

_LOG = logging.getLogger(__name__)

APPLICATION = "accelserve"
_SENTENCE = re.compile(r"ReplicaStartError: (.+)")
_CALL_SECONDS = 5.0
# From a running application to the first proxy that knows of it: they are told by long polls.
_PROXY_SECONDS = 60.0


class ClusterDeployment:
    """The replicas of one server. ``start`` and ``stop`` are called once each, from one thread.

    Args:
        settings: of each replica.
        options: how many, and where.
    """

    def __init__(self, settings: ReplicaSettings, options: ClusterOptions) -> None:
        self._settings = settings
        self._options = options
        self._connection = connection_to(options)
        self._started_serve = False
        self._deployed = self._replaced = self._running = False
        self._reloads = 0

    @property
    def address(self) -> str:
        """HOST:PORT of a proxy."""
        return joined(self._options.host, self._settings.config.grpc.port)

    def connect(self) -> None:
        """Reach or start the cluster; ConfigurationError if there is none, or the port of one of our own is in use.

        Replaces the process's handler of SIGTERM.
        """
        if self._options.address == LOCAL:
            reservation = PortReservation()
            reservation.take([("0.0.0.0", self._settings.config.grpc.port)])  # noqa: S104 - as Serve's proxy will
            reservation.release()
        self._connection.connect()

    def start(self) -> None:
        """Deploy; returns when a proxy answers for the replicas.

        Raises:
            LoadError: the replicas do not start; the message says why.
            ConfigurationError: Ray Serve runs here already and knows nothing of our methods.
        """
        from ray.exceptions import RayError

        try:
            self._start_serve()
            self._deploy()
        except RayError as error:
            raise LoadError(f"the cluster failed: {str(error).strip().splitlines()[0]}") from error
        self._await_proxy()
        self._running = True

    def reload(self) -> None:
        """Have every replica read the model configuration file again; says in the log what went wrong."""
        from ray.exceptions import RayError

        if not self._is_ours():
            return
        self._reloads += 1
        try:
            self._deploy()
        except (RayError, LoadError) as error:
            _LOG.error("the replicas do not read the model configuration file again: %s", error)

    def stop(self) -> None:
        """Take the replicas down, unless another command has replaced them meanwhile; end what was started here."""
        from ray import serve
        from ray.exceptions import RayError

        try:
            if self._deployed and self._is_ours():
                serve.delete(APPLICATION)
            if self._started_serve and not serve.status().applications:
                serve.shutdown()
        except (RayError, RuntimeError, ConnectionError) as error:
            _LOG.warning("the cluster could not be tidied up: %s", error)
        finally:
            self._connection.close()

    def _is_ours(self) -> bool:
        """Whether the replicas are still this command's: Serve itself does not tell who deployed an application last."""
        if self._options.address == LOCAL or not (self._running or self._replaced):
            return True
        with grpc.insecure_channel(self.address) as channel:
            code, deployment = _health(channel)
        if code is not grpc.StatusCode.OK:
            _LOG.warning(
                "the replicas are left alone: no proxy at %s tells whose they are (%s); "
                "'serve shutdown' takes down everything that Ray Serve runs",
                self.address,
                code.name,
            )
        elif deployment != self._settings.deployment:
            _LOG.info("another command has taken the replicas over")
        return deployment == self._settings.deployment

    def _start_serve(self) -> None:
        from ray import serve
        from ray.serve.config import gRPCOptions

        logging.getLogger("ray.serve").setLevel(logging.WARNING)  # what it would tell, our own lines do
        self._started_serve = not serve.status().proxies
        # HTTP cannot be switched off by itself; on a cluster of one's own it goes where nobody looks.
        http: dict[str, Any] = {"host": "127.0.0.1"}
        if self._started_serve and self._options.address == LOCAL:
            http["port"] = free_port("127.0.0.1")
        serve.start(
            proxy_location="EveryNode",
            http_options=http,
            grpc_options=gRPCOptions(
                port=self._settings.config.grpc.port,
                grpc_servicer_functions=[SERVICES],
                enable_reflection=False,
            ),
            logging_config={"log_level": "WARNING", "enable_access_log": False},
        )

    def _deploy(self) -> None:
        from ray import serve

        deployment: Any = serve.deployment(Replica, name="replica", **self._deployment_options())
        logging_config = {"log_level": "WARNING", "enable_access_log": False}
        self._replaced = self._replaced or (not self._deployed and APPLICATION in serve.status().applications)
        self._deployed = True
        try:
            serve.run(
                deployment.bind(self._settings),
                name=APPLICATION,
                route_prefix="/",  # without one, gRPC is not routed either
                logging_config=logging_config,
            )
        except RuntimeError as error:
            raise LoadError(_reason(serve.status(), error)) from error

    def _deployment_options(self) -> dict[str, Any]:
        config = self._settings.config
        cores = config.device.threads
        return {
            **self._replicas(cores),
            "user_config": {RELOADS: self._reloads},
            "ray_actor_options": {"num_cpus": cores},
            # As many as a server has threads: a replica then refuses by itself what its own limits say.
            "max_ongoing_requests": thread_count(config.grpc, config.batching.max_queued_images),
            "max_queued_requests": config.batching.max_queued_images,
            "graceful_shutdown_timeout_s": config.drain_seconds,
            "graceful_shutdown_wait_loop_s": 0.5,
        }

    def _replicas(self, cores: int) -> Mapping[str, Any]:
        options = self._options
        least, most = options.min_replicas, options.max_replicas
        if most is None:
            import ray

            most = max(least, int(ray.cluster_resources().get("CPU", 0)) // cores)
        if least == most:
            return {"num_replicas": least}
        return {
            "autoscaling_config": {
                "min_replicas": least,
                "initial_replicas": least,
                "max_replicas": most,
                "target_ongoing_requests": options.target_ongoing_requests,
            }
        }

    def _await_proxy(self) -> None:
        """Ask health, until the proxy that we reach answers from a replica of ours.

        Of an existing cluster, the proxies' port may be closed to this machine: then the log says so.
        """
        deadline = time.monotonic() + _PROXY_SECONDS
        with grpc.insecure_channel(self.address) as channel:
            while True:
                code, deployment = _health(channel)
                if deployment == self._settings.deployment:
                    return
                if code is grpc.StatusCode.UNIMPLEMENTED:
                    raise ConfigurationError(
                        f"Ray Serve runs on this cluster already, and its gRPC port {self._settings.config.grpc.port} "
                        f"does not know TensorFlow Serving's methods; start it with {SERVICES} among its "
                        "grpc_servicer_functions, or end it with 'serve shutdown'"
                    )
                if time.monotonic() > deadline:
                    _LOG.warning("the replicas run, but no proxy answers at %s (%s)", self.address, code.name)
                    return
                time.sleep(0.2)


def _health(channel: grpc.Channel) -> tuple[grpc.StatusCode, str]:
    """What a proxy answers, and whose replica it asked; empty if none answered."""
    check = HealthService.CHECK.stub(channel)
    metadata = (("application", APPLICATION),)
    try:
        _, call = check.with_call(health.HealthCheckRequest(), timeout=_CALL_SECONDS, metadata=metadata)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code, ""
    trailing: Any = dict(call.trailing_metadata())
    return grpc.StatusCode.OK, trailing.get(DEPLOYMENT, "")


def _reason(status: Any, error: Exception) -> str:
    """The replica's own sentence, which stands last in what Serve made of its exception."""
    overview = status.applications.get(APPLICATION)
    texts = [str(error)]
    if overview is not None:
        texts += [overview.message, *(each.message for each in overview.deployments.values())]
    found = [sentence for text in texts for sentence in _SENTENCE.findall(text)]
    if found:
        return str(found[-1]).strip()
    return f"the replicas do not start: {str(error).strip().splitlines()[0]}; the cluster's log says more"
