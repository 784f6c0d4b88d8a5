"""docs/fpga.md keeps its word: its commands run as they stand, its table is the estimator's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from examples.open_nsfw import trained_network
from examples.photographs import write_photographs

from accelserve.client import PredictionClient
from accelserve.kernels.opencl.estimate.model import best_configuration, estimate
from accelserve.kernels.opencl.estimate.parts import PARTS
from accelserve.kernels.opencl.estimate.workload import Workload, workload_of
from accelserve.kernels.opencl.options import parse_detail
from accelserve.kernels.opencl.runtime.discovery import discover
from accelserve.kernels.opencl.runtime.platforms import DeviceKind
from accelserve.models.architectures import architecture
from accelserve.models.importing import import_onnx
from accelserve.models.quantize.simplify import simplify
from accelserve.server.cli.fpga import build
from accelserve.server.cli.fpga import estimate as estimate_command
from tests.kernels.devices.opencl_devices import opencl_parameters
from tests.ports import held_ports

PAGE = (Path(__file__).parents[1] / "docs" / "fpga.md").read_text(encoding="utf-8")
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def commands() -> list[str]:
    found = re.search(r"<!-- executed by tests/test_fpga_page.py -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1].splitlines()


class Server:
    """A server from the page, until its port answers."""

    def __init__(self, command: str, folder: Path) -> None:
        self.log: list[str] = []
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=folder, env=ENVIRONMENT | {"PWD": str(folder)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            if "Running gRPC ModelServer" in line:
                return
        raise AssertionError("the server ended early:\n" + "".join(self.log))

    def stop(self) -> int:
        self.process.terminate()
        rest, _ = self.process.communicate(timeout=240)
        self.log.append(rest)
        return self.process.returncode


@pytest.mark.slow
@pytest.mark.parametrize("number", list(opencl_parameters()))
def test_the_commands_run_as_they_stand(number: str, tmp_path: Path) -> None:
    """The emulator stands for ``--device fpga``; on another OpenCL device its number is put in."""
    (tmp_path / "open-nsfw.onnx").symlink_to(trained_network())
    write_photographs(tmp_path / "photographs")
    device = discover()[int(number)]
    named = "fpga" if device.kind is DeviceKind.EMULATOR else device.selector
    leased = f"{named}{',' if ':' in named else ':'}lease_folder={tmp_path}"
    with held_ports(2) as ports:
        log = follow(tmp_path, leased, *map(str, ports))
    assert f"fpga {device.name}" in log
    assert "the CPU answers in its place" not in log


def follow(folder: Path, leased: str, port: str, cpu_port: str) -> str:
    """Run the page's commands beside a server on the CPU, and compare answers; the log of the server on the device."""
    pictures = sorted((folder / "photographs").iterdir())
    servers: list[Server] = []
    try:
        for line in commands():
            if line.endswith("&"):
                serve = line.removesuffix("&")
                servers.append(
                    Server(serve.replace("8500", port).replace("--device fpga", f"--device {leased}"), folder)
                )
                servers.append(
                    Server(serve.replace("8500", cpu_port).replace("--device fpga", "--device cpu"), folder)
                )
                continue
            done = subprocess.run(
                ["bash", "-c", line.replace("8500", port)], cwd=folder, env=ENVIRONMENT, capture_output=True,
                text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        with (
            PredictionClient("127.0.0.1", int(port)) as engine,
            PredictionClient("127.0.0.1", int(cpu_port)) as cpu,
        ):
            for picture in pictures[:2]:
                ours, theirs = (np.asarray(each.score_file(str(picture))) for each in (engine, cpu))
                assert np.array_equal(ours, theirs)
    finally:
        codes = [server.stop() for server in servers]
    assert codes == [0, 0]
    return "".join(servers[0].log)


@pytest.mark.slow
def test_the_table_is_the_estimators() -> None:
    table = PAGE.split("<!-- checked by tests/test_fpga_page.py -->")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]
    header, _, engines, *networks = rows
    parts = [PARTS[name] for name in header[2:]]
    works = {name: network_of(name) for name, *_ in networks}
    chosen = [best_configuration(tuple(works.values()), part) for part in parts]
    sizes = [
        f"{each.vec} x {each.lane} x {each.px} at {part.clock_mhz:.0f} MHz"
        for each, part in zip(chosen, parts, strict=True)
    ]
    assert engines[2:] == sizes
    for name, macs, *predicted in networks:
        counted = [estimate(works[name], each, part) for each, part in zip(chosen, parts, strict=True)]
        assert macs == f"{works[name].macs / 1e9:.2f}"
        assert predicted == [f"{each.ideal_ms:.1f} / {each.calibrated_ms:.1f}" for each in counted], name


def network_of(name: str) -> Workload:
    """An architecture's work; its weights are zeros, since only sizes count."""
    chosen = architecture(name)
    blueprint = chosen.blueprint().select(chosen.outputs)
    zeros = {key: np.zeros(each.shape, np.float32) for key, each in blueprint.parameters.items()}
    return workload_of(simplify(import_onnx(blueprint.to_onnx(zeros).SerializeToString()).graph))


def test_every_flag_and_option_it_shows_exists() -> None:
    flags = {flag for command in (build, estimate_command) for p in command.params for flag in p.opts}
    shown = {
        flag
        for line in re.findall(r"^accelserve fpga .*$", PAGE, re.MULTILINE)
        for flag in re.findall(r"--[a-z_]+", line)
    }
    assert shown
    assert shown <= flags
    values = {"bitstream": "x", "policy": "swap", "others": "queue", "path": "fused", "lease_folder": "x"}
    options = re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE)
    assert len(options) == 7
    for option in options:
        parse_detail(f"{option}={values.get(option, '1.0')}")


def test_every_test_it_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", PAGE)
    assert named
    assert all((Path(__file__).parents[1] / name).exists() for name in named)
