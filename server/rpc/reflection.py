"""grpc.reflection, from our own descriptor pool: what grpcurl and its kind ask before they call."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor

from accelserve.protos import grpc_reflection_v1 as v1
from accelserve.protos import grpc_reflection_v1alpha as v1alpha
from accelserve.protos.descriptors import POOL
from accelserve.protos.services import BoundMethod, ReflectionAlphaService, ReflectionService
from accelserve.server.rpc.guard import on_pool
from accelserve.server.rpc.streams import OpenStreams

_NOT_FOUND = int(grpc.StatusCode.NOT_FOUND.value[0])


class Reflection:
    """Both names of the service; their messages differ in nothing but the package."""

    def __init__(self, services: Collection[str], streams: OpenStreams) -> None:
        self._services = sorted(services)
        self._streams = streams

    def methods(self, pool: ThreadPoolExecutor) -> list[BoundMethod]:
        """The RPCs, on a pool of their own."""
        return [
            ReflectionService.INFO.bind(on_pool(pool, self.info)),
            ReflectionAlphaService.INFO.bind(on_pool(pool, self.info_alpha)),
        ]

    def info(
        self, requests: Iterator[v1.ServerReflectionRequest], context: grpc.ServicerContext
    ) -> Iterator[v1.ServerReflectionResponse]:
        """One answer a question, until the client closes."""
        return self._streams.answers(context, requests, self._answer)

    def info_alpha(
        self, requests: Iterator[v1alpha.ServerReflectionRequest], context: grpc.ServicerContext
    ) -> Iterator[v1alpha.ServerReflectionResponse]:
        """As ``info``, under the older name."""

        def answer(request: v1alpha.ServerReflectionRequest) -> v1alpha.ServerReflectionResponse:
            modern = v1.ServerReflectionRequest.FromString(request.SerializeToString())
            return v1alpha.ServerReflectionResponse.FromString(self._answer(modern).SerializeToString())

        return self._streams.answers(context, requests, answer)

    def _answer(self, request: v1.ServerReflectionRequest) -> v1.ServerReflectionResponse:
        response = v1.ServerReflectionResponse(valid_host=request.host, original_request=request)
        try:
            self._fill(request, response)
        except KeyError as error:
            response.error_response.error_code = _NOT_FOUND
            response.error_response.error_message = str(error.args[0])
        return response

    def _fill(self, request: v1.ServerReflectionRequest, response: v1.ServerReflectionResponse) -> None:
        """Set the one answer; KeyError if there is nothing of that name."""
        match request.WhichOneof("message_request"):
            case "list_services":
                for name in self._services:
                    response.list_services_response.service.add(name=name)
            case "file_by_filename":
                _add_files(response, POOL.FindFileByName(request.file_by_filename))
            case "file_containing_symbol":
                _add_files(response, POOL.FindFileContainingSymbol(request.file_containing_symbol))
            case "file_containing_extension":
                wanted = request.file_containing_extension
                message = POOL.FindMessageTypeByName(wanted.containing_type)
                # typeshed's FieldDescriptor lacks 'file', which every runtime has
                extension: Any = POOL.FindExtensionByNumber(message, wanted.extension_number)
                _add_files(response, extension.file)
            case "all_extension_numbers_of_type":
                name = request.all_extension_numbers_of_type
                extensions = POOL.FindAllExtensions(POOL.FindMessageTypeByName(name))
                response.all_extension_numbers_response.base_type_name = name
                response.all_extension_numbers_response.extension_number.extend(
                    sorted(extension.number for extension in extensions)
                )
            case _:
                raise KeyError("the request asks for nothing")


def _add_files(response: v1.ServerReflectionResponse, file: FileDescriptor) -> None:
    """A file and everything it imports, so that the client needs no further question."""
    pending, seen = [file], {file.name}
    while pending:
        current = pending.pop()
        response.file_descriptor_response.file_descriptor_proto.append(current.serialized_pb)
        for needed in current.dependencies:
            if needed.name not in seen:
                seen.add(needed.name)
                pending.append(needed)
