"""Asks a server of this machine how it is."""

from __future__ import annotations

import ssl
from http.client import HTTPException, HTTPSConnection

import grpc

from accelserve.deployment.webservices.state import ServiceState
from accelserve.protos import grpc_health_v1 as health
from accelserve.protos.services import HealthService

LOCAL = "127.0.0.1"
_SECONDS = 5.0
_OK = 200


def serves(state: ServiceState) -> bool:
    """Whether a service answers that it serves."""
    if state.tls:
        return _serves_over_https(state.rest_port)
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"{LOCAL}:{state.grpc_port}", options) as channel:
        try:
            answer = HealthService.CHECK.stub(channel)(health.HealthCheckRequest(), timeout=_SECONDS)
        except grpc.RpcError:
            return False
    return answer.status == health.HealthCheckResponse.SERVING


def _serves_over_https(port: int) -> bool:
    """As Kubernetes' probes ask: no name is in every certificate, and nothing is told that a stranger may not know."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = HTTPSConnection(LOCAL, port, timeout=_SECONDS, context=context)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == _OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
