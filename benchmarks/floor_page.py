"""The tables of docs/performance.md about what a request costs outside compute, from the results files.

python -m benchmarks.floor_page          # writes them anew
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS
from benchmarks.page_sections import PERFORMANCE_PAGE, of_instruction_sets
from benchmarks.page_sections import rewrite as put
from benchmarks.results_file import RESULTS

Row = Mapping[str, Any]
MODULE = "benchmarks.floor"
COMPUTE = "compute"
GRPC = ("gRPC: request", "gRPC: response")
CLIENT = ("client: make and serialize", "client: parse")
DECODE, TRANSFORM = "decode", "resize, normalize, quantize"
UNACCOUNTED = "unaccounted"


def rewrite(page: Path = PERFORMANCE_PAGE, folder: Path = RESULTS) -> None:
    """Write the page's tables anew, from every results file that there is."""
    put(page, MODULE, of_instruction_sets(folder, "floor", _of_file))


def above_the_floor(row: Row) -> dict[str, float]:
    """Microseconds of a request above the floor, by where they go."""
    parts, floor = row["parts_us"], (row["echo_us"]["p50"], row["decode_us"]["p50"])
    special = (*GRPC, *CLIENT, DECODE, TRANSFORM, COMPUTE)
    return {
        "gRPC, beyond the echo": sum(parts[name] for name in GRPC) - floor[0],
        "decode, beyond libjpeg-turbo alone": parts[DECODE] - floor[1],
        TRANSFORM: parts[TRANSFORM],
        "the server's Python": sum(value for name, value in parts.items() if name not in special),
        "the client's Python": sum(parts[name] for name in CLIENT),
    }


def _of_file(results: Row, file: Path) -> str:
    networks = results["networks"]
    parts = [f"### {INSTRUCTION_SETS[results['isa']].title}", _heading(results, file)]
    parts.append(" ".join(_verdict(name, row, results["goal"]) for name, row in networks.items()))
    parts += [_table("microseconds", networks, _summary), _table("above the floor, p50", networks, _above)]
    parts.append(_table("part of a request, microseconds", networks, _parts))
    return "\n\n".join(parts)


def _heading(results: Row, file: Path) -> str:
    load = results.get("load_average")
    others = "" if load is None else f", load average before {load:.1f}"
    machine = results["machine"]
    return (
        f"{machine['cpu']}, {results['cores']} cores, {machine['system']}, Python {machine['python']}, "
        f"{results['date'][:10]}{others}; [{file.name}](../benchmarks/results/{file.name})."
    )


def _verdict(name: str, row: Row, goal: float) -> str:
    """Whether a network reached the goal; if not by how much, and where most of that goes."""
    ratio, floor = row["outside_by_floor"], row["floor_us"]["p50"]
    found = f"{name}: {ratio:.2f} times the floor"
    if ratio <= goal:
        return f"{found}; the goal is {goal}."
    most = sorted(above_the_floor(row).items(), key=lambda each: -each[1])[:3]
    where = ", ".join(f"{part} {value / 1e3:.2f} ms" for part, value in most)
    return f"{found}, {(ratio - goal) * floor / 1e3:.2f} ms more than the goal of {goal}; above the floor: {where}."


def _table(title: str, networks: Row, rows: Any) -> str:
    columns = [dict(rows(row)) for row in networks.values()]
    lines = [f"| {' | '.join((title, *networks))} |", "|---" + "|---:" * len(columns) + "|"]
    lines += [f"| {label} | {' | '.join(column[label] for column in columns)} |" for label in columns[0]]
    return "\n".join(lines)


def _summary(row: Row) -> Iterator[tuple[str, str]]:
    for key, label in (
        ("outside_us", "outside compute"),
        ("floor_us", "the floor"),
        ("decode_us", "of it libjpeg-turbo"),
        ("echo_us", "of it the echo"),
    ):
        for point in ("p10", "p50"):
            yield f"{label}, {point}", f"{row[key][point]:.0f}"
    yield "outside compute / the floor, p10", f"{row['best_outside_by_best_floor']:.2f}"
    yield "outside compute / the floor, p50", f"{row['outside_by_floor']:.2f}"


def _above(row: Row) -> Iterator[tuple[str, str]]:
    for label, value in above_the_floor(row).items():
        yield label, f"{value:.0f}"


def _parts(row: Row) -> Iterator[tuple[str, str]]:
    for label, value in row["parts_us"].items():
        if label != UNACCOUNTED or round(value):
            yield label, f"{value:.0f}"


if __name__ == "__main__":
    rewrite()
