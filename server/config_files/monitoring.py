"""``--monitoring_config_file``."""

from __future__ import annotations

from pathlib import Path

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.config import METRICS_PATH
from accelserve.server.errors import ConfigurationError
from accelserve.server.text_format_file import read_text_format


def metrics_path_of_file(path: Path) -> str | None:
    """Where the metrics are; None if the file turns them off.

    Raises:
        ConfigurationError: no MonitoringConfig in text format, or a path without a slash in front.
    """
    prometheus = read_text_format(path, serving.MonitoringConfig).prometheus_config
    if not prometheus.enable:
        return None
    where = prometheus.path or METRICS_PATH
    if not where.startswith("/"):
        raise ConfigurationError(f"{path}: prometheus_config.path is '{where}'; it must begin with '/'")
    return where
