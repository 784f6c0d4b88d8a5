"""Takes one request from names and arrays to names and arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from accelserve.kernels.preprocess import ImageError
from accelserve.server.config import RequestLimits
from accelserve.server.core.handle import ServableHandle
from accelserve.server.core.registry import ModelChoice, ModelRegistry
from accelserve.server.core.servable import ServableId
from accelserve.server.dataplane.inputs import EncodedImages, Images, images_of
from accelserve.server.dataplane.outputs import wanted_outputs
from accelserve.server.dataplane.servable import Array, ImageServable, Signature
from accelserve.server.errors import UnknownSignatureError
from accelserve.server.scheduler.decoding import DecodeSlots
from accelserve.server.scheduler.job import ComputeReport
from accelserve.server.scheduler.scheduler import DeviceScheduler
from accelserve.server.scheduler.watch import CallWatch

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictRequest:
    """What a caller asks.

    Attributes:
        model: which.
        signature: key; empty means ``serving_default``.
        inputs: name -> array; encoded pictures are object arrays of bytes.
        outputs: names wanted back; empty means all of the signature.
    """

    model: ModelChoice
    signature: str = ""
    inputs: Mapping[str, Array]
    outputs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeconds:
    """Where one request's time went, in seconds."""

    decode: float
    queue: float
    compute: float
    postprocess: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictReply:
    """What the caller gets.

    Attributes:
        servable_id: the version that answered.
        signature: the resolved key.
        outputs: by the name asked for -> array, batch first.
        images: in the request.
        stages: where the time went.
        batch_images: images in the batch that the device ran.
    """

    servable_id: ServableId
    signature: str
    outputs: Mapping[str, Array]
    images: int
    stages: StageSeconds
    batch_images: int


def _nobody(_reply: PredictReply) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """Answers requests on one device. Thread-safe; the caller's thread does the work.

    Attributes:
        registry: the served models.
        scheduler: of the device.
        limits: of one request.
        on_reply: told of every answer, on the thread that worked for it; must be quick.
        decoding: how many requests decode at once.
    """

    registry: ModelRegistry[ImageServable]
    scheduler: DeviceScheduler
    limits: RequestLimits
    on_reply: Callable[[PredictReply], None] = _nobody
    decoding: DecodeSlots = field(default_factory=DecodeSlots)

    def predict(self, request: PredictRequest, watch: CallWatch) -> PredictReply:
        """Answer one request.

        Raises:
            RequestError: the request is at fault.
            ImageError: a picture is at fault; the error names its element.
            OverloadError: refused; it may be sent again later.
            RequestAbandonedError: nobody waits any more.
        """
        with self.registry.acquire(request.model) as handle:
            return self.predict_on(handle, request, watch)

    def predict_on(
        self, handle: ServableHandle[ImageServable], request: PredictRequest, watch: CallWatch
    ) -> PredictReply:
        """As ``predict``, for a caller that already holds the model; ``request.model`` is not looked at."""
        servable = handle.servable
        key, signature = signature_of(servable, request.signature)
        images = images_of(signature, request.inputs, servable.input_shape, self.limits.max_images)
        wanted = wanted_outputs(signature, request.outputs)
        with self.scheduler.gate.admitted(handle.servable_id.name, images.count):
            begin = time.perf_counter()
            pixels = self._pixels(servable, images, watch)
            decoded = time.perf_counter()
            report = self._compute(handle, pixels, watch)
        computed = time.perf_counter()
        answers = servable.respond(key, report.results, list(dict.fromkeys(wanted.values())))
        reply = PredictReply(
            servable_id=handle.servable_id,
            signature=key,
            outputs={name: answers[alias] for name, alias in wanted.items()},
            images=images.count,
            stages=StageSeconds(
                decode=decoded - begin,
                queue=report.queue_seconds,
                compute=report.compute_seconds,
                postprocess=time.perf_counter() - computed,
            ),
            batch_images=report.batch_images,
        )
        self.on_reply(reply)
        return reply

    def _pixels(self, servable: ImageServable, images: Images, watch: CallWatch) -> Array:
        watch.check()
        if not isinstance(images, EncodedImages):
            return servable.quantize(images.tensor)
        with self.decoding.slot(watch):
            return decoded_pixels(servable, images.images)

    def _compute(
        self, handle: ServableHandle[ImageServable], pixels: Array, watch: CallWatch
    ) -> ComputeReport:
        return self.scheduler.compute(handle.servable_id, handle.servable.run, pixels, watch)


def decoded_pixels(servable: ImageServable, images: Sequence[bytes]) -> Array:
    """Encoded pictures as one batch for ``run``; ImageError for the first that cannot be used, naming its element."""
    rows: list[Array] = []
    for index, row in enumerate(servable.decode(images)):
        if isinstance(row, ImageError):
            raise row.with_element(index)
        rows.append(row)
    return rows[0][np.newaxis] if len(rows) == 1 else np.stack(rows)


def signature_of(servable: ImageServable, asked: str) -> tuple[str, Signature]:
    """The key and the signature that a request means; UnknownSignatureError if the model lacks it."""
    key = asked or DEFAULT_SIGNATURE
    signature = servable.signatures.get(key)
    if signature is None:
        raise UnknownSignatureError(key, list(servable.signatures))
    return key, signature
