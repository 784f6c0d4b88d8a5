"""The compose file: https://github.com/compose-spec/compose-spec/blob/main/spec.md."""

from __future__ import annotations

from typing import Any

from accelserve.deployment.edge.configuration import EdgeConfiguration, Mount
from accelserve.deployment.service import SERVICE_LABEL, USER
from accelserve.deployment.yaml_text import yaml_text

HEADING = (
    "Runs accelserve by 'docker compose up --detach' or podman-compose; written by 'accelserve deploy edge'."
)
LEASES = "Once, before: install --directory --mode=0770 --owner={user} --group={user} {folder}"


def compose_file(configuration: EdgeConfiguration) -> str:
    """One service, restarted until it is told to stop."""
    service = configuration.service
    body: dict[str, Any] = {
        "image": service.image,
        "container_name": service.name,
        "labels": {SERVICE_LABEL: service.name},
        "hostname": service.name,  # by which a lease names its holder
        "command": configuration.flags,
        "restart": "unless-stopped",
        "stop_grace_period": f"{service.grace_seconds}s",
        "user": f"{USER}:{USER}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp"],  # noqa: S108 - of the container
        "ports": [f"{port}:{port}" for port in (service.grpc_port, service.rest_port)],
        "healthcheck": {
            "test": ["CMD", *configuration.healthcheck],
            "interval": "10s",
            "timeout": "6s",
            "retries": 3,
            "start_period": f"{configuration.start_seconds}s",
        },
    }
    if service.environment:
        body["environment"] = dict(service.environment)
    if configuration.device_files:
        body["devices"] = [f"{path}:{path}" for path in configuration.device_files]
    mounts = [_mount(each) for each in configuration.all_mounts()]
    if mounts:
        body["volumes"] = mounts
    heading = HEADING
    if service.device == "fpga":
        heading += f"\n{LEASES.format(user=USER, folder=service.lease_folder)}"
    return yaml_text([{"name": service.name, "services": {service.name: body}}], heading)


def _mount(mount: Mount) -> dict[str, Any]:
    # A path that is not there is an error, rather than a folder of root's that appears.
    bind = {"create_host_path": False, "selinux": "z"}
    return {
        "type": "bind",
        "source": mount.source,
        "target": mount.target,
        "read_only": not mount.writable,
        "bind": bind,
    }
