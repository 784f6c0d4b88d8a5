"""``--monitoring_config_file``."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelserve.server.config_files.monitoring import metrics_path_of_file
from accelserve.server.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('prometheus_config { enable: true path: "/metrics" }', "/metrics"),
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ("prometheus_config { enable: false }", None),
        ("", None),
    ],
)
def test_the_file_says_where_metrics_are(tmp_path: Path, text: str, expected: str | None) -> None:
    path = tmp_path / "monitoring.txt"
    path.write_text(text)
    assert metrics_path_of_file(path) == expected


def test_a_path_begins_with_a_slash(tmp_path: Path) -> None:
    path = tmp_path / "monitoring.txt"
    path.write_text('prometheus_config { enable: true path: "metrics" }')
    with pytest.raises(ConfigurationError, match="must begin with '/'"):
        metrics_path_of_file(path)
