"""Moments as documents write them: ISO 8601, UTC, in seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> str:
    """This moment."""
    return _text(datetime.now(UTC))


def after(seconds: float) -> str:
    """The moment so many seconds from now."""
    return _text(datetime.now(UTC) + timedelta(seconds=seconds))


def passed(moment: str) -> bool:
    """Whether a moment is over; one that nobody can read is."""
    try:
        return datetime.fromisoformat(moment) <= datetime.now(UTC)
    except ValueError:
        return True


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
