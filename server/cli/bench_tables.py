"""What ``accelserve bench`` prints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import click

from accelserve.loadgen.plan import Open
from accelserve.loadgen.recorder import Times
from accelserve.loadgen.results import PERCENTILES, WITHIN, Measurement, Result, most_goodput
from accelserve.loadgen.server_metrics import Stage
from accelserve.server.cli.tables import print_rows

_LOADS = 5
"""Side by side in a table of 80 columns."""
_PERCENTILES = tuple(f"p{percentile:g}" for percentile in PERCENTILES)


def print_measurement(measurement: Measurement) -> None:
    """Tables of the steps, of the errors and of the server's own times, and sentences below them."""
    target = measurement.target
    model = f", model {target.model}" if target.model else ""
    batch = "" if measurement.batch_size == 1 else f", {measurement.batch_size} a request"
    click.echo(f"{target.address}: {measurement.protocol}{model}")
    click.echo(
        f"{measurement.pictures.description}; {measurement.pictures.mean_bytes / 1000:.0f} kB on average{batch}"
    )
    _print_steps(measurement)
    _print_errors(measurement)
    _print_server(measurement)
    for sentence in sentences(measurement):
        click.echo(sentence)


def sentences(measurement: Measurement) -> Iterator[str]:
    """What the tables do not say: the knee, and where the client was the limit."""
    if measurement.knee is not None:
        knee = measurement.results[measurement.knee]
        most = max(result.throughput for result in measurement.results)
        yield (
            f"knee: {knee.load}, {knee.throughput:.1f} requests/s at a mean of {knee.measured.latency.mean_ms:.1f} ms, "
            f"where throughput / latency is greatest; most throughput: {most:.1f} requests/s"
        )
    if measurement.is_ramp and measurement.results[0].step.deadline_ms is not None:
        yield _kept(measurement.results)
    for result in measurement.results:
        for note in result.notes:
            yield f"note: {result.load}: {note}"


def _kept(results: Sequence[Result]) -> str:
    deadline = results[0].step.deadline_ms
    within = f"{WITHIN:.0%} of the requests within {deadline:g} ms"
    index = most_goodput(results)
    if index is None:
        return f"no step had {within}"
    best = results[index]
    return f"most goodput with {within}: {best.goodput:.1f} requests/s, at {best.load}"


def _print_steps(measurement: Measurement) -> None:
    deadline = next((result.step.deadline_ms for result in measurement.results), None)
    good = [] if deadline is None else [f"in {deadline:g} ms"]
    rows = []
    for result in measurement.results:
        measured = result.measured
        goodput = [f"{result.goodput:.1f}" for _ in good]
        rows.append(
            [result.load, f"{result.throughput:.1f}", *goodput, *_of(measured.latency), str(measured.failed)]
        )
        if isinstance(result.step.load, Open):
            rows.append(["  once sent", "", *["" for _ in good], *_of(measured.service), ""])
    title = "answers a second, and their latency in ms"
    print_rows(["load"], ["answers/s", *good, *_PERCENTILES, "max", "errors"], rows, title=title)


def _of(times: Times) -> list[str]:
    return [*(_ms(times.percentile_ms(percentile)) for percentile in PERCENTILES), _ms(times.max_ms)]


def _print_errors(measurement: Measurement) -> None:
    rows = [
        [result.load, code, " ".join(result.measured.words.get(code, "").split()), str(count)]
        for result in measurement.results
        for code, count in result.measured.errors.most_common()
    ]
    if rows:
        print_rows(["load", "error", "the first one"], ["requests"], rows)


def _print_server(measurement: Measurement) -> None:
    if not measurement.metrics:
        return
    answered = [result for result in measurement.results if result.server is not None]
    if not answered:
        click.echo(f"the server's own times: not offered by {measurement.metrics}")
        return
    names = list(dict.fromkeys(stage.name for result in answered for stage in _stages(result)))
    for begin in range(0, len(answered), _LOADS):
        group = answered[begin : begin + _LOADS]
        found = [{stage.name: f"{stage.milliseconds:.2f}" for stage in _stages(each)} for each in group]
        rows = [[name, *(times.get(name, "-") for times in found)] for name in names]
        rows.append(["the client's", *(_ms(each.measured.service.mean_ms, 2) for each in group)])
        title = "the server's own times beside the client's, means in ms"
        print_rows(["stage"], [each.load for each in group], rows, title=title)


def _stages(result: Result) -> list[Stage]:
    server = result.server
    if server is None:
        return []
    return [*server.stages, *([] if server.whole is None else [replace(server.whole, name="in all")])]


def _ms(milliseconds: float, digits: int = 1) -> str:
    return "-" if math.isnan(milliseconds) else f"{milliseconds:.{digits}f}"
