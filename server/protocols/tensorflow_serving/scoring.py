"""What Classify, Regress and MultiInference share: tf.Examples asked about, and tasks that say what is wanted of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from accelserve.server.core.registry import ModelChoice
from accelserve.server.core.servable import ServableId
from accelserve.server.dataplane.predictor import Predictor, SignatureCall, SignatureResult
from accelserve.server.dataplane.servable import Array, ImageServable
from accelserve.server.scheduler.watch import CallWatch

ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)


class Task(Protocol[ResultT_co]):
    """A way to score images."""

    @property
    def method_name(self) -> str:
        """TensorFlow Serving's, ``tensorflow/serving/classify``."""

    def call(self, servable: ImageServable, signature_name: str, images: Array) -> SignatureCall:
        """What is asked of a signature.

        Args:
            servable: the model.
            signature_name: key; empty means ``serving_default``.
            images: object array [N] of encoded images.

        Raises:
            UnknownSignatureError: there is none of that name.
            InvalidRequestError: the signature does not score so.
        """

    def result(self, found: SignatureResult, labels: Sequence[str]) -> ResultT_co:
        """The message that answers the ``call``."""


@dataclass(frozen=True, slots=True)
class Scored(Generic[ResultT]):
    """An answer: the version, the signature's resolved key, the result."""

    servable_id: ServableId
    signature: str
    result: ResultT


@dataclass(frozen=True, slots=True)
class Scoring:
    """Answers from the data plane; ``count`` is told the model's name and the number of examples."""

    predictor: Predictor
    count: Callable[[str, int], None]

    def score(
        self, task: Task[ResultT], model: ModelChoice, signature_name: str, images: Array, watch: CallWatch
    ) -> Scored[ResultT]:
        """Score images, an object array [N] of encoded ones, by one signature.

        Raises:
            InvalidRequestError: the signature does not score so.
            Exception: as the data plane raises them.
        """
        with self.predictor.registry.acquire(model) as handle:
            call = task.call(handle.servable, signature_name, images)
            (found,) = self.predictor.predict(handle, [call], watch)
            self.count(handle.servable_id.name, len(images))
            result = task.result(found, handle.servable.labels)
        return Scored(handle.servable_id, found.signature, result)
