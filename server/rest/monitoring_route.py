"""The page that Prometheus reads."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from starlette.requests import Request
from starlette.responses import Response

from accelserve.server.metrics.exposition import CONTENT_TYPE
from accelserve.server.metrics.server_metrics import ServerMetrics


class MonitoringRoute:
    """Writes the metrics, on a pool: the event loop only moves bytes."""

    def __init__(self, metrics: ServerMetrics, pool: Executor) -> None:
        self._metrics = metrics
        self._pool = pool

    async def page(self, _request: Request) -> Response:
        """All metrics in Prometheus's text format."""
        text = await asyncio.get_running_loop().run_in_executor(self._pool, self._metrics.page)
        return Response(text, headers={"content-type": CONTENT_TYPE})
