"""Calls of a model's signatures: names and arrays in, names and arrays out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from accelserve.kernels.preprocess import StageClock
from accelserve.server.config import RequestLimits
from accelserve.server.core.handle import ServableHandle
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.core.servable import ServableId
from accelserve.server.dataplane.inputs import EncodedImages, Images, Input, images_of
from accelserve.server.dataplane.outputs import wanted_outputs
from accelserve.server.dataplane.servable import Array, ImageServable, Signature, computed_by
from accelserve.server.errors import UnknownSignatureError
from accelserve.server.scheduler.decoding import DecodeSlots
from accelserve.server.scheduler.job import ComputeReport
from accelserve.server.scheduler.scheduler import DeviceScheduler
from accelserve.server.scheduler.watch import CallWatch

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureCall:
    """What a caller asks of one signature.

    Attributes:
        signature: key; empty means ``serving_default``.
        inputs: name -> array; encoded pictures are strings, or object arrays of bytes.
        outputs: names wanted back; empty means all of the signature.
    """

    signature: str = ""
    inputs: Mapping[str, Input]
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
class SignatureResult:
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


def _nobody(_result: SignatureResult) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """Answers calls on one device. Thread-safe; the caller's thread does the work.

    Attributes:
        registry: the served models.
        scheduler: of the device.
        limits: of one request.
        on_result: told of every request that was answered, on the thread that worked for it; must be quick.
        decoding: how many requests decode at once.
    """

    registry: ModelRegistry[ImageServable]
    scheduler: DeviceScheduler
    limits: RequestLimits
    on_result: Callable[[SignatureResult], None] = _nobody
    decoding: DecodeSlots = field(default_factory=DecodeSlots)

    def predict(
        self, handle: ServableHandle[ImageServable], calls: Sequence[SignatureCall], watch: CallWatch
    ) -> list[SignatureResult]:
        """Answer one request: one or several signatures, asked about the same images, which are computed once.

        Args:
            handle: the model.
            calls: at least one; the images are the first one's, and the others' must be the same.
            watch: whether anybody waits.

        Returns:
            A result each; ``on_result`` is told of the first.

        Raises:
            RequestError: the request is at fault.
            ImageError: an image is at fault; the error names its element.
            OverloadError: refused; it may be sent again later.
            RequestAbandonedError: nobody waits any more.
        """
        servable = handle.servable
        checked = [_CheckedCall.of(servable, call, self.limits.max_images) for call in calls]
        images = checked[0].images
        count = images.count
        with self.scheduler.gate.admitted(handle.servable_id.name, count):
            begin = time.perf_counter()
            pixels, preprocess = self._pixels(servable, images, watch)
            decoded = time.perf_counter()
            report = self.scheduler.compute(
                handle.servable_id, servable.run, pixels, watch, servable.side_by_side
            )
        computed = time.perf_counter()
        outputs = [call.outputs(servable, report) for call in checked]
        stages = StageSeconds(
            decode=decoded - begin - preprocess,
            preprocess=preprocess,
            queue=report.queue_seconds,
            compute=report.compute_seconds,
            postprocess=time.perf_counter() - computed,
        )
        results = [
            SignatureResult(
                servable_id=handle.servable_id,
                signature=call.key,
                outputs=arrays,
                images=count,
                stages=stages,
                batch_images=report.batch_images,
                device=computed_by(servable),
            )
            for call, arrays in zip(checked, outputs, strict=True)
        ]
        self.on_result(results[0])
        return results

    def _pixels(self, servable: ImageServable, images: Images, watch: CallWatch) -> tuple[Array, float]:
        """What the network reads, and the seconds of it that were not decoding."""
        if not isinstance(images, EncodedImages):
            watch.check()
            begin = time.perf_counter()
            quantized = servable.quantize(images.tensor)
            return quantized, time.perf_counter() - begin
        with self.decoding.slot(watch):
            begin = time.perf_counter()
            clock = StageClock()
            pixels = servable.decode(images.images, clock).complete()
            # Pictures are worked on side by side: the clock's sums say how the elapsed time divides.
            return pixels, (time.perf_counter() - begin) * (1 - clock.decode_share)


@dataclass(frozen=True, slots=True)
class _CheckedCall:
    """A call that fits its signature: its images, and what it wants of the network's results."""

    key: str
    images: Images
    wanted: Mapping[str, str]

    @classmethod
    def of(cls, servable: ImageServable, call: SignatureCall, max_images: int) -> _CheckedCall:
        key, signature = signature_of(servable, call.signature)
        images = images_of(signature, call.inputs, servable.input_shape, max_images)
        return cls(key, images, wanted_outputs(signature, call.outputs))

    def outputs(self, servable: ImageServable, report: ComputeReport) -> dict[str, Array]:
        found = servable.respond(self.key, report.results, list(dict.fromkeys(self.wanted.values())))
        return {name: found[alias] for name, alias in self.wanted.items()}


def signature_of(servable: ImageServable, asked: str) -> tuple[str, Signature]:
    """The key and the signature that a request means; UnknownSignatureError if the model lacks it."""
    key = asked or DEFAULT_SIGNATURE
    signature = servable.signatures.get(key)
    if signature is None:
        raise UnknownSignatureError(key, list(servable.signatures))
    return key, signature
