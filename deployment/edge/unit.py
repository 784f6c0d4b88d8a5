"""The systemd unit: systemd.service(5), podman-run(1)."""

from __future__ import annotations

from accelserve.deployment.edge.configuration import EdgeConfiguration, Mount
from accelserve.deployment.service import SERVICE_LABEL, USER

PODMAN = "/usr/bin/podman"
_INSTALL = "/usr/bin/install"
_CONTINUED = " \\\n  "


def systemd_unit(configuration: EdgeConfiguration, podman: str = PODMAN) -> str:
    """A unit whose main process is the container's monitor, which hands the server's own messages on.

    Args:
        configuration: what runs.
        podman: its path on the box.
    """
    service = configuration.service
    prepare = [
        f"ExecStartPre={_INSTALL} --directory --mode=0770 --owner={USER} --group={USER} {service.lease_folder}"
    ]
    lines = [
        "# Runs accelserve by podman; written by 'accelserve deploy edge'. Copy it to /etc/systemd/system.",
        "[Unit]",
        f"Description=accelserve: {service.name}",
        "Wants=network-online.target",
        "After=network-online.target",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=all",
        "Environment=PODMAN_SYSTEMD_UNIT=%n",
        *(prepare if service.device == "fpga" else []),
        f"ExecStart={_CONTINUED.join(_run(configuration, podman))}",
        f"ExecReload={podman} kill --signal=HUP {service.name}",
        f"ExecStop={podman} stop --ignore --time={service.grace_seconds} {service.name}",
        f"ExecStopPost={podman} rm --ignore --force {service.name}",
        f"TimeoutStartSec={configuration.start_seconds}",
        f"TimeoutStopSec={service.grace_seconds + 10}",
        f"WatchdogSec={configuration.watchdog_seconds}",
        "Restart=on-failure",
        "RestartSec=5",
        "KillMode=mixed",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return "\n".join(lines)


def _run(configuration: EdgeConfiguration, podman: str) -> list[str]:
    service = configuration.service
    command = [
        f"{podman} run --replace --rm --detach",
        f"--name={service.name}",
        f"--label={SERVICE_LABEL}={service.name}",
        f"--hostname={service.name}",  # by which a lease names its holder
        "--sdnotify=container",
        "--cgroups=no-conmon",
        "--env=WATCHDOG_USEC",
        f"--user={USER}:{USER}",
        "--read-only",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        "--tmpfs=/tmp",
        # A watchdog of podman's beside systemd's would be two.
        "--no-healthcheck",
        f"--stop-timeout={service.grace_seconds}",
    ]
    command += [f"--env={name}={value}" for name, value in service.environment.items()]
    command += [f"--publish={port}:{port}" for port in (service.grpc_port, service.rest_port)]
    command += [f"--device={path}" for path in configuration.device_files]
    command += [_mount(each) for each in configuration.all_mounts()]
    return [*command, service.image, *configuration.flags]


def _mount(mount: Mount) -> str:
    mode = "rw" if mount.writable else "ro"
    return f"--volume={mount.source}:{mount.target}:{mode},z"
