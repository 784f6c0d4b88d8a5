"""The smallest servable: it answers what it was asked. A worked example, and what the core's own tests serve."""

from __future__ import annotations

from pathlib import Path

from accelserve.server.core.servable import ServableId
from accelserve.server.errors import LoadError


class EchoServable:
    """Answers its version and the text it is given, until it is closed."""

    def __init__(self, servable_id: ServableId, greeting: str) -> None:
        self.servable_id = servable_id
        self.greeting = greeting
        self.closed = False

    def answer(self, text: str) -> str:
        """``greeting text``; LoadError once closed, which a held handle rules out."""
        if self.closed:
            raise LoadError(f"{self.servable_id} was closed while in use")
        return f"{self.greeting} {text}"

    def close(self) -> None:
        """Refuse further answers."""
        self.closed = True


class EchoLoader:
    """Loads a folder that holds ``greeting.txt``."""

    def load(self, servable_id: ServableId, path: Path) -> EchoServable:
        """Read the greeting; OSError if the file is not there, LoadError if it is empty."""
        greeting = (path / "greeting.txt").read_text(encoding="utf-8").strip()
        if not greeting:
            raise LoadError(f"{servable_id}: greeting.txt is empty")
        return EchoServable(servable_id, greeting)
