"""Flags of `accelserve serve` that mean nothing on a cluster are refused, before anything is started; without Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelserve.server.cli.cluster_flags import REFUSED
from accelserve.server.cli.group import run
from accelserve.server.cluster.options import ClusterOptions
from accelserve.server.errors import ConfigurationError

# What is neither text nor a path.
VALUES = {
    "rest_tls": "false",
    "rest_api_enable_cors_support": "true",
    "start_before_ready": "true",
    "rest_api_port": "8501",
    "rest_api_num_threads": "2",
    "rest_api_timeout_in_ms": "100",
    "max_message_bytes": "100",
    "max_concurrent_streams": "2",
    "receive_timeout_seconds": "2",
    "drain_delay_seconds": "2",
}


def refusal(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert run(["serve", "--model_base_path=/nowhere", *flags]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("flag", REFUSED)
def test_what_cannot_work_is_refused_with_the_reason(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    said = refusal(capsys, "--cluster=local", f"--{flag}={VALUES.get(flag, 'x')}")
    assert said == f"accelserve: --{flag} does not go with --cluster: {REFUSED[flag]}"


def test_the_refusal_of_tls_says_where_to_end_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert "load balancer or ingress in front of its port" in refusal(
        capsys, "--cluster=ray://ray-head", "--tls_key=k", "--tls_certificate=c"
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--cluster=ray"], "--cluster must be 'local' or 'ray://HOST[:PORT]', got 'ray'"),
        (["--cluster=ray://a:b"], "got 'ray://a:b'"),
        (["--cluster=local", "--port=0"], "the proxies of all nodes share a port"),
        (["--cluster=local", "--device=fpga:0"], "start one server for each board"),
        (["--cluster=local", "--device=auto"], "start one server for each board"),
        (["--cluster=local", "--min_replicas=0"], "--min_replicas must be at least 1, got 0"),
        (["--cluster=local", "--min_replicas=3", "--max_replicas=2"], "--max_replicas is 2, less than"),
        (["--cluster=local", "--target_ongoing_requests=0"], "must be more than 0, got 0"),
        (["--max_replicas=2"], "--max_replicas needs --cluster"),
        (["--min_replicas=2"], "--min_replicas needs --cluster"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_one_line(
    capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    assert words in refusal(capsys, *flags)


def test_a_flag_from_a_file_is_refused_as_well(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "accelserve.toml"
    file.write_text('[serve]\ncluster = "local"\nrest_api_port = 8501\n')
    assert "replicas answer gRPC only" in refusal(capsys, f"--config={file}")


def test_ray_clients_port_is_rays_own_unless_given() -> None:
    assert ClusterOptions(address="ray://head").client_address == "ray://head:10001"
    assert ClusterOptions(address="ray://[::1]:77").client_address == "ray://[::1]:77"
    assert ClusterOptions(address="ray://[::1]:77").host == "[::1]"
    with pytest.raises(ConfigurationError):
        ClusterOptions(address="http://head:8265")
