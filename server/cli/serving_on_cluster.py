"""Keeps replicas on a cluster for the length of a process: deploy, wait for signals, take down, exit code."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from accelserve.server.cli.service_manager import ServiceManager
from accelserve.server.cli.stop_signals import StoppedWhileStarting, StopSignals
from accelserve.server.cli.watchdog import Watchdog
from accelserve.server.cluster.deployment import ClusterDeployment
from accelserve.server.cluster.options import ClusterOptions
from accelserve.server.cluster.replica import ReplicaSettings
from accelserve.server.config import ModelConfig, ServerConfig
from accelserve.server.errors import ServerError

_LOG = logging.getLogger(__name__)


def serve_on_cluster_until_stopped(
    config: ServerConfig,
    options: ClusterOptions,
    stop: StopSignals,
    log: Callable[[], None],
    warnings: Sequence[str] = (),
    manager: ServiceManager = ServiceManager(),  # noqa: B008 - immutable
) -> int:
    """Serve until SIGTERM or SIGINT, and tell the service manager; returns the process's exit code.

    Args:
        config: of every replica; relative paths are taken from this process's folder.
        options: of the cluster.
        stop: the process's signals.
        log: sets up the log of a replica's process.
        warnings: to be logged first.
        manager: hears of this process; Ray Serve looks after the replicas.
    """
    for warning in warnings:
        _LOG.warning(warning)
    settings = ReplicaSettings(
        config=_for_replicas(config),
        log=log,
        version=version("accelserve"),
        deployment=secrets.token_hex(8),
    )
    deployment = ClusterDeployment(settings, options)
    try:
        deployment.connect()
        stop.listen()  # Ray has put its own handlers there
        deployment.start()
        stop.hold()
        _LOG.info("Running gRPC ModelServer at %s ...", deployment.address)
        _tell_until_stopped(deployment, stop, manager)
    except (StoppedWhileStarting, SystemExit):  # the latter is how Ray answers SIGTERM while it connects
        manager.stopping("stopped while starting")
        return 0
    except ServerError as error:
        _LOG.error("Failed to start server. Error: %s", error)
        manager.status(f"failed to start: {error}")
        return 1
    finally:
        deployment.stop()
    _LOG.info("stopped")
    return 0


def _tell_until_stopped(deployment: ClusterDeployment, stop: StopSignals, manager: ServiceManager) -> None:
    status = f"keeping replicas behind {deployment.address}"
    watchdog = Watchdog(manager, lambda _batch, _answer: "")
    watchdog.start()
    manager.ready(status)
    while stop.wait():
        manager.reloading()
        deployment.reload()
        manager.ready(status)
    manager.stopping("taking the replicas down")
    watchdog.stop()


def _for_replicas(config: ServerConfig) -> ServerConfig:
    """One core unless more are asked for, and no path that depends on where a process was started."""
    keys = config.security.keys_file
    device = config.device
    return replace(
        config,
        models=tuple(_with_absolute_path(model) for model in config.models),
        model_config_file=_absolute(config.model_config_file),
        device=replace(device, threads=device.threads or 1, cache=_absolute(device.cache)),
        loading=replace(config.loading, remote_cache=_absolute(config.loading.remote_cache)),
        security=replace(config.security, keys_file=_absolute(keys)),
    )


def _with_absolute_path(model: ModelConfig) -> ModelConfig:
    return model if model.origin else replace(model, base_path=model.base_path.absolute())


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()
