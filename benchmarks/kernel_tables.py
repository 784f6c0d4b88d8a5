"""Tables of ``benchmarks.kernels``: on a console, and in README.md between two markers, from the results files.

python -m benchmarks.kernel_tables          # writes README.md's anew
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS
from benchmarks.page_sections import rewrite
from benchmarks.results_file import RESULTS

MODULE = "benchmarks.kernel_tables"
PEERS = ("openvino", "onnxruntime")


def cells(row: Mapping[str, Any]) -> list[str]:
    """Milliseconds of ours; of each peer milliseconds, ratio; then everyone's difference from the judge. '-' if not measured."""
    found = [f"{row['accelserve_ms']:.2f}"]
    for peer in PEERS:
        measured = f"{peer}_int8_ms" in row
        found += (
            [f"{row[f'{peer}_int8_ms']:.2f}", f"{row[f'times_faster_than_{peer}']:.2f}x"]
            if measured
            else ["-", "-"]
        )
    return found + [_difference(row, contender) for contender in ("accelserve", *PEERS)]


def _difference(row: Mapping[str, Any], contender: str) -> str:
    value = row.get(f"{contender}_differs_by")
    return "-" if value is None else f"{value:.4f}".lstrip("0") if value else "0"


def rows_of(results: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Network, threads and record, in the file's order."""
    for name, network in results["networks"].items():
        for threads, row in network["threads"].items():
            yield name, threads, row


def beyond_isa(results: Mapping[str, Any]) -> list[str]:
    """Primitives of OpenVINO beyond the instruction set that it was held to, in any row."""
    found = {each for *_, row in rows_of(results) for each in row.get("openvino_primitives_beyond_isa", [])}
    return sorted(found)


def show(results: Mapping[str, Any], console: Console) -> None:
    """Print the table."""
    table = Table(
        title=f"{INSTRUCTION_SETS[results['isa']].title}, batch 1, medians, milliseconds; above 1 accelserve is faster"
    )
    table.add_column("network")
    ours = ("threads", "ours", "openvino", "ratio", "ort", "ratio", "differs", "openvino", "ort")
    for column in (*ours, "fast", "GMAC/s", "of peak"):
        table.add_column(column, justify="right")
    for name, threads, row in rows_of(results):
        rest = (
            f"{row['accelserve_fast_ms']:.2f}",
            f"{row['gmac_per_second']:.0f}",
            f"{row['share_of_peak']:.0%}",
        )
        table.add_row(name, threads, *cells(row), *rest)
    console.print(table)
    for each in beyond_isa(results):
        console.print(f"OpenVINO beyond the instruction set: {each}")


def show_layers(name: str, threads: str, row: Mapping[str, Any], console: Console) -> None:
    """Print where one network's time goes."""
    table = Table(title=f"{name}, {threads} thread(s): layers that multiply")
    table.add_column("layer")
    for column in ("result", "ms", "GMAC/s", "of peak"):
        table.add_column(column, justify="right")
    for step in row["layers"]:
        shape = "x".join(map(str, step["shape"][1:]))
        numbers = f"{step['ms']:.3f}", f"{step['gmac_per_second']:.0f}", f"{step['share_of_peak']:.0%}"
        table.add_row(step["name"], shape, *numbers)
    console.print(table)


def markdown(results: Mapping[str, Any], file: Path) -> str:
    """One instruction set's rows for the README."""
    versions = results["versions"]
    peers = ", ".join(f"{peer} {versions[peer]}" for peer in PEERS)
    title = f"**{INSTRUCTION_SETS[results['isa']].title}**: {results['machine']['cpu']}, {results['date'][:10]}, {peers}"
    lines = [
        f"{title} ([{file.name}](benchmarks/results/{file.name})).{_notes(results)}",
        "",
        "| network | threads | accelserve | OpenVINO | ratio | onnxruntime | ratio | differs: ours | OpenVINO | onnxruntime |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join((name, threads, *cells(row)))} |" for name, threads, row in rows_of(results)]
    return "\n".join(lines)


def _notes(results: Mapping[str, Any]) -> str:
    beyond = [f"`{each}`" for each in beyond_isa(results)]
    held = (
        f" OpenVINO's kernels beyond the instruction set that it is held to: {', '.join(beyond)}."
        if beyond
        else ""
    )
    left_out = results.get("measured_where", {}).get("onnxruntime", "")
    return held + (f" onnxruntime is {left_out}." if left_out.startswith("left out") else "")


def busy_markdown(results: Mapping[str, Any], file: Path) -> str:
    """Medians and 90th percentiles beside a competing process."""
    where = (
        f"{INSTRUCTION_SETS[results['isa']].title}, results in [{file.name}](benchmarks/results/{file.name})"
    )
    lines = [
        f"With another process keeping one of the two cores busy ({where}), median / 90th percentile in milliseconds:",
        "",
        "| network | accelserve | OpenVINO | onnxruntime |",
        "|---|---|---|---|",
    ]
    keys = ("accelserve", "openvino_int8", "onnxruntime_int8")
    for name, _, row in rows_of(results):
        pairs = [
            f"{row[f'{key}_ms']:.2f} / {row[f'{key}_p90_ms']:.2f}" if f"{key}_ms" in row else "-"
            for key in keys
        ]
        lines.append(f"| {' | '.join((name, *pairs))} |")
    return "\n".join(lines)


def section(folder: Path) -> str:
    """Everything between the markers: a set of rows for each instruction set that was measured, then the busy machine's."""
    parts = []
    for pattern, write in (("kernels-{}.json", markdown), ("kernels-busy-{}.json", busy_markdown)):
        files = [folder / pattern.format(isa) for isa in INSTRUCTION_SETS]
        parts += [write(json.loads(file.read_text("utf-8")), file) for file in files if file.exists()]
    return "\n\n".join(parts)


def main() -> None:
    """Write the README's tables anew."""
    rewrite(Path("README.md"), MODULE, section(RESULTS))


if __name__ == "__main__":
    main()
