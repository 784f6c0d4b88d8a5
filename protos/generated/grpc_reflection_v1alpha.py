"""Package grpc.reflection.v1alpha. Written by accelserve.protos.compile; do not edit."""

from accelserve.protos.descriptors import enum_wrapper, message_class

ServerReflectionRequest = message_class("grpc.reflection.v1alpha.ServerReflectionRequest")
ExtensionRequest = message_class("grpc.reflection.v1alpha.ExtensionRequest")
ServerReflectionResponse = message_class("grpc.reflection.v1alpha.ServerReflectionResponse")
FileDescriptorResponse = message_class("grpc.reflection.v1alpha.FileDescriptorResponse")
ExtensionNumberResponse = message_class("grpc.reflection.v1alpha.ExtensionNumberResponse")
ListServiceResponse = message_class("grpc.reflection.v1alpha.ListServiceResponse")
ServiceResponse = message_class("grpc.reflection.v1alpha.ServiceResponse")
ErrorResponse = message_class("grpc.reflection.v1alpha.ErrorResponse")
