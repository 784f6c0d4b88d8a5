"""Package google.protobuf. Written by accelserve.protos.compile; do not edit."""

from accelserve.protos.descriptors import enum_wrapper, message_class

Duration = message_class("google.protobuf.Duration")
Any = message_class("google.protobuf.Any")
DoubleValue = message_class("google.protobuf.DoubleValue")
FloatValue = message_class("google.protobuf.FloatValue")
Int64Value = message_class("google.protobuf.Int64Value")
UInt64Value = message_class("google.protobuf.UInt64Value")
Int32Value = message_class("google.protobuf.Int32Value")
UInt32Value = message_class("google.protobuf.UInt32Value")
BoolValue = message_class("google.protobuf.BoolValue")
StringValue = message_class("google.protobuf.StringValue")
BytesValue = message_class("google.protobuf.BytesValue")
