"""Takes one request from names and arrays to names and arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from accelserve.kernels.preprocess import ImageError, StageClock
from accelserve.server.config import RequestLimits
from accelserve.server.core.handle import ServableHandle
from accelserve.server.core.registry import ModelChoice, ModelRegistry
from accelserve.server.core.servable import ServableId
from accelserve.server.dataplane.inputs import EncodedImages, Images, images_of
from accelserve.server.dataplane.outputs import wanted_outputs
from accelserve.server.dataplane.servable import Array, ImageServable, Signature, computed_by
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
    """Where one request's time went, in seconds.

    Attributes:
        decode: files to pixels, waiting for a slot included.
        preprocess: resizing, cropping, normalising and quantising.
        queue: from the hand-over of the pixels to the first batch.
        compute: batches on the device that held pictures of the request.
        postprocess: from the device's results to the outputs.
    """

    decode: float
    preprocess: float
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
        device: what computed: ``cpu amx``, ``fpga 0 ...``.
    """

    servable_id: ServableId
    signature: str
    outputs: Mapping[str, Array]
    images: int
    stages: StageSeconds
    batch_images: int
    device: str


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
        (reply,) = self.predict_each(handle, [request], watch)
        return reply

    def predict_each(
        self, handle: ServableHandle[ImageServable], requests: Sequence[PredictRequest], watch: CallWatch
    ) -> list[PredictReply]:
        """As ``predict_on``, for several signatures asked about the same pictures, which are computed once.

        Args:
            handle: the model.
            requests: at least one; the pictures are the first one's, and the others' must be the same.
            watch: whether anybody waits.

        Returns:
            A reply each; ``on_reply`` is told of the first.
        """
        servable = handle.servable
        asked = [_Question.of(servable, request, self.limits.max_images) for request in requests]
        images = asked[0].images
        with self.scheduler.gate.admitted(handle.servable_id.name, images.count):
            begin = time.perf_counter()
            pixels, preprocess = self._pixels(servable, images, watch)
            decoded = time.perf_counter()
            report = self._compute(handle, pixels, watch)
        computed = time.perf_counter()
        answers = [question.answer(servable, report) for question in asked]
        stages = StageSeconds(
            decode=decoded - begin - preprocess,
            preprocess=preprocess,
            queue=report.queue_seconds,
            compute=report.compute_seconds,
            postprocess=time.perf_counter() - computed,
        )
        replies = [
            PredictReply(
                servable_id=handle.servable_id,
                signature=question.key,
                outputs=outputs,
                images=images.count,
                stages=stages,
                batch_images=report.batch_images,
                device=computed_by(servable),
            )
            for question, outputs in zip(asked, answers, strict=True)
        ]
        self.on_reply(replies[0])
        return replies

    def _pixels(self, servable: ImageServable, images: Images, watch: CallWatch) -> tuple[Array, float]:
        """What the network reads, and the seconds of it that were not decoding."""
        watch.check()
        begin = time.perf_counter()
        if not isinstance(images, EncodedImages):
            quantized = servable.quantize(images.tensor)
            return quantized, time.perf_counter() - begin
        with self.decoding.slot(watch):
            begin = time.perf_counter()
            clock = StageClock()
            pixels = decoded_pixels(servable, images.images, clock)
            # Pictures are worked on side by side: the clock's sums say how the elapsed time divides.
            return pixels, (time.perf_counter() - begin) * (1 - clock.decode_share)

    def _compute(
        self, handle: ServableHandle[ImageServable], pixels: Array, watch: CallWatch
    ) -> ComputeReport:
        return self.scheduler.compute(handle.servable_id, handle.servable.run, pixels, watch)


@dataclass(frozen=True, slots=True)
class _Question:
    """One request, checked: its pictures, and what it wants of the network's results."""

    key: str
    images: Images
    wanted: Mapping[str, str]

    @classmethod
    def of(cls, servable: ImageServable, request: PredictRequest, max_images: int) -> _Question:
        key, signature = signature_of(servable, request.signature)
        images = images_of(signature, request.inputs, servable.input_shape, max_images)
        return cls(key, images, wanted_outputs(signature, request.outputs))

    def answer(self, servable: ImageServable, report: ComputeReport) -> dict[str, Array]:
        answers = servable.respond(self.key, report.results, list(dict.fromkeys(self.wanted.values())))
        return {name: answers[alias] for name, alias in self.wanted.items()}


def decoded_pixels(
    servable: ImageServable, images: Sequence[bytes], clock: StageClock | None = None
) -> Array:
    """Encoded pictures as one batch for ``run``; ImageError for the first that cannot be used, naming its element."""
    rows: list[Array] = []
    for index, row in enumerate(servable.decode(images, clock)):
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
