"""``accelserve bench``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from accelserve.server.cli.server_options import tls_options, token_option
from accelserve.server.cli.written_files import writable, write_whole

if TYPE_CHECKING:
    from accelserve.loadgen.recorder import Merged
    from accelserve.loadgen.results import Measurement
    from accelserve.server.cli.progress import Live

_INTERRUPTED = 130
_PROCESSES = min(4, os.cpu_count() or 1)
_SECONDS = click.FloatRange(min=0, min_open=True, max=86400)
_COUNT = click.IntRange(min=1, max=65536)


def _page(context: click.Context, parameter: click.Parameter, url: str) -> str:
    """The URL as it is; click.BadParameter if it is none of HTTP."""
    try:
        parts = urlsplit(url)
        is_page = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_page = False
    if url and not is_page:
        raise click.BadParameter(f"'{url}' is no URL of a page, http://HOST:PORT/PATH", context, parameter)
    return url


@click.command
@click.argument("address")
@click.option(
    "--api",
    type=click.Choice(["tfserving", "kserve"]),
    default="tfserving",
    show_default=True,
    help="TensorFlow Serving's Predict, or the Open Inference Protocol (KServe v2, Triton).",
)
@click.option("--model", default="", help="Name; the server's only or default model if not given.")
@click.option("--version", type=click.IntRange(min=0), help="Of the model; the server's choice if not given.")
@click.option("--signature", default="", help="serving_default if not given.")
@click.option("--input", "input_name", default="images", show_default=True, help="The model's input.")
@click.option(
    "--callers",
    type=_COUNT,
    help="Closed loop: so many callers, each waits for its answer before it sends again. 1 if no load is given.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True, max=1e6),
    help="Open loop: requests a second, at random times (Poisson), whether or not those before are answered.",
)
@click.option(
    "--ramp",
    is_flag=True,
    help="More and more load until it brings no more answers; the knee. Closed loops of 1, 2, 4, ... callers; with --rate "
    "open loops, which begin at that rate and take a quarter more each time.",
)
@click.option("--max_callers", type=_COUNT, default=256, show_default=True, help="Of a --ramp of callers.")
@click.option(
    "--max_in_flight",
    type=_COUNT,
    default=256,
    show_default=True,
    help="Unanswered requests of --rate; arrivals beyond wait, and their time counts.",
)
@click.option(
    "--duration", type=_SECONDS, default=10.0, show_default=True, help="Seconds; of --ramp, each step."
)
@click.option(
    "--warm_up", type=click.FloatRange(0, 3600), default=1.0, show_default=True, help="Seconds before."
)
@click.option(
    "--deadline",
    type=_SECONDS,
    help="Milliseconds within which an answer counts as goodput; all count if not given.",
)
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of pictures, sent as they are; the photographs of 'accelserve sample' in a mix of sizes if not given.",
)
@click.option(
    "--pixels",
    help="For an input that takes no encoded pictures: DTYPE:SHAPE of a picture, uint8:224x224x3 or float32:3x224x224. "
    "They are decoded before anything is measured; float32 is levels / 255.",
)
@click.option("--sizes", help="Of those photographs, SIDE:SHARE,... with the longer side in pixels.")
@click.option(
    "--limit", type=_COUNT, default=256, show_default=True, help="Most pictures of --images, evenly spread."
)
@click.option(
    "--batch_size", type=click.IntRange(1, 4096), default=1, show_default=True, help="Pictures a request."
)
@click.option(
    "--processes", type=click.IntRange(1, 256), default=_PROCESSES, show_default=True, help="Of the client."
)
@click.option("--seed", default=0, show_default=True, help="Of the arrivals and of the pictures' order.")
@click.option(
    "--metrics",
    default="",
    callback=_page,
    help="URL of the server's Prometheus page, for its own times beside the client's.",
)
@click.option("--timeout", type=_SECONDS, default=30.0, show_default=True, help="Seconds a request.")
@token_option
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    callback=writable,
    help="File for every figure and histogram; - prints it instead of the tables.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=writable,
    help="HTML file with plots, which loads nothing from elsewhere.",
)
@tls_options
def bench(json_file: Path | None, report: Path | None, **given: Any) -> int:
    """Measure how fast a server answers pictures: latency, throughput, errors, and where the time goes.

    ADDRESS is HOST, HOST:PORT (8500 if not given) or unix:PATH for gRPC, http://HOST:PORT or https://HOST:PORT for REST.
    Any server with TensorFlow Serving's API or the Open Inference Protocol answers. Ctrl-C ends it early and prints what
    was measured until then. docs/benchmarking.md says how to read it.
    """
    from accelserve.loadgen.run import measure
    from accelserve.server.cli.bench_tables import print_measurement
    from accelserve.server.cli.bench_wish import wish_of
    from accelserve.server.cli.progress import live_progress

    wish = wish_of(given)
    with live_progress() as live:
        measurement = measure(wish, _shown(live))
    text = json.dumps(_document(measurement), indent=2)
    if str(json_file) == "-":
        click.echo(text)
    else:
        print_measurement(measurement)
    files = {} if json_file is None or str(json_file) == "-" else {json_file: text + "\n"}
    if report is not None:
        from accelserve.loadgen.report import page

        files[report] = page(_document(measurement))
    _write(files)
    return _verdict(measurement)


def _write(files: Mapping[Path, str]) -> None:
    """All that can be written; the first OSError of the others: a long measurement is not to be lost for one full disk."""
    errors = []
    for path, text in files.items():
        try:
            write_whole(path, text)
        except OSError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _document(measurement: Measurement) -> dict[str, Any]:
    from accelserve.loadgen.results import document

    return document(measurement, installed_version("accelserve"))


def _verdict(measurement: Measurement) -> int:
    """The exit code; click.ClickException where the figures are worth nothing."""
    measured = [result.measured for result in measurement.results]
    if measurement.interrupted:
        seconds = sum(each.seconds for each in measured)
        click.echo(f"accelserve: interrupted after {seconds:.1f} s", err=True)
        return _INTERRUPTED
    if not any(each.answered for each in measured):
        errors = ", ".join(f"{count} {code}" for code, count in _all_errors(measurement)) or "none was sent"
        raise click.ClickException(f"no request was answered: {errors}")
    if not any(each.good for each in measured):
        deadline = measurement.results[0].step.deadline_ms
        fastest = min(each.latency.min_ms for each in measured if each.answered)
        raise click.ClickException(
            f"no answer came within --deadline {deadline:g} ms; the fastest took {fastest:.1f} ms"
        )
    return 0


def _all_errors(measurement: Measurement) -> list[tuple[str, int]]:
    from collections import Counter

    total: Counter[str] = Counter()
    for result in measurement.results:
        total.update(result.measured.errors)
    return total.most_common()


def _shown(live: Live) -> Callable[[str, Merged, float, float], None]:
    def watch(doing: str, measured: Merged, gone: float, total: float) -> None:
        found = ""
        if measured.sent and gone:
            errors = f", {measured.failed} errors" if measured.failed else ""
            rate = measured.answered / measured.seconds if measured.seconds else 0.0
            found = f"{rate:.1f} requests/s, p99 {measured.latency.percentile_ms(99):.1f} ms{errors}"
        live(doing, gone, total, found)

    return watch
