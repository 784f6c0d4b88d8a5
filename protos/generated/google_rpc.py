"""Package google.rpc. Written by accelserve.protos.compile; do not edit."""

from accelserve.protos.descriptors import enum_wrapper, message_class

RetryInfo = message_class("google.rpc.RetryInfo")
ErrorInfo = message_class("google.rpc.ErrorInfo")
BadRequest = message_class("google.rpc.BadRequest")
RequestInfo = message_class("google.rpc.RequestInfo")
Status = message_class("google.rpc.Status")
