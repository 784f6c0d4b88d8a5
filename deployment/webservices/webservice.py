"""``Webservice``: an image that is deployed, its state, its address, its end. The names are near the Azure SDK's."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from accelserve.deployment.errors import DeployFailedError, EngineError, ServiceError
from accelserve.deployment.images.engine import find_engine
from accelserve.deployment.images.image import Image
from accelserve.deployment.service import LOCAL_SOCKET, Service
from accelserve.deployment.webservices import runners
from accelserve.deployment.webservices.access import AccessFiles
from accelserve.deployment.webservices.health import LOCAL, serves
from accelserve.deployment.webservices.model_files import unpack_model
from accelserve.deployment.webservices.ports import HeldPorts
from accelserve.deployment.webservices.state import (
    RUNNERS,
    Runner,
    ServiceState,
    read_state,
    state_folder,
    write_state,
)
from accelserve.deployment.webservices.take_down import end_local, take_down
from accelserve.models.registry.records import DeploymentRecord, ImageRecord, Records
from accelserve.models.registry.registry import Registry
from accelserve.models.repository.location import is_remote, local_path

_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Webservice:
    """A deployment as a model repository records it.

    Attributes:
        repository: folder or URI.
        record: what it says of the deployment.
    """

    repository: str
    record: DeploymentRecord

    @classmethod
    def deploy_from_image(
        cls,
        repository: str | Path,
        name: str,
        image: Image | str,
        *,
        engine: str = "auto",
        port: int = 0,
        rest_port: int = 0,
        flags: Sequence[str] = (),
        auth_keys_file: Path | None = None,
        tls_key: Path | None = None,
        tls_certificate: Path | None = None,
        wait_seconds: float = 300.0,
    ) -> Self:
        """Run an image on this machine; returns when it answers.

        Args:
            repository: folder or URI of models, that records the image.
            name: of the service, a DNS label.
            image: built, or written as a model's OCI layout; itself, or its name and tag.
            engine: docker or podman, ``process`` for a plain server process of the image's model, or ``auto``: the engine that
                has the image, and a process for a layout.
            port: of gRPC; 0 takes a free one.
            rest_port: of HTTP, likewise.
            flags: further ones of ``accelserve serve``.
            auth_keys_file: of ``accelserve keys``; None lets everybody in. A container's user, 10001, has to be able to read it.
            tls_key: PEM file, for TLS on both ports; likewise.
            tls_certificate: PEM file, with ``tls_key``.
            wait_seconds: until it has to answer.

        Raises:
            ServiceError: the name is none, the image is not finished, or a file is missing.
            RecordExistsError, RecordNotFoundError: there is a deployment of that name, or no such image.
            PortTakenError: somebody listens on a port.
            NoEngineError: the engine that has the image does not answer.
            EngineFailedError, DeployFailedError: it did not start; nothing of it is left.
        """
        image = Image.get(repository, image) if isinstance(image, str) else image
        record = image.record
        service = Service(name=name, image=record.reference, flags=tuple(flags))
        if not wait_seconds >= 0:
            raise ServiceError(f"a wait of {wait_seconds} s", "0 s or more")
        if record.state != "succeeded":
            raise ServiceError(f"image '{record.reference}', which is {record.state}", "one that succeeded")
        runner = _runner(engine, record)
        access = AccessFiles.checked(auth_keys_file, tls_key, tls_certificate)
        with closing(HeldPorts(LOCAL, port, rest_port)) as ports:
            return cls._deploy(image, service, runner, ports, access, wait_seconds)

    @classmethod
    def _deploy(
        cls,
        image: Image,
        service: Service,
        runner: Runner,
        ports: HeldPorts,
        access: AccessFiles,
        wait_seconds: float,
    ) -> Self:
        name, record = service.name, image.record
        folder = _folder(image.repository, name)
        deployment = DeploymentRecord(
            name=name,
            kind="process" if runner == "process" else "container",
            model=record.model,
            version=record.version,
            image=record.reference,
            files=str(folder),
            address=f"{LOCAL}:{ports.numbers[0]}",
        )
        Records(image.repository).add_deployment(deployment)
        made = cls(image.repository, deployment)
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700, parents=True)
            made._start(image, service.flags, runner, ports, access)
            made.wait_for_deployment(wait_seconds)
        except BaseException:
            end_local(folder, service.grace_seconds)
            Records(image.repository).delete_deployment(name)
            raise
        return made

    @classmethod
    def get(cls, repository: str | Path, name: str) -> Self:
        """A recorded deployment; RecordNotFoundError if there is none."""
        return cls(str(repository), Records(str(repository)).deployment(name))

    @classmethod
    def list(cls, repository: str | Path, model: str | None = None) -> list[Self]:
        """Every recorded deployment, or those of a model."""
        return [cls(str(repository), each) for each in Records(str(repository)).deployments(model=model)]

    @property
    def name(self) -> str:
        """Of the service."""
        return self.record.name

    @property
    def state(self) -> str:
        """How it is.

        ``Healthy``: it answers; ``Transitioning``: it runs and does not answer yet, or any more; ``Failed``: it ended;
        ``Unknown``: it was rendered for another machine, or its engine does not answer.
        """
        folder = Path(self.record.files)
        state = read_state(folder)
        if state is None:
            return "Unknown"
        try:
            if not runners.runs(state, folder.name):
                return "Failed"
        except EngineError:
            return "Unknown"
        return "Healthy" if serves(state) else "Transitioning"

    @property
    def scoring_address(self) -> str:
        """HOST:PORT of its gRPC; empty if it was rendered for another machine."""
        return self.record.address

    @property
    def scoring_uri(self) -> str:
        """Where TensorFlow Serving's REST API takes predictions; empty if it runs elsewhere."""
        state = read_state(Path(self.record.files))
        if state is None:
            return ""
        scheme = "https" if state.tls else "http"
        return f"{scheme}://{LOCAL}:{state.rest_port}/v1/models/{state.model}:predict"

    def get_logs(self) -> str:
        """All that its server has said; empty if it runs elsewhere."""
        folder = Path(self.record.files)
        return runners.log_of(read_state(folder), folder)

    def wait_for_deployment(self, seconds: float = 300.0) -> None:
        """Return when it answers.

        Raises:
            DeployFailedError: it ended, or does not answer in time.
        """
        until = time.monotonic() + seconds
        while (state := self.state) != "Healthy":
            if state != "Transitioning" or time.monotonic() > until:
                lines = self.get_logs().strip().splitlines()
                late = f"it does not answer within {seconds:g} s"
                reason = late if state == "Transitioning" else "it ended"
                raise DeployFailedError(self.name, f"{reason}: {lines[-1]}" if lines else reason)
            time.sleep(_LOOK_SECONDS)

    def delete(
        self, *, image: bool = False, model: bool = False, gone: bool = False, grace_seconds: float = 40.0
    ) -> None:
        """Take the service down, in Azure's order: the service, then its image, then the model version.

        Args:
            image: the image as well, which nothing else may run.
            model: the model version as well, of which there may be no other image.
            gone: it was taken down elsewhere, and is forgotten here.
            grace_seconds: for what is in flight.

        Raises:
            ServiceError: the model, but not the image that was built from it.
            StillUsedError: something else stands on the image or the model; what was taken down before stays so.
            EngineFailedError, TakeDownError: it cannot be taken down from here; its record stays.
        """
        if model and not image and self.record.image:
            raise ServiceError("deleting the model", "its image deleted as well: service, image, model")
        if not gone:
            take_down(self.record, grace_seconds)
        Records(self.repository).delete_deployment(self.name)
        if image and self.record.image:
            Image.get(self.repository, self.record.image).delete()
        if model:
            Registry(self.repository).delete(f"{self.record.model}:{self.record.version}")

    def _start(
        self, image: Image, flags: Sequence[str], runner: Runner, ports: HeldPorts, access: AccessFiles
    ) -> None:
        folder = Path(self.record.files)
        port, rest_port = ports.numbers
        state = ServiceState(
            runner=runner, model=self.record.model, grpc_port=port, rest_port=rest_port, tls=access.tls
        )
        flags = [f"--port={port}", f"--rest_api_port={rest_port}", *flags]
        if runner != "process":
            state = msgspec.structs.replace(state, container=self.name)
            write_state(folder, state)
            socket_flags = [f"--grpc_socket_path={LOCAL_SOCKET}"] if access.tls else []
            flags = [*access.flags_in_container(), *socket_flags, *flags]
            ports.close()  # an engine listens by itself, however it does that
            runners.start_container(state, folder.name, image.name, access.mounts(), flags)
            return
        base = unpack_model(image.record, self.repository, folder)
        served = [f"--model_name={self.record.model}", f"--model_base_path={base}"]
        where = [f"--device={image.record.device}", f"--grpc_address={LOCAL}"]
        process, started = runners.start_process(folder, [*served, *where, *access.flags(), *flags])
        write_state(folder, msgspec.structs.replace(state, process=process, started=started))


def _runner(engine: str, image: ImageRecord) -> Runner:
    """What carries an image; ServiceError for what would not carry it."""
    if engine not in ("auto", *RUNNERS):
        raise ServiceError(f"engine '{engine}'", f"one of auto, {', '.join(RUNNERS)}")
    layout = image.location.startswith("oci:")
    if engine == "process" or (engine == "auto" and layout):
        return "process"
    if layout:
        raise ServiceError(f"an image layout by {engine}", "--engine process, since it holds the model alone")
    name = image.location if engine == "auto" else engine
    if image.device == "fpga":
        instead = "'accelserve deploy edge --device fpga', which gives a container its device and its leases, or --engine process"
        raise ServiceError(f"image '{image.reference}' for an FPGA by {name}", instead)
    # buildah builds into podman's storage, and runs nothing itself.
    found = find_engine("podman" if name == "buildah" else name, instead="--engine process needs none")
    return "docker" if found.name == "docker" else "podman"


def _folder(repository: str, name: str) -> Path:
    """Of a service; repositories may have services of one name."""
    where = repository if is_remote(repository) else str(local_path(repository).resolve())
    return state_folder() / f"{name}-{hashlib.sha256(where.encode()).hexdigest()[:8]}"
