"""Package grpc.reflection.v1. Written by accelserve.protos.compile; do not edit."""

from accelserve.protos.descriptors import enum_wrapper, message_class

ServerReflectionRequest = message_class("grpc.reflection.v1.ServerReflectionRequest")
ExtensionRequest = message_class("grpc.reflection.v1.ExtensionRequest")
ServerReflectionResponse = message_class("grpc.reflection.v1.ServerReflectionResponse")
FileDescriptorResponse = message_class("grpc.reflection.v1.FileDescriptorResponse")
ExtensionNumberResponse = message_class("grpc.reflection.v1.ExtensionNumberResponse")
ListServiceResponse = message_class("grpc.reflection.v1.ListServiceResponse")
ServiceResponse = message_class("grpc.reflection.v1.ServiceResponse")
ErrorResponse = message_class("grpc.reflection.v1.ErrorResponse")
