"""Ends what was deployed, wherever it can be reached from here."""

from __future__ import annotations

import shutil
from pathlib import Path

from accelserve.deployment.errors import EngineFailedError, TakeDownError
from accelserve.deployment.programs import call
from accelserve.deployment.webservices import runners
from accelserve.deployment.webservices.state import read_state
from accelserve.models.registry.records import DeploymentRecord

_KUBECTL_SECONDS = 300.0


def take_down(record: DeploymentRecord, grace_seconds: float) -> None:
    """End a deployment; returns when nothing of it runs. Rendered files stay: they are whose folder they are in.

    Raises:
        TakeDownError: it runs where this machine cannot reach it; says what to run there.
        EngineFailedError: its engine does not answer, or did not end it.
    """
    folder = Path(record.files)
    if record.kind == "kubernetes":
        _from_cluster(record)
    elif record.kind == "edge":
        _from_box(record, grace_seconds)
    elif not folder.is_dir():
        raise TakeDownError(
            record.name, f"its folder {folder} is not on this machine", "delete it where it runs"
        )
    else:
        end_local(folder, grace_seconds)


def end_local(folder: Path, grace_seconds: float) -> None:
    """End the process or container that a folder tells of, and remove the folder."""
    state = read_state(folder)
    if state is not None:
        runners.stop(state, folder.name, grace_seconds)
    shutil.rmtree(folder, ignore_errors=True)


def _from_box(record: DeploymentRecord, grace_seconds: float) -> None:
    """The container of a compose file or a unit has the deployment's name, and its label."""
    silent = []
    for engine in filter(shutil.which, ("docker", "podman")):
        try:
            if runners.stop_container(engine, record.name, record.name, grace_seconds):
                return
        except EngineFailedError as error:
            silent.append(str(error))
    instead = f"there, run: docker compose --file {record.files}/compose.yaml down, or: systemctl disable --now {record.name}"
    reason = "; ".join(["no engine of this machine has its container", *silent])
    raise TakeDownError(record.name, reason, instead)


def _from_cluster(record: DeploymentRecord) -> None:
    command = ["kubectl", "delete", "--ignore-not-found", "--kustomize", record.files]
    if shutil.which("kubectl") is None:
        raise TakeDownError(
            record.name, "there is no kubectl here", f"where there is, run: {' '.join(command)}"
        )
    try:
        call("kubectl", command, seconds=_KUBECTL_SECONDS)
    except EngineFailedError as error:
        instead = f"mend that, or run: {' '.join(command)}"
        raise TakeDownError(record.name, f"kubectl says: {error.reason}", instead) from error
