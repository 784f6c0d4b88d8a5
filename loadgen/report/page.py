"""The document of a measurement as a page that opens without a network, a script, or anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any
from xml.etree import ElementTree as ET

from accelserve.loadgen.recorder import Times
from accelserve.loadgen.report.plots import Line, breakdown_plot, latency_plot, throughput_plot

_STYLE = files(__name__.rpartition(".")[0]).joinpath("style.css").read_text(encoding="utf-8")
_PERCENTILES = ("p50", "p90", "p99", "p99.9")
_MOST_LINES = 8
# Neither HTML nor XML can hold these, escaped or not, and a server's words may.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def page(document: Mapping[str, Any]) -> str:
    """HTML of what ``results.document`` gives.

    The page's own policy (a Content-Security-Policy in a meta element) allows its style sheet, known by its hash, and
    nothing else: were any text of a server to get through as markup, it could load and run nothing.
    """
    root = ET.Element("html", {"lang": "en"})
    _head(ET.SubElement(root, "head"), document)
    body = ET.SubElement(root, "body")
    main = ET.SubElement(body, "main")
    _add(main, "h1", f"Load on {document['target']['address']}")
    if document["interrupted"]:
        _add(main, "p", "Interrupted: what was measured until then.", "note")
    _facts(main, document)
    for step in document["steps"]:
        for note in step["notes"]:
            _add(main, "p", f"{load_of(step)}: {note}.", "note")
    _steps(main, document)
    _plots(main, document)
    _errors(main, document["steps"])
    for element in root.iter():
        element.text = element.text and _UNWRITABLE.sub("\ufffd", element.text)
    return "<!DOCTYPE html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


def load_of(step: Mapping[str, Any]) -> str:
    """A step's load in words."""
    if step["loop"] == "open":
        return f"{step['rate']:g} a second"
    return f"{step['callers']} {'caller' if step['callers'] == 1 else 'callers'}"


def _head(head: ET.Element, document: Mapping[str, Any]) -> None:
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    ET.SubElement(head, "meta", {"charset": "utf-8"})
    ET.SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": policy})
    ET.SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    _add(head, "title", f"Load on {document['target']['address']}")
    _add(head, "style", _STYLE)


def _facts(main: ET.Element, document: Mapping[str, Any]) -> None:
    target, pictures, client = document["target"], document["pictures"], document["client"]
    model = target["model"] or "the server's default"
    version = "" if target["version"] is None else f", version {target['version']}"
    signature = f", signature {target['signature']}" if target["signature"] else ""
    facts = {
        "server": f"{target['address']}, {target['protocol']}",
        "model": f"{model}{version}{signature}, input {target['input']}",
        "pictures": f"{pictures['description']}; {pictures['mean_bytes'] / 1000:.0f} kB on average, "
        f"{pictures['batch_size']} a request",
        "client": f"{client['processes']} processes on {client['cores']} cores, {client['cpu']}, {client['system']}, "
        f"Python {client['python']}",
        "measured": f"{document['date']}, by {document['tool']}",
    }
    listed = ET.SubElement(main, "dl")
    for name, text in facts.items():
        _add(listed, "dt", name)
        _add(listed, "dd", text)


def _steps(main: ET.Element, document: Mapping[str, Any]) -> None:
    steps = document["steps"]
    deadline = next((step["deadline_ms"] for step in steps), None)
    good = [] if deadline is None else [f"in {deadline:g} ms"]
    headings = ["load", "answers/s", *good, *[f"{name} ms" for name in _PERCENTILES], "max ms", "errors"]
    rows = [
        [
            load_of(step),
            _figure(step["throughput"]),
            *[_figure(step["goodput"]) for _ in good],
            *[_figure(step["latency_ms"][name]) for name in (*_PERCENTILES, "max")],
            str(sum(step["errors"].values())),
        ]
        for step in steps
    ]
    knee = document.get("knee", {}).get("step")
    _add(main, "h2", "What was answered, and how soon")
    _table(main, headings, rows, bold=knee)
    if "knee" in document:
        where = (
            "There is none: nothing was answered." if knee is None else f"It is at {load_of(steps[knee])}."
        )
        _add(main, "p", f"The knee is {document['knee']['definition']}. {where}")
        if deadline is not None:
            _add(main, "p", _most_goodput(document, deadline))


def _most_goodput(document: Mapping[str, Any], deadline: float) -> str:
    index = document["most_goodput"]["step"]
    within = f"{document['most_goodput']['within']:.0%} of the requests within {deadline:g} ms"
    if index is None:
        return f"No step had {within}."
    step = document["steps"][index]
    return f"Most goodput with {within}: {_figure(step['goodput'])} a second, at {load_of(step)}."


def _plots(main: ET.Element, document: Mapping[str, Any]) -> None:
    steps = [step for step in document["steps"] if step["answered"]]
    if not steps:
        return
    _add(main, "h2", "Latency")
    lines = [line for step in _spread(steps) for line in _latency_lines(step)]
    main.append(latency_plot(lines, "Latency in milliseconds by percentile"))
    if any(step["loop"] == "open" for step in steps):
        text = (
            "Latency counts from when a request was meant to be sent. Counted from when it was sent, the time in which "
            "it had to wait for its turn would be left out: that is coordinated omission."
        )
        _add(main, "p", text)
    if "knee" in document:
        _ramp(main, document, steps)
    _breakdown(main, document, steps)


def _ramp(main: ET.Element, document: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> None:
    def place(step: Mapping[str, Any]) -> tuple[float, float]:
        return step["throughput"], step["latency_ms"]["mean"]

    number = document["knee"]["step"]
    knee = None if number is None else place(document["steps"][number])
    is_open = steps[0]["loop"] == "open"
    name = (
        f"mean latency, from {load_of(steps[0])} upwards"
        if is_open
        else "mean latency, from one caller upwards"
    )
    line = Line(name=name, points=[place(step) for step in steps], marks=True)
    _add(main, "h2", "Throughput against latency")
    main.append(throughput_plot(line, knee, "Mean latency in milliseconds by answered requests a second"))


def _breakdown(main: ET.Element, document: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> None:
    _add(main, "h2", "Where the time goes")
    measured = [step for step in steps if step["server"]]
    if not measured:
        why = "its metrics were not asked for" if document["metrics"] is None else "not offered"
        _add(main, "p", f"The server's own times: {why}.")
        return
    knee = document.get("knee", {}).get("step")
    step = document["steps"][knee] if knee is not None and document["steps"][knee]["server"] else measured[-1]
    _add(main, "p", f"Means of a request at {load_of(step)}, from the server's metrics and the client.")
    main.append(breakdown_plot(parts_of(step), "Milliseconds of a request by stage"))


def parts_of(step: Mapping[str, Any]) -> list[tuple[str, float]]:
    """What a request's mean time from sending to answer is made of, in milliseconds.

    The stages are the server's; what it took besides, and what was outside of it, are differences of means, and left
    out where they are not positive or not known.
    """
    server = step["server"]
    parts = list(server["stages_ms"].items())
    inside = sum(milliseconds for _, milliseconds in parts)
    whole = server["request_ms"]
    if whole is not None and whole > inside:
        parts.append(("elsewhere in the server", whole - inside))
        inside = whole
    client = step["service_ms"]["mean"]
    if client is not None and client > inside:
        parts.append(("client, network, protocol", client - inside))
    return parts


def _errors(main: ET.Element, steps: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        [load_of(step), code, str(count), step["first_error"].get(code, "")]
        for step in steps
        for code, count in step["errors"].items()
    ]
    if rows:
        _add(main, "h2", "Errors")
        _table(main, ["load", "code", "requests", "the first one"], rows, words=True)


def _latency_lines(step: Mapping[str, Any]) -> list[Line]:
    lines = [_line(load_of(step), step["latency_ms"])]
    if step["loop"] == "open":
        lines.append(_line(f"{load_of(step)}, from when it was sent", step["service_ms"]))
    return lines


def _line(name: str, times: Mapping[str, Any]) -> Line:
    recorded = Times()
    recorded.merge(times["histogram"].encode())
    # No percentile beyond what so many answers can tell.
    last = 1 - 1 / max(recorded.count, 2)
    shares = [number / 100 for number in range(100)] + [1 - 10 ** -(2 + step / 10) for step in range(30)]
    points = [(100 * share, recorded.percentile_ms(100 * share)) for share in shares if share <= last]
    return Line(name=name, points=points)


def _spread(steps: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """At most as many as there are colours, evenly chosen, the last one among them."""
    if len(steps) <= _MOST_LINES:
        return steps
    return [steps[round(number * (len(steps) - 1) / (_MOST_LINES - 1))] for number in range(_MOST_LINES)]


def _table(
    main: ET.Element,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    bold: int | None = None,
    words: bool = False,
) -> None:
    table = ET.SubElement(ET.SubElement(main, "div", {"class": "scroll", "tabindex": "0"}), "table")
    row = ET.SubElement(ET.SubElement(table, "thead"), "tr")
    for heading in headings:
        ET.SubElement(row, "th", {"scope": "col"}).text = heading
    body = ET.SubElement(table, "tbody")
    for number, texts in enumerate(rows):
        row = ET.SubElement(body, "tr", {"class": "knee"} if number == bold else {})
        for column, text in enumerate(texts):
            in_words = words and column == len(texts) - 1
            _add(row, "td", text, "words" if in_words else "")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _add(parent: ET.Element, tag: str, text: str, name: str = "") -> None:
    ET.SubElement(parent, tag, {"class": name} if name else {}).text = text
