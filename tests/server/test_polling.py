"""A poller looks until it is stopped, whatever a look raises."""

from __future__ import annotations

import threading

import pytest

from accelserve.server.polling import Poller


def test_a_look_that_raises_is_logged_and_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    looks = 0
    looked_again = threading.Event()

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise ZeroDivisionError
        looked_again.set()

    poller = Poller("test", 0.001, look, "the test")
    poller.start()
    try:
        assert looked_again.wait(60)
    finally:
        poller.stop()
    (record,) = caplog.records
    assert record.getMessage() == "the test could not be looked at"
    assert record.exc_info is not None


def test_no_thread_is_left(caplog: pytest.LogCaptureFixture) -> None:
    looked = threading.Event()
    poller = Poller("left-behind", 0.001, looked.set, "the test")
    poller.start()
    poller.start()  # a second call changes nothing
    assert looked.wait(60)
    assert sum(thread.name == "left-behind" for thread in threading.enumerate()) == 1
    poller.stop()
    poller.stop()
    assert all(thread.name != "left-behind" for thread in threading.enumerate())
    assert not caplog.records


def test_no_polling_is_no_thread() -> None:
    poller = Poller("left-behind", 0, lambda: None, "the test")
    poller.start()
    assert not poller.on
    assert all(thread.name != "left-behind" for thread in threading.enumerate())
    poller.stop()
