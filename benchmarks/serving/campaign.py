"""A run over networks: what was measured on what, network after network, into one results file."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from accelserve.kernels.cpu.isa import available, choose
from benchmarks.networks import CACHE
from benchmarks.results_file import RESULTS, heading, read, write
from benchmarks.serving.contenders import OURS, PEERS, peers_at, title_of, wire_of
from benchmarks.serving.effort import Effort, effort_for
from benchmarks.serving.environments import python_of
from benchmarks.serving.network import Course, measure
from benchmarks.serving.performance_page import rewrite, show
from benchmarks.serving.rounds import is_close
from benchmarks.serving.running import StartError
from benchmarks.serving.subjects import photographs, subject


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what the command line asks for; the file is written after each network, the page at the end."""
    cores = sorted(os.sched_getaffinity(0))[: options.cores]
    os.sched_setaffinity(0, cores)  # servers and clients inherit it
    isa, best = choose(options.isa).name, available()[0].name
    path = options.results or RESULTS / f"serving-{isa}.json"
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted = _wanted(options)
    peers = [name for name in peers_at(isa, best) if name in wanted]
    results = _begun(path, options) | {
        "isa": isa,
        "held_to_isa": isa != best,
        "cores": len(cores),
        "command": "python -m benchmarks.serving " + " ".join(sys.argv[1:]),
        "photographs": photographs().description,
        "contenders": _described(peers),
        "left_out": _left_out(peers, wanted),
    }
    console = Console(width=140)
    for name in options.networks:
        if "contenders" in results["networks"].get(name, {}):
            console.print(f"{name}: kept from {results['date']}")
            continue
        results["networks"][name] = _measured(name, peers, options, results, console)
        write(results, path)
    show(results, console)
    if path.resolve().parent == RESULTS.resolve():
        rewrite(Path("docs/performance.md"))
    return results


def _measured(
    name: str, peers: Sequence[str], options: argparse.Namespace, results: Mapping[str, Any], console: Console
) -> dict[str, Any]:
    """What the results say of a network; of one whose server does not answer, why."""
    effort = effort_for(name, options.factor, full=options.full, quick=options.quick)
    if options.rounds:
        effort = dataclasses.replace(effort, rounds=options.rounds)
    began = time.monotonic()

    def say(words: str) -> None:
        console.print(f"{name}, {time.monotonic() - began:.0f} s: {words}", highlight=False)

    taking = taking_part(peers, effort, named=options.peers is not None)
    if len(taking) < len(peers):
        without = ", ".join(title_of(peer) for peer in peers if peer not in taking)
        say(f"without {without}: they decide no goal; --peers, with their names, measures them")
    course = Course(
        network=name,
        peers=taking,
        cores=results["cores"],
        isa=results["isa"] if results["held_to_isa"] else None,
        effort=effort,
    )
    try:
        found = measure(course, say)
    except StartError as error:
        found = {"error": str(error)}
        say(f"not measured: {error}")
    return found | {
        "effort": effort.to_json(),
        "seconds": round(time.monotonic() - began),
        "load_average": os.getloadavg()[0],
    }


def taking_part(peers: Sequence[str], effort: Effort, *, named: bool) -> tuple[str, ...]:
    """Who of the peers runs beside a network: where it is measured shortly, those that decide goals, or all that were named.

    Args:
        peers: that can be measured here.
        effort: what the network gets.
        named: whether the command line names its peers.
    """
    return tuple(peer for peer in peers if effort.everyone or named or is_close(peer))


def prepare(options: argparse.Namespace) -> None:
    """Make the environments and publish the networks that a run would need: what takes minutes the first time.

    Raises:
        PeerUnavailableError: pip could not install one.
    """
    console = Console(width=140)
    for environment in sorted({PEERS[name].environment for name in _wanted(options)}):
        console.print(f"environment of {environment}")
        python_of(environment, console.print)
    for name in options.networks:
        console.print(f"network {name}")
        subject(name)


def _begun(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The heading of a new run, with the networks of the last one where it goes on."""
    networks = {}
    if options.resume and path.exists():
        networks = read(path)["networks"]
    return heading() | {"networks": networks}


def _described(peers: list[str]) -> dict[str, dict[str, str]]:
    ours = "accelserve serve --threads=cores, all else as it comes"
    return {
        name: {
            "title": title_of(name),
            "wire": wire_of(name),
            "settings": ours if name == OURS else PEERS[name].settings,
        }
        for name in (OURS, *peers)
    }


def _wanted(options: argparse.Namespace) -> Sequence[str]:
    return tuple(PEERS) if options.peers is None else tuple(options.peers)


def _left_out(peers: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """Who was wanted and is not there, and why."""
    why = "nothing holds it down to an instruction set, and it would use the processor's best"
    return {title_of(name): why for name in wanted if name not in peers}
