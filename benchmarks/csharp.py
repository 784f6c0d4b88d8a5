"""What the C# client costs over the generated stub, and beside the Python client.

    python -m benchmarks.csharp

A grpcio server in a process of its own answers at once. Four contenders send it the same request, with the same deadline,
in turn: the C# client and the raw C# stub (one .NET process), the Python client and the raw Python stub (one Python process).

What would favour one of two is made to favour the other as often. A round has four short turns, one contender's before,
between and after the other's (A B B A), and the next round begins with the other; a round's time is the median of the calls
of both turns. How fast a connection is, is partly chance (the server fits its windows to what it measured at the first
calls), so every session has new connections, opened by the one and by the other first. A session's ratio is the median of
its rounds', the ratio that is recorded the median of the sessions'. Beside it stand the quartiles of all rounds and the
standard error of the median, estimated from the spread of the sessions.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelserve.client import PredictionClient
from benchmarks.arguments import count, positive
from benchmarks.csharp_contenders import PROJECT, DotNet, Turn, python_stub, python_turn, serving_process
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, heading, write

SIZES = {"100 KB": 100_000, "1 MB": 1_000_000}
DOTNET = ("client", "stub")
PYTHON = ("python client", "python stub")
CALLERS = 8
CALLS_OF_EACH = 2
"""Times as many as one caller makes in a turn: the end of a turn, when some are done and others not, is to be short."""

AWAY_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    sessions: int
    rounds: int
    calls: int


Round = dict[str, Turn]
Run = Callable[[str, int], Turn]
"""Gives a contender a turn of calls with so many bytes."""


def measure_round(run: Run, pair: tuple[str, str], size: int, number: int) -> Round:
    """Two contenders' turns around each other's."""
    first, second = pair if number % 2 else pair[::-1]
    turns = [(name, run(name, size)) for name in (first, second, second, first)]
    return {name: joined([turn for who, turn in turns if who == name]) for name in pair}


def joined(turns: Sequence[Turn]) -> Turn:
    """Turns of one contender as one."""
    return Turn(
        ms=[each for turn in turns for each in turn.ms],
        seconds=sum(turn.seconds for turn in turns),
        allocated_bytes=statistics.mean(turn.allocated_bytes for turn in turns),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The rounds on one pair of connections each, by title of the size; eight callers' apart."""

    dotnet: dict[str, list[Round]]
    python: dict[str, list[Round]]
    eight: list[Round]


def measure_session(dotnet: DotNet, address: str, plan: Plan, number: int) -> Session:
    """All contenders on connections of this session's own."""
    dotnet.run("connect")
    with ExitStack() as stack:
        python: dict[str, Callable[[bytes], object]] = {
            "python client": stack.enter_context(PredictionClient(address)).score_image,
            "python stub": python_stub(address, stack),
        }

        def run(name: str, size: int) -> Turn:
            if name in python:
                return python_turn(python[name], size, plan.calls)
            return dotnet.run(name, size, plan.calls)

        def eight(name: str, size: int) -> Turn:
            return dotnet.run(name, size, CALLERS * CALLS_OF_EACH * plan.calls, CALLERS)

        def rounds(how: Run, pair: tuple[str, str], size: int) -> list[Round]:
            # The first settles buffers and windows. Who begins it opens its connection first.
            return [measure_round(how, pair, size, turn + number) for turn in range(plan.rounds + 1)][1:]

        return Session(
            dotnet={title: rounds(run, DOTNET, size) for title, size in SIZES.items()},
            python={title: rounds(run, PYTHON, size) for title, size in SIZES.items()},
            eight=rounds(eight, DOTNET, SIZES["100 KB"]),
        )


def compared(name: str, sessions: Sequence[Sequence[float]]) -> dict[str, float | list[float]]:
    """A ratio by sessions and rounds: its median, how it scatters, and how far the median is to be trusted."""
    medians = [statistics.median(rounds) for rounds in sessions]
    low, _, high = statistics.quantiles([each for rounds in sessions for each in rounds], n=4)
    between = statistics.quantiles(medians, n=4)
    # Of a normal distribution, the interquartile range is 1.349 and a median's standard error 1.253 / sqrt(n) deviations.
    deviation = (between[2] - between[0]) / 1.349
    return {
        name: statistics.median(medians),
        f"{name}_quartiles": [low, high],
        f"{name}_standard_error": 1.253 * deviation / math.sqrt(len(medians)),
    }


def times(name: str, sessions: Sequence[Sequence[Round]], pair: tuple[str, str]) -> dict[str, Any]:
    """Medians of a pair, and the ratio of the first to the second."""
    rounds = [each for session in sessions for each in session]
    found: dict[str, Any] = {
        f"{who}_ms": statistics.median(each[who].median_ms for each in rounds) for who in pair
    }
    ours, other = pair
    return found | compared(
        name,
        [[each[ours].median_ms / each[other].median_ms for each in session] for session in sessions],
    )


def one_caller(sessions: Sequence[Session]) -> dict[str, dict[str, Any]]:
    """Times and allocations by size."""
    found: dict[str, dict[str, Any]] = {}
    for title in SIZES:
        dotnet = times("client_by_stub", [each.dotnet[title] for each in sessions], DOTNET)
        python = times("python_client_by_stub", [each.python[title] for each in sessions], PYTHON)
        rounds = [each for session in sessions for each in session.dotnet[title]]
        extra = [each["client"].allocated_bytes - each["stub"].allocated_bytes for each in rounds]
        found[title] = dotnet | python | {
            "allocated_beyond_stub_bytes": statistics.median(extra),
            "stub_allocated_bytes": statistics.median(each["stub"].allocated_bytes for each in rounds),
            "client_by_python_client": dotnet["client_ms"] / python["python client_ms"],
            "stub_by_python_stub": dotnet["stub_ms"] / python["python stub_ms"],
        }  # fmt: skip
    return found


def eight_callers(sessions: Sequence[Session]) -> dict[str, Any]:
    """Requests a second of the client by those of the stub: both send as many."""
    return compared(
        "client_requests_by_stub",
        [[each["stub"].seconds / each["client"].seconds for each in session.eight] for session in sessions],
    )


def summary(found: dict[str, Any]) -> str:
    """The figures as the package's README shows them."""

    def ratio(of: dict[str, Any], name: str) -> str:
        low, high = of[f"{name}_quartiles"]
        return f"{of[name]:.3f} ({low:.2f} to {high:.2f})"

    sizes, back = found["one_caller"], found["back"]
    rows = {
        "": list(sizes),
        "time of `ScoreImageAsync` over the stub's": [ratio(each, "client_by_stub") for each in sizes.values()],
        "bytes allocated beyond the stub": [f"{each['allocated_beyond_stub_bytes']:.0f}" for each in sizes.values()],
        "time over the Python client's (stub over Python's stub)": [
            f"{each['client_by_python_client']:.2f} ({each['stub_by_python_stub']:.2f})" for each in sizes.values()
        ],
        "requests a second of eight callers by the stub's": [ratio(found["eight_callers"], "client_requests_by_stub"), ""],
        f"seconds until a server that was away for {back['away_seconds']:.0f} s is used": [
            f"{back['used_after_seconds']:.1f}",
            "",
        ],
    }  # fmt: skip
    lines = [f"| {' | '.join([title, *cells])} |".replace("  ", " ") for title, cells in rows.items()]
    return "\n".join([lines[0], "|---|---|---|", *lines[1:]])


def back_after(seconds: float) -> dict[str, float]:
    """Seconds until a server that was away, while the client went on asking, is used again."""
    with serving_process() as port:
        dotnet = DotNet(f"127.0.0.1:{port}")
        dotnet.run("client")
    time.sleep(seconds / 2)
    with futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(dotnet.run, "reconnect")
        time.sleep(seconds / 2)
        began = time.perf_counter()
        with serving_process(port):
            asking.result()
            used = time.perf_counter() - began
    dotnet.close()
    return {"away_seconds": seconds, "used_after_seconds": used}


def measure(plan: Plan) -> list[Session]:
    """All sessions, after one in which the just-in-time compiler learns."""
    with serving_process() as port:
        address = f"127.0.0.1:{port}"
        dotnet = DotNet(address)
        sessions = [measure_session(dotnet, address, plan, number) for number in range(plan.sessions + 1)]
        dotnet.close()
    return sessions[1:]


@owned_processes()
def main() -> None:
    """Write the results, print them and what the package's README says of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sessions", type=count, default=30)
    parser.add_argument("--rounds", type=count, default=12, help="of a session")
    parser.add_argument("--calls", type=count, default=20, help="of a turn")
    parser.add_argument("--away-seconds", type=positive, default=AWAY_SECONDS)
    parser.add_argument("--results", type=Path, default=RESULTS / "csharp.json")
    options = parser.parse_args()
    subprocess.run(["dotnet", "build", "-c", "Release", "--nologo", "-v", "quiet", str(PROJECT)], check=True)
    plan = Plan(options.sessions, options.rounds, options.calls)
    sessions = measure(plan)
    found: dict[str, Any] = {"one_caller": one_caller(sessions), "eight_callers": eight_callers(sessions)}
    found["back"] = back_after(options.away_seconds)
    runtime = subprocess.run(
        ["dotnet", "--version"], check=True, capture_output=True, text=True
    ).stdout.strip()
    write(
        heading() | {"dotnet_sdk": runtime} | asdict(plan) | found,
        options.results,
    )
    print(json.dumps(found, indent=2))
    print(summary(found))


if __name__ == "__main__":
    main()
