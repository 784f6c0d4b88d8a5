"""Entries are written before anybody looks, in their order, and never pile up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from accelserve.server.metrics.ledger import Ledger


def test_entries_are_written_in_order_by_the_time_of_a_look() -> None:
    ledger, written = Ledger(), list[int]()
    for number in range(5):
        ledger.enter(lambda number=number: written.append(number))  # type: ignore[misc]
    ledger.settle()
    assert written == list(range(5))
    ledger.settle()
    assert written == list(range(5)), "an entry was written twice"


def test_nobody_has_to_look_for_entries_to_be_written() -> None:
    ledger, written = Ledger(), list[int]()
    for number in range(1000):
        ledger.enter(lambda number=number: written.append(number))  # type: ignore[misc]
    assert len(written) > 900


def test_a_look_waits_for_what_another_thread_is_writing() -> None:
    ledger, written = Ledger(), list[str]()
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait()
        written.append("slow")

    def look() -> list[str]:
        ledger.settle()
        return list(written)

    ledger.enter(slow)
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(ledger.settle)
        begun.wait()
        looking = pool.submit(look)
        go_on.set()
        assert looking.result() == ["slow"]
        writing.result()


def test_nothing_is_lost_or_doubled_between_threads() -> None:
    ledger, written = Ledger(), list[int]()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ledger.enter(lambda: written.append(number)), range(2000)))
    ledger.settle()
    assert sorted(written) == list(range(2000))
