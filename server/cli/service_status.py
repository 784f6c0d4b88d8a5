"""One line about the whole server for ``systemctl status``, kept true while it runs."""

from __future__ import annotations

import threading

from accelserve.server.app import Server
from accelserve.server.cli.service_manager import ServiceManager
from accelserve.server.core.states import VersionState


def status_line(server: Server) -> str:
    """``serving resnet50/3``, ``serving resnet50/3; not available: ssd``, ``loading resnet50``."""
    readiness = server.readiness
    names = readiness.models()
    if not names:
        return "no models yet"
    missing = [name for name in names if not readiness.model(name)]
    if missing == names:
        return f"loading {', '.join(missing)}"
    serving = [
        str(report.servable_id)
        for name in names
        for report in server.registry.states.of(name)
        if report.state is VersionState.AVAILABLE
    ]
    lacking = f"; not available: {', '.join(missing)}" if missing else ""
    return f"serving {', '.join(serving)}{lacking}"


def follow(server: Server, manager: ServiceManager) -> None:
    """Tell the manager whenever the line changes, until the server drains; on a thread of its own."""

    def tell() -> None:
        last = ""
        for _ in server.readiness.changes(lambda: not server.readiness.draining):
            line = status_line(server)
            if line != last:
                manager.status(line)
                last = line

    if manager.address:
        threading.Thread(target=tell, name="service status", daemon=True).start()
