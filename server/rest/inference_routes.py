"""The Open Inference Protocol over HTTP: ``/v2/...``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.protocols.open_inference.call import infer
from accelserve.server.protocols.open_inference.description import (
    EXTENSIONS,
    PLATFORM,
    SERVER_NAME,
    SERVER_VERSION,
    TensorDescription,
    check_load,
    describe,
    index,
    is_ready,
    refuse_unload,
)
from accelserve.server.readiness import Readiness
from accelserve.server.rest.errors import json_response
from accelserve.server.rest.json_inference import HEADER_LENGTH, call_of, parse_infer, response_of
from accelserve.server.rest.json_text import decode_json
from accelserve.server.rest.request_handler import RequestHandler
from accelserve.server.rest.routing import get, post
from accelserve.server.scheduler.watch import CallWatch

_WISHES = msgspec.json.Decoder(dict[str, object])
_MODEL = "/v2/models/{model:str}"
_MODEL_PATHS = (_MODEL, f"{_MODEL}/versions/{{version:str}}")
# Like Triton: whoever is not ready answers so, and clients ask again.
_NOT_READY = 400


class InferenceRoutes:
    """Answers from the data plane and the registry."""

    def __init__(self, predictor: Predictor, readiness: Readiness, handler: RequestHandler) -> None:
        self._predictor = predictor
        self._registry = predictor.registry
        self._readiness = readiness
        self._handler = handler

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            get("/v2", self.server),
            get("/v2/health/live", self.live),
            get("/v2/health/ready", self.ready),
            *(get(f"{path}/ready", self.model_ready) for path in _MODEL_PATHS),
            *(post(f"{path}/infer", self.infer) for path in _MODEL_PATHS),
            *(get(f"{path}/config", self.config) for path in _MODEL_PATHS),
            *(get(path, self.model) for path in _MODEL_PATHS),
            post("/v2/repository/index", self.index),
            post("/v2/repository/models/{model:str}/load", self.load),
            post("/v2/repository/models/{model:str}/unload", self.unload),
        ]

    async def infer(self, request: Request) -> Response:
        """Answer one request."""

        def work(raw: bytes, watch: CallWatch) -> Response:
            body, binary = parse_infer(raw, request.headers.get(HEADER_LENGTH))
            answer = infer(self._predictor, call_of(body, binary, *_which(request)), watch)
            made = response_of(body, answer)
            if made.json_bytes is None:
                return Response(made.body, media_type="application/json")
            headers = {HEADER_LENGTH: str(made.json_bytes)}
            return Response(made.body, media_type="application/octet-stream", headers=headers)

        return await self._handler.handle(request, "ModelInfer", request.path_params["model"], work)

    async def live(self, _request: Request) -> Response:
        """Who answers is alive."""
        return json_response({"live": True})

    async def ready(self, _request: Request) -> Response:
        """200 if every model is ready."""
        ready = self._readiness.server()
        return json_response({"ready": ready}, 200 if ready else _NOT_READY)

    async def model_ready(self, request: Request) -> Response:
        """200 if a model, or a version of it, is ready."""
        name, version = _which(request)
        ready = is_ready(self._registry, self._readiness, name, version)
        return json_response({"name": name, "ready": ready}, 200 if ready else _NOT_READY)

    async def server(self, _request: Request) -> Response:
        """Name, version, extensions."""
        return json_response({"name": SERVER_NAME, "version": SERVER_VERSION, "extensions": list(EXTENSIONS)})

    async def model(self, request: Request) -> Response:
        """What a model takes and gives."""
        described = describe(self._registry, *_which(request))
        return json_response(
            {
                "name": described.name,
                "versions": list(described.versions),
                "platform": PLATFORM,
                "inputs": [asdict(tensor) for tensor in described.inputs],
                "outputs": [asdict(tensor) for tensor in described.outputs],
            }
        )

    async def config(self, request: Request) -> Response:
        """The same in Triton's words."""
        described = describe(self._registry, *_which(request))
        return json_response(
            {
                "name": described.name,
                "platform": PLATFORM,
                "max_batch_size": 0,
                "input": [_config(tensor) for tensor in described.inputs],
                "output": [_config(tensor) for tensor in described.outputs],
            }
        )

    async def index(self, request: Request) -> Response:
        """Every version that is known; only those that serve if the body says ``{"ready": true}``."""

        def work(raw: bytes, _watch: CallWatch) -> Response:
            wishes = decode_json(raw, _WISHES, text_behind=False) if raw.strip() else {}
            entries = index(self._registry, ready_only=wishes.get("ready") is True)
            return json_response([asdict(entry) for entry in entries])

        return await self._handler.handle(request, "RepositoryIndex", "", work)

    async def load(self, request: Request) -> Response:
        """Nothing to do for a model that serves; refused for any other."""
        check_load(self._registry, request.path_params["model"])
        return Response()

    async def unload(self, request: Request) -> Response:
        """Refused."""
        refuse_unload(request.path_params["model"])
        return Response()


def _which(request: Request) -> tuple[str, str]:
    return request.path_params["model"], request.path_params.get("version", "")


def _config(tensor: TensorDescription) -> Mapping[str, object]:
    name = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
    return {"name": tensor.name, "data_type": f"TYPE_{name}", "dims": list(tensor.shape)}
