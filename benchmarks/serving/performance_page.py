"""The tables of docs/performance.md between two markers, and on a console, from the results files.

python -m benchmarks.serving.performance_page          # writes the page's tables anew
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS
from benchmarks.page_sections import PERFORMANCE_PAGE, of_instruction_sets
from benchmarks.page_sections import rewrite as put
from benchmarks.results_file import RESULTS
from benchmarks.serving.contenders import OURS
from benchmarks.serving.effort import GOAL_NETWORKS
from benchmarks.serving.goals import AT_LEAST, Verdict, verdicts
from benchmarks.serving.published import PUBLISHED

MODULE = "benchmarks.serving"
Row = Mapping[str, Any]
RATIOS = {
    "lone_p50": "p50, one caller",
    "many_requests": "requests/s, 8 callers",
    "p99_at_50%": "p99 at 50%",
    "p99_at_80%": "p99 at 80%",
    "goodput": "goodput",
    "batch_8": "batch 8",
    "batch_32": "batch 32",
    "cpu": "CPU",
}
"""Of ``record.ratios`` -> the column's heading."""


def rewrite(page: Path = PERFORMANCE_PAGE, folder: Path = RESULTS) -> None:
    """Write the page's tables anew, from every results file that there is."""
    put(page, MODULE, of_instruction_sets(folder, "serving", _of_file))


def _of_file(results: Row, file: Path) -> str:
    title = INSTRUCTION_SETS[results["isa"]].title
    measured = {name: row for name, row in results["networks"].items() if "contenders" in row}
    parts = [f"## {title}", _heading(results, file)]
    parts += [_goals(results, name) for name, row in measured.items() if _has_goals(name, row)]
    parts.append(_ratios(measured))
    for name, row in measured.items():
        parts += [f"### {name}, {title}", *_tables(results, row)]
        if name == "resnet50":
            parts.append(_published())
    parts.append(_settings(results, measured))
    return "\n\n".join(parts)


def _has_goals(network: str, row: Row) -> bool:
    """Whether goals speak of it, and a run was long enough to judge them."""
    return network in GOAL_NETWORKS and "goodput" in row["contenders"][OURS]


def _heading(results: Row, file: Path) -> str:
    held = ""
    if results["held_to_isa"]:
        held = f" Everyone is held to {results['isa']}."
    for who, why in results.get("left_out", {}).items():
        held += f" {who} is left out: {why}."
    networks = results["networks"]
    loads = ", ".join(f"{name} {row['load_average']:.1f}" for name, row in networks.items())
    return (
        f"{results['machine']['cpu']}, {results['cores']} cores, {results['machine']['system']}, Python "
        f"{results['machine']['python']}, {results['date'][:10]}; `{results['command'].strip()}`; {results['photographs']}; "
        f"load average at the end of each network: {loads}. Everything is in "
        f"[{file.name}](../benchmarks/results/{file.name}).{held}"
    )


def _markdown(headings: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


def _goals(results: Row, network: str) -> str:
    row = results["networks"][network]
    headings = ("goal", "beside", "wanted", "measured", "")
    rows = [_goal(verdict) for verdict in verdicts(results, network)]
    ours = row["contenders"][OURS]
    missed = any(verdict.reached is False for verdict in verdicts(results, network))
    where = f"\n\nWhere the time goes, {network}, milliseconds a request: {_stages(ours)}." if missed else ""
    floor = f" {_outside(row['floor'])}" if missed and row.get("floor") else ""
    return f"**Goals, {network}**\n\n{_markdown(headings, rows)}{where}{floor}"


def _outside(floor: Row) -> str:
    """What ``benchmarks.floor`` found, part by part."""
    parts = ", ".join(f"{name} {value:.0f}" for name, value in floor["parts_us"].items() if round(value))
    return (
        f"A lone request's parts in microseconds, by `benchmarks.floor`: {parts}; the floor, libjpeg-turbo and an echo, "
        f"is {floor['floor_us']['p50']:.0f}."
    )


def _goal(verdict: Verdict) -> tuple[str, ...]:
    sign = "at least" if verdict.way == AT_LEAST else "at most"
    found = "not measured" if verdict.found is None else f"{verdict.found:.2f}x"
    word = {None: "", True: "reached", False: f"missed by {verdict.missed_by:.0%}"}[verdict.reached]
    return verdict.what, verdict.beside, f"{sign} {verdict.goal:.2f}x", found, word


def _stages(ours: Row) -> str:
    parts = []
    for load, words in (("lone", "one caller"), ("many", "eight callers")):
        stages = ours.get("stages_ms", {}).get(load, {})
        each = ", ".join(f"{name} {value:.2f}" for name, value in stages.items() if name != "request")
        whole = f" of {ours[load]['p50_ms']:.2f}" if each else ""
        parts.append(f"{words}{whole} (p50): {each or 'not offered'}")
    return "; ".join(parts)


def _ratios(measured: Mapping[str, Row]) -> str:
    """The networks beside each other: ours by every peer."""
    rows = [
        (network, row["contenders"][peer]["title"], *(_ratio(found.get(name)) for name in RATIOS))
        for network, row in measured.items()
        for peer, found in row["ratios"].items()
    ]
    words = (
        "Ratios, in brackets the least and the greatest of a round. Above 1 we answer sooner or more; **p99** and **CPU** are "
        "ours divided by the peer's, so there less than 1 is better."
    )
    return f"{words}\n\n{_markdown(('network', 'beside', *RATIOS.values()), rows)}"


def _ratio(found: Row | None) -> str:
    if found is None:
        return "-"
    spread = f" ({found['least']:.2f}-{found['most']:.2f})" if found.get("rounds", 1) > 1 else ""
    return f"{found['median']:.2f}x{spread}"


def _tables(results: Row, row: Row) -> Iterator[str]:
    contenders = row["contenders"]
    up = {name: each for name, each in contenders.items() if "lone" in each and "error" not in each}
    yield _markdown(
        ("server", "p50", "p99", "8 callers: requests/s", "p99", *_arrival_headings(row), "goodput"),
        [
            (
                each["title"],
                _ms(each["lone"]["p50_ms"]),
                _ms(each["lone"]["p99_ms"]),
                f"{each['many']['requests_per_second']:.1f}",
                _ms(each["many"]["p99_ms"]),
                *(_arrivals(each["arrivals"].get(share)) for share in ("50%", "80%")),
                _goodput(each.get("goodput")),
            )
            for each in up.values()
        ],
    )
    sizes = sorted({int(size) for each in up.values() for size in each.get("batches", {})})
    yield _markdown(
        (
            "server",
            *(f"batch {size}: images/s" for size in sizes),
            "images/s a core",
            "GMAC/s a core",
            "of the peak",
            "CPU s per 1,000",
            "start",
            "memory",
            "differs",
        ),
        [_second(results, row, each, sizes) for each in up.values()],
    )
    notes = [
        f"- {each['title']} is missing: {each['error']}" for each in contenders.values() if "error" in each
    ]
    ours = contenders[OURS]
    if "start_without_cache_seconds" in ours:
        notes.append(
            f"- accelserve's first start, with an empty cache: {ours['start_without_cache_seconds']:.1f} s. "
            f"Where its time goes: {_stages(ours)}."
        )
    notes += [
        f"- {each['title']}: {note}."
        for each in contenders.values()
        for note in each.get("notes", [])
        if note.startswith("batches of")
    ]
    notes.append(
        f"- {row['gmac_per_image']:.2f} GMAC an image; the processor's peak, measured: "
        f"{row['peak_gmac_per_second'] or 0:.0f} GMAC/s on {results['cores']} cores. Compute alone, accelserve: "
        f"{row['compute_alone_ms']:.2f} ms. TensorFlow's and Pillow's readings of a photograph are up to "
        f"{row['decoders_differ_by']:.0f} levels of 255 apart. Of a peer's time, Pillow's decoding, resizing and cropping of "
        f"a photograph is {row['pillow_reads_ms']:.2f} ms."
    )
    yield "\n".join(notes)


def _published() -> str:
    words = (
        "Published for ResNet-50 in int8, from pictures that were decoded and preprocessed before the clock ran, in large "
        "batches on all cores of a machine (ours are JPEGs over gRPC on two):"
    )
    return "\n".join([words, "", *(f"- {each.line()}" for each in PUBLISHED)])


def _arrival_headings(row: Row) -> tuple[str, str]:
    knee = row["knee"]
    return f"p99 (simulated) at {knee * 0.5:.0f}/s", f"at {knee * 0.8:.0f}/s"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"


def _arrivals(found: Row | None) -> str:
    if found is None:
        return "-"
    if not found["keeps_up"]:
        return "does not keep up"
    failed = f", {found['failed']} failed" if found["failed"] else ""
    return f"{found['p99_ms']:.1f} ({found['simulated_p99_ms']:.1f}) ms{failed}"


def _goodput(found: Row | None) -> str:
    if found is None:
        return "-"
    return f"{found['goodput']:.1f}/s" if found["goodput"] else f"none at {found['broken_rate']:.1f}/s"


def _second(results: Row, row: Row, each: Row, sizes: Sequence[int]) -> tuple[str, ...]:
    rates = [each.get("batches", {}).get(str(size), {}).get("images_per_second") for size in sizes]
    best = max([each["many"]["requests_per_second"], *(rate for rate in rates if rate)])
    gmac, peak = best * row["gmac_per_image"], row["peak_gmac_per_second"]
    answers = each["answers"]
    same = (
        ""
        if answers["same_top1"] == answers["photographs"]
        else f", top-1 {answers['same_top1']} of {answers['photographs']}"
    )
    return (
        each["title"],
        *("-" if rate is None else f"{rate:.1f}" for rate in rates),
        f"{best / results['cores']:.1f}",
        f"{gmac / results['cores']:.0f}",
        f"{gmac / peak:.0%}" if peak else "-",
        f"{each['many']['cpu_seconds_per_1000']:.1f}",
        f"{each['start_seconds']:.1f} s",
        f"{each['memory_mb']:.0f} MB",
        f"{answers['differs_by']:.4f}{same}",
    )


def _settings(results: Row, measured: Mapping[str, Row]) -> str:
    lines = []
    for name, each in results["contenders"].items():
        found: Row = next(
            (row["contenders"][name] for row in measured.values() if name in row["contenders"]), {}
        )
        versions = ", ".join(f"{package} {version}" for package, version in found.get("versions", {}).items())
        lines.append((each["title"], each["wire"], each["settings"], versions or "-"))
    return f"Servers and their settings:\n\n{_markdown(('server', 'spoken to in', 'settings', 'versions'), lines)}"


def show(results: Row, console: Console) -> None:
    """Print the ratios and the goals."""
    table = Table(title=f"ours by theirs, {results['isa']}; p99 and CPU: less is better")
    for column in ("network", "beside", *RATIOS.values()):
        table.add_column(column)
    for network, row in results["networks"].items():
        for peer, found in row.get("ratios", {}).items():
            title = row["contenders"][peer]["title"]
            table.add_row(network, title, *(_ratio(found.get(name)) for name in RATIOS))
    console.print(table)
    for network, row in results["networks"].items():
        if "contenders" in row and _has_goals(network, row):
            goals = Table(title=f"goals, {network}")
            for column in ("goal", "beside", "wanted", "measured", ""):
                goals.add_column(column)
            for verdict in verdicts(results, network):
                goals.add_row(*_goal(verdict))
            console.print(goals)
        for each in row.get("contenders", {}).values():
            if "error" in each:
                console.print(f"{network}: {each['title']}: {each['error']}", highlight=False)


if __name__ == "__main__":
    rewrite()
