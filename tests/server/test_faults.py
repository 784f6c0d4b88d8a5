"""What is wrong is said once; what a start may say by its error is held back until the start ended."""

from __future__ import annotations

import pytest

from accelserve.server.errors import LoadError
from accelserve.server.faults import FaultLog, Faults


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_fault_is_said_when_it_is_new_or_another(caplog: pytest.LogCaptureFixture) -> None:
    faults: Faults[str] = Faults(FaultLog())
    for sentence in ("no folder", "no folder", "no versions"):
        faults.report("colour", sentence)
    faults.report("echo", "no folder")
    assert said(caplog) == ["no folder", "no versions", "no folder"]
    assert faults.all() == {"colour": "no versions", "echo": "no folder"}
    faults.clear("colour")
    assert faults.of("colour") is None
    faults.report("colour", "no versions")
    assert said(caplog)[3:] == ["no versions"]
    faults.keep({"echo"})
    assert faults.all() == {"echo": "no folder"}


def test_what_is_held_is_said_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    log = FaultLog()
    with log.held():
        Faults[str](log).report("colour", "no folder")
        assert said(caplog) == []
    assert said(caplog) == ["no folder"]


def test_what_is_held_is_left_to_the_error_that_ends_the_start(caplog: pytest.LogCaptureFixture) -> None:
    log = FaultLog()

    def start() -> None:
        with log.held():
            Faults[str](log).report("colour", "no folder")
            raise LoadError("no folder")

    with pytest.raises(LoadError, match="no folder"):
        start()
    assert said(caplog) == []
    Faults[str](log).report("colour", "later")
    assert said(caplog) == ["later"]
