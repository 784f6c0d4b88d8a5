"""What an edge box needs, as files."""

from __future__ import annotations

from accelserve.deployment.edge.compose import compose_file
from accelserve.deployment.edge.configuration import EdgeConfiguration
from accelserve.deployment.edge.unit import PODMAN, systemd_unit
from accelserve.deployment.files import RenderedFile


def render_edge(configuration: EdgeConfiguration, podman: str = PODMAN) -> dict[str, RenderedFile]:
    """``compose.yaml``, and ``NAME.service`` for systemd; a box takes one of them.

    Args:
        configuration: what runs, and how.
        podman: its path on the box.
    """
    return {
        "compose.yaml": RenderedFile(compose_file(configuration)),
        f"{configuration.service.name}.service": RenderedFile(systemd_unit(configuration, podman)),
    }
