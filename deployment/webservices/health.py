"""Asks a server how it is."""

from __future__ import annotations

import grpc

from accelserve.protos import grpc_health_v1 as health
from accelserve.protos.services import HealthService

_SECONDS = 5.0


def serves(address: str) -> bool:
    """Whether a server at HOST:PORT answers that it serves."""
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address, options) as channel:
        try:
            answer = HealthService.CHECK.stub(channel)(health.HealthCheckRequest(), timeout=_SECONDS)
        except grpc.RpcError:
            return False
    return answer.status == health.HealthCheckResponse.SERVING
