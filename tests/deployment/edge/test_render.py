"""What an edge box is given. Judges: systemd-analyze for the unit, the compose specification's words for the file."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from accelserve.deployment.edge.configuration import EdgeConfiguration, Mount
from accelserve.deployment.edge.render import render_edge
from accelserve.deployment.errors import ServiceError
from accelserve.deployment.service import Service

CPU = EdgeConfiguration(service=Service(name="resnet50", image="resnet50:3"))
FPGA = EdgeConfiguration(
    service=Service(
        name="edge-box",
        image="registry.example:5000/vision/resnet50:3",
        device="fpga",
        device_options="bitstream=/bitstreams/engine",
        others="queue",
        models_folder="/srv/models",
        grpc_port=18500,
        rest_port=18501,
        drain_delay_seconds=5,
        environment={"AOCL_BOARD_PACKAGE_ROOT": "/opt/board"},
        flags=("--max_images=32", "--enable_batching"),
    ),
    device_files=("/dev/acla10_ref0",),
    mounts=(Mount("/opt/intelFPGA/rte", "/opt/intelFPGA/rte"), Mount("/srv/engine", "/bitstreams/engine")),
    keys_file="/etc/accelserve/keys.json",
    tls_key="/etc/accelserve/key.pem",
    tls_certificate="/etc/accelserve/certificate.pem",
)
CONFIGURATIONS = pytest.mark.parametrize("configuration", [CPU, FPGA], ids=["cpu", "fpga"])


def compose(configuration: EdgeConfiguration) -> dict[str, Any]:
    document = yaml.safe_load(render_edge(configuration)["compose.yaml"].text)
    (service,) = document["services"].values()
    assert isinstance(service, dict)
    return service


def unit(configuration: EdgeConfiguration, podman: str = "/usr/bin/podman") -> str:
    return render_edge(configuration, podman)[f"{configuration.service.name}.service"].text


@CONFIGURATIONS
def test_the_same_configuration_gives_the_same_bytes(configuration: EdgeConfiguration) -> None:
    assert render_edge(configuration) == render_edge(replace(configuration))


@CONFIGURATIONS
def test_systemd_takes_the_unit(configuration: EdgeConfiguration, tmp_path: Path) -> None:
    """It looks for the commands as well; there may be no podman here, so any command stands for it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("this machine has no systemd")
    text = unit(configuration, podman=shutil.which("true") or "/bin/true")
    path = tmp_path / f"{configuration.service.name}.service"
    path.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if configuration.service.name in line]
    assert (done.returncode, ours) == (0, [])


def test_systemd_names_what_is_wrong_with_a_unit(tmp_path: Path) -> None:
    """So that the test above can fail."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("this machine has no systemd")
    path = tmp_path / "resnet50.service"
    path.write_text(unit(CPU, podman="/no/such/podman"))
    command = ["systemd-analyze", "verify", "--man=no", str(path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@CONFIGURATIONS
def test_the_container_may_do_little(configuration: EdgeConfiguration) -> None:
    service = compose(configuration)
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    text = unit(configuration)
    for flag in ("--user=10001:10001", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"):
        assert f" {flag} " in text


def test_a_container_carries_the_label_by_which_it_is_taken_down() -> None:
    assert compose(CPU)["labels"] == {"accelserve.service": "resnet50"}
    assert " --label=accelserve.service=resnet50 " in unit(CPU)


def test_a_digest_pins_the_image() -> None:
    pinned = f"registry.example:5000/vision/resnet50:3@sha256:{'0' * 64}"
    configuration = replace(CPU, service=replace(CPU.service, image=pinned))
    assert compose(configuration)["image"] == pinned
    assert f" {pinned} " in unit(configuration)


def test_nothing_is_killed_before_the_drain_is_over() -> None:
    """5 + 30 seconds and some."""
    assert compose(FPGA)["stop_grace_period"] == "45s"
    assert "ExecStop=/usr/bin/podman stop --ignore --time=45 edge-box\n" in unit(FPGA)
    assert "TimeoutStopSec=55\n" in unit(FPGA)


def test_both_mount_the_lease_folder_and_name_the_policy() -> None:
    """Whoever shares the device shares the folder; docs/fpga.md."""
    device = "--device=fpga:others=queue,lease_folder=/leases,bitstream=/bitstreams/engine"
    service = compose(FPGA)
    assert device in service["command"]
    lease = {"source": "/var/lib/accelserve/leases", "target": "/leases", "read_only": False}
    assert [each for each in service["volumes"] if lease.items() <= each.items()]
    assert service["environment"] == {"AOCL_BOARD_PACKAGE_ROOT": "/opt/board"}
    assert " --env=AOCL_BOARD_PACKAGE_ROOT=/opt/board " in unit(FPGA)
    assert service["devices"] == ["/dev/acla10_ref0:/dev/acla10_ref0"]
    text = unit(FPGA)
    assert f" {device} " in text
    assert " --volume=/var/lib/accelserve/leases:/leases:rw,z " in text
    assert " --device=/dev/acla10_ref0 " in text
    assert "/leases" not in unit(CPU) + str(compose(CPU))


def test_everything_else_is_read_only() -> None:
    writable = [each["target"] for each in compose(FPGA)["volumes"] if not each["read_only"]]
    assert writable == ["/leases"]
    assert len(re.findall(r"--volume=\S+:ro,z", unit(FPGA))) == len(compose(FPGA)["volumes"]) - 1


def test_the_health_check_needs_no_certificate() -> None:
    assert compose(CPU)["healthcheck"]["test"][1:] == [
        "/opt/accelserve/bin/accelserve",
        "healthcheck",
        "--address=127.0.0.1:8500",
    ]
    assert compose(FPGA)["healthcheck"]["test"][-1] == "--address=unix:/tmp/accelserve.sock"
    assert "--grpc_socket_path=/tmp/accelserve.sock" in compose(FPGA)["command"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "Resnet50"}, "name 'Resnet50': expected at most 53 lower case letters"),
        ({"name": "../x"}, "name '../x': expected"),
        ({"name": ""}, "name '': expected"),
        ({"name": "a" * 54}, "expected at most 53"),
        ({"image": "resnet50 --privileged"}, "image 'resnet50 --privileged': expected"),
        ({"image": "-x"}, "image '-x': expected"),
        ({"device": "gpu"}, "device 'gpu': expected one of cpu, fpga"),
        ({"device_options": "bitstream=/x"}, "device options: expected none without --device fpga"),
        ({"others": "swap"}, "policy 'swap': expected one of refuse, queue, cpu"),
        ({"lease_folder": "leases"}, "lease folder 'leases': expected an absolute path"),
        (
            {"models_folder": "/srv/../etc"},
            "models folder '/srv/../etc': expected an absolute path without '..'",
        ),
        ({"models_folder": "/srv/a:b"}, "models folder '/srv/a:b': expected"),
        ({"models_folder": "/srv/%h"}, "models folder '/srv/%h': expected"),
        ({"models_folder": "/srv/a\nExecStart=x"}, "expected an absolute path"),
        ({"grpc_port": 0}, "gRPC port 0: expected 1 to 65535"),
        ({"rest_port": 8500}, "port 8500 for gRPC and HTTP: expected two ports"),
        ({"drain_timeout_seconds": -1.0}, "drain timeout -1.0: expected 0 to 86400"),
        ({"drain_timeout_seconds": float("nan")}, "drain timeout nan: expected"),
        ({"environment": {"A B": "c"}}, "variable 'A B=c': expected NAME=VALUE"),
        ({"environment": {"A": "$(id)"}}, "variable 'A=$(id)': expected NAME=VALUE"),
        ({"flags": ("--x=$(id)",)}, "flag '--x=$(id)': expected"),
        ({"flags": ("max_images=3",)}, "flag 'max_images=3': expected --NAME=VALUE"),
        ({"flags": ("--port=9",)}, "flag '--port=9': expected --port, since the deployment sets this one"),
        ({"flags": ("--auth-keys-file=/x",)}, "expected --auth-keys-file, since the deployment sets"),
        ({"image": "x@sha256:12"}, "image 'x@sha256:12': expected a name such as resnet50:3"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ServiceError, match=re.escape(said)):
        replace(CPU.service, **wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tls_key": "/a"}, "TLS: expected both"),
        ({"keys_file": "keys.json"}, "file 'keys.json': expected an absolute path"),
        ({"device_files": ("/dev/x y",)}, "device file '/dev/x y': expected"),
        ({"mounts": (Mount("/a", "b"),)}, "mount 'b': expected"),
        ({"mounts": (Mount("/a", "/b"), Mount("/c", "/b"))}, "two mounts at '/b': expected one"),
        ({"watchdog_seconds": 0}, "watchdog and start: expected 1 second or more"),
    ],
)
def test_so_is_what_a_box_cannot_mount(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ServiceError, match=re.escape(said)):
        replace(CPU, **wrong)
