"""``accelserve bench`` against a real server, over all four protocols; and what it says when nothing can be measured."""

from __future__ import annotations

import http.server
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.server.waiting import until_or_ended

from accelserve.server.cli.group import run
from accelserve.server.config import RestConfig

Serve = Callable[..., SimpleNamespace]
Bench = Callable[..., SimpleNamespace]
OPEN = RestConfig(address="127.0.0.1", port=0)
pytestmark = pytest.mark.usefixtures("no_progress")
SHORT = ("--duration=0.5", "--warm_up=0", "--processes=2")
SMALL = "--sizes=64:1,32:3"


@pytest.fixture
def server(serve: Serve) -> SimpleNamespace:
    started = serve(rest=OPEN)
    running = started.server
    http = f"http://127.0.0.1:{running.rest_port}"
    (network,) = started.loader.loaded.values()
    return SimpleNamespace(
        grpc=f"127.0.0.1:{running.port}", http=http, metrics=f"{http}/monitoring/prometheus/metrics",
        batches=network.batches,
    )  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    def measure(address: str, *words: object) -> SimpleNamespace:
        file = tmp_path / "found.json"
        given = [*map(str, words)]
        if not any(word.startswith("--pixels") for word in given):
            given.insert(0, SMALL)
        code = run(["bench", address, *SHORT, f"--json={file}", *given])
        printed = capsys.readouterr()
        found: Any = json.loads(file.read_text()) if file.exists() else None
        return SimpleNamespace(code=code, out=printed.out, err=printed.err, found=found)

    return measure


@pytest.mark.parametrize("api", ["tfserving", "kserve"])
@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_every_protocol_is_answered(server: SimpleNamespace, bench: Bench, api: str, transport: str) -> None:
    done = bench(getattr(server, transport), "--api", api, "--model=colour", "--callers=3", "--batch_size=2")
    assert done.code == 0, done.err
    (step,) = done.found["steps"]
    assert step["errors"] == {}
    assert step["answered"] == step["requests"] >= 3
    assert step["images_per_second"] == pytest.approx(2 * step["throughput"], rel=1e-3)
    times = [step["latency_ms"][name] for name in ("min", "p50", "p90", "p99", "p99.9", "max")]
    assert times == sorted(times)
    assert step["throughput"] * step["measured_seconds"] == pytest.approx(step["answered"], rel=1e-3)
    assert len(step["client_cpu_seconds"]) == 2
    assert "3 callers" in done.out


@pytest.mark.parametrize("api", ["tfserving", "kserve"])
@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_decoded_pixels_are_answered_in_every_protocol(
    server: SimpleNamespace, bench: Bench, api: str, transport: str
) -> None:
    words = ("--api", api, "--model=colour", "--batch_size=2", f"--metrics={server.metrics}")
    done = bench(getattr(server, transport), *words, "--pixels=float32:8x8x3")
    assert done.code == 0, done.err
    (step,) = done.found["steps"]
    assert step["errors"] == {}
    assert step["answered"] > 0
    assert step["server"]["requests"] == step["requests"]
    assert step["server"]["stages_ms"]["serialize"] > 0
    assert done.found["target"]["pixels"] == {"dtype": "float32", "shape": [8, 8, 3]}
    assert "4 pictures, decoded before to float32" in done.out


def test_the_servers_own_times_stand_beside_the_clients(
    server: SimpleNamespace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelserve.server.cli.progress._LINE_SECONDS", 0)
    done = bench(server.grpc, "--model=colour", f"--metrics={server.metrics}")
    assert done.code == 0, done.err
    assert re.search(r"^1 caller: \d of \d s, [\d.]+ requests/s, p99 [\d.]+ ms$", done.err, re.MULTILINE)
    (step,) = done.found["steps"]
    stages = step["server"]["stages_ms"]
    assert list(stages) == ["decode", "preprocess", "queue", "compute", "postprocess", "serialize"]
    assert sum(stages.values()) <= step["server"]["request_ms"]
    assert step["server"]["requests"] == step["requests"]
    for name in (*stages, "in all", "the client's"):
        assert re.search(rf"^ *{name} +[0-9.]+ *$", done.out, re.MULTILINE)


class FailsThen(http.server.BaseHTTPRequestHandler):
    """A metrics page that answers twice."""

    looks = 0

    def do_GET(self) -> None:
        type(self).looks += 1
        self.send_response(200 if self.looks <= 2 else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


def test_metrics_that_are_gone_afterwards_cost_no_figures(server: SimpleNamespace, bench: Bench) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), FailsThen) as page:
        thread = threading.Thread(target=page.serve_forever)
        thread.start()
        try:
            done = bench(server.grpc, f"--metrics=http://127.0.0.1:{page.server_port}/")
        finally:
            page.shutdown()
            thread.join()
    assert done.code == 0, done.err
    assert done.found["steps"][0]["answered"] > 0
    assert "answers 503; expected Prometheus's text" in done.out


def test_an_open_loop_keeps_to_its_rate(server: SimpleNamespace, bench: Bench) -> None:
    done = bench(server.grpc, "--rate=40", "--duration=1", "--deadline=60000", "--seed=3")
    assert done.code == 0, done.err
    (step,) = done.found["steps"]
    # The arrivals of that seed, whatever the machine is doing.
    again = bench(server.grpc, "--rate=40", "--duration=1", "--seed=3").found["steps"][0]
    assert step["requests"] == again["requests"] > 10
    assert step["goodput"] == step["throughput"]
    assert step["service_ms"]["max"] <= step["latency_ms"]["max"]
    assert step["loop"] == "open"


def test_a_ramp_names_its_knee(server: SimpleNamespace, bench: Bench, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = bench(server.grpc, "--ramp", "--max_callers=2", f"--report={report}")
    assert done.code == 0, done.err
    assert [step["callers"] for step in done.found["steps"]] == [1, 2]
    assert done.found["knee"]["step"] in {0, 1}
    assert "knee: " in done.out
    assert "<svg" in report.read_text()


def test_an_open_ramp_begins_at_its_rate_and_says_what_kept_the_deadline(
    server: SimpleNamespace, bench: Bench
) -> None:
    done = bench(server.grpc, "--ramp", "--rate=400", "--duration=0.3", "--deadline=60000")
    assert done.code == 0, done.err
    rates = [step["rate"] for step in done.found["steps"]]
    assert rates[:3] == [400, 500, 625]
    assert {step["loop"] for step in done.found["steps"]} == {"open"}
    assert all(step["keeps_deadline"] for step in done.found["steps"])
    assert "most goodput with 99% of the requests within 60000 ms: " in done.out
    best = done.found["steps"][done.found["most_goodput"]["step"]]
    assert best["goodput"] == max(step["goodput"] for step in done.found["steps"])
    assert "knee: " in done.out


def test_ones_own_pictures_and_errors_by_code(
    server: SimpleNamespace, bench: Bench, tmp_path: Path, jpeg: bytes
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(jpeg)
    (folder / "b.jpg").write_bytes(jpeg[:2000])
    both = bench(server.grpc, f"--images={folder}")
    assert "--sizes is for the photographs of the package" in both.err
    found = subprocess.run(
        [*COMMAND, server.grpc, f"--images={folder}", "--duration=0.5", "--warm_up=0", "--json=-"],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    (step,) = json.loads(found.stdout)["steps"]
    assert set(step["errors"]) == {"INVALID_ARGUMENT"}
    assert step["first_error"]["INVALID_ARGUMENT"].startswith("Invalid JPEG data or crop window")
    assert abs(step["errors"]["INVALID_ARGUMENT"] - step["answered"]) <= 2


COMMAND = [sys.executable, "-m", "accelserve.server.cli", "bench"]


def test_ctrl_c_prints_what_was_measured(server: SimpleNamespace, tmp_path: Path) -> None:
    words = [
        *COMMAND,
        server.grpc,
        "--duration=600",
        "--warm_up=0",
        "--sizes=64",
        f"--json={tmp_path}/a.json",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until_or_ended(lambda: len(server.batches) > 2, process)  # the first was asked before it began
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    assert "accelserve: interrupted after " in err
    assert "1 caller" in out
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["interrupted"]
    assert found["steps"][0]["answered"] > 0


def clients_of(process: int) -> list[int]:
    """Ids of the client processes that a command has started, ready or not."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(each) for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_while_the_clients_start_is_one_line(server: SimpleNamespace) -> None:
    """A terminal sends SIGINT to every process of the foreground's group."""
    words = [*COMMAND, server.grpc, "--callers=2", "--processes=2", SMALL]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        until_or_ended(lambda: bool(clients_of(process.pid)), process)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    assert err.strip() == "accelserve: interrupted"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("when", ["starting", "sending"])
def test_a_client_that_is_killed_ends_the_command_with_one_line(server: SimpleNamespace, when: str) -> None:
    """As the kernel does for want of memory; more pictures than a pipe holds are on their way to the one that starts."""
    words = [
        *COMMAND,
        server.grpc,
        "--callers=2",
        "--processes=2",
        "--warm_up=0",
        "--duration=600",
        "--sizes=1600",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        if when == "sending":
            until_or_ended(lambda: len(server.batches) > 2, process)
        until_or_ended(lambda: bool(clients_of(process.pid)), process)
        if process.poll() is None:
            os.kill(clients_of(process.pid)[0], signal.SIGKILL)
        _, err = process.communicate(timeout=240)
    assert process.returncode == 1, err
    assert err.splitlines()[-1] == (
        "accelserve: a client process was ended by SIGKILL: by somebody, or for want of memory"
    )
    assert "Traceback" not in err


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="no device that is always full")
def test_a_full_disk_loses_one_file_and_says_which(
    server: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.html"
    assert run(["bench", server.grpc, *SHORT, SMALL, "--json=/dev/full", f"--report={report}"]) == 1
    printed = capsys.readouterr()
    assert printed.err == "accelserve: /dev/full: No space left on device\n"
    assert "1 caller" in printed.out
    assert report.read_text().endswith("</html>\n")


def test_connections_are_not_held_to_the_shells_limit_of_open_files(
    server: SimpleNamespace, bench: Bench
) -> None:
    """Callers over HTTP have a connection each; "Too many open files" is no error of the server's."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = len(list(Path("/dev/fd").iterdir())) + 60
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, before[1]))
    try:
        words = [
            *COMMAND,
            server.http,
            "--model=colour",
            *SHORT,
            SMALL,
            "--callers=200",
            "--processes=1",
            "--json=-",
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert done.returncode == 0, done.stderr
    (step,) = json.loads(done.stdout)["steps"]
    assert "CONNECTION" not in step["errors"]


def test_a_deadline_that_nobody_meets_is_one_line(server: SimpleNamespace, bench: Bench) -> None:
    done = bench(server.grpc, "--deadline=0.001")
    assert done.code == 1
    assert done.err.startswith("accelserve: no answer came within --deadline 0.001 ms; the fastest took ")
    assert done.err.count("\n") == 1
    assert done.found["steps"][0]["goodput"] == 0


class AnswersForTheTerminal(http.server.BaseHTTPRequestHandler):
    """Refuses every request, in words that turn a terminal red and ring its bell (ECMA-48)."""

    def do_POST(self) -> None:
        words = b"\x1b[31mred\x07"
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(403)
        self.send_header("content-length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_terminal_does_not_obey_what_a_server_says(bench: Bench) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), AnswersForTheTerminal) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        done = bench(f"http://127.0.0.1:{listening.server_port}", "--model=m")
        listening.shutdown()
    assert done.code == 1
    assert done.err.endswith("did not answer a first request: 403: \\x1b[31mred\\x07\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--model=nobody"], "NOT_FOUND: Servable not found for request: Latest(nobody)"),
        (["--signature=none"], 'Serving signature key "none" not found'),
        (["--rate=0"], "0.0 is not in the range"),
        (["--rate=5", "--callers=2"], "--callers and --rate are two loads: give one."),
        (["--ramp", "--callers=2"], "--ramp decides how many callers there are, up to --max_callers."),
        (["--pixels=uint8:8x8x3", "--sizes=64"], "--sizes is for encoded pictures"),
        (["--pixels=uint8:8x8"], "--pixels: 'uint8:8x8' is no tensor of pixels; expected uint8:HxWx3"),
        (["--sizes=big"], "--sizes: 'big' is no size"),
        (["--json=/nowhere/a.json"], "is no folder that can be written"),
        (["--metrics=http://127.0.0.1:1/"], "--metrics http://127.0.0.1:1/ cannot be read"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    server: SimpleNamespace, bench: Bench, words: list[str], sentence: str
) -> None:
    done = bench(server.grpc, *words)
    assert done.code != 0
    assert done.err.startswith("accelserve: ")
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:1", "127.0.0.1:1 did not answer a first request: UNAVAILABLE"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1 did not answer a first request: CONNECTION"),
    ],
)
def test_an_address_without_a_listener_is_one_line(bench: Bench, address: str, sentence: str) -> None:
    done = bench(address, "--model=m", "--timeout=5")
    assert done.code == 1
    assert done.err.startswith(f"accelserve: {sentence}")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([""], "address: expected a host name, an IP address or unix:PATH, got an empty string"),
        (["ftp://host:1"], "address: expected HOST, HOST:PORT, an IP address or unix:PATH, got ftp://host:1"),
        (["127.0.0.1:65537"], "port: expected 1 to 65535, got 65537"),
        (["http://"], "http:// has no host; expected http://HOST:PORT or https://HOST:PORT"),
        (["http://[::1"], "expected http://HOST:PORT or https://HOST:PORT"),
        (["http://host:99999"], "expected http://HOST:PORT or https://HOST:PORT"),
        (["http://host:1/v1/models/m:predict"], "has more than an address"),
        (["http://key@host:1"], "has more than an address"),
        (["host", "--metrics=host:1/metrics"], "'host:1/metrics' is no URL of a page"),
        (["host", "--metrics=http://[host"], "'http://[host' is no URL of a page"),
        (["http://host", "--tls"], "http://host is plain text; with TLS it begins with https://"),
    ],
)
def test_what_is_no_address_is_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert run(["bench", *words, "--model=m"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("accelserve: ")
    assert sentence in printed.err
    assert (printed.err.count("\n"), printed.out) == (1, "")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--tls_ca"], "holds no certificate in PEM: "),
        (["--tls_client_key", "--tls_client_certificate"], "are no certificate with its key in PEM: "),
    ],
)
def test_a_file_that_is_no_pem_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], sentence: str
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    given = [word for flag in flags for word in (flag, str(file))]
    assert run(["bench", "https://127.0.0.1:1", "--model=m", "--sizes=8", *given]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"accelserve: {file}")
    assert sentence in err
    assert err.count("\n") == 1


def test_rest_wants_a_models_name_and_a_folder_wants_pictures(
    server: SimpleNamespace, bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--model is needed over REST" in bench(server.http).err
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(["bench", server.grpc, f"--images={empty}"]) == 2
    assert f"{empty} holds no picture" in capsys.readouterr().err
