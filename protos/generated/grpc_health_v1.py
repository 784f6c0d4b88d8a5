"""Package grpc.health.v1. Written by accelserve.protos.compile; do not edit."""

from accelserve.protos.descriptors import enum_wrapper, message_class

HealthCheckRequest = message_class("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = message_class("grpc.health.v1.HealthCheckResponse")
HealthListRequest = message_class("grpc.health.v1.HealthListRequest")
HealthListResponse = message_class("grpc.health.v1.HealthListResponse")
