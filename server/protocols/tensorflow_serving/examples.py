"""The images in tf.Examples. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.server.errors import InvalidRequestError

# What TensorFlow's image data sets call an image as a file.
IMAGE_FEATURE = "image/encoded"


def images_of_examples(message: serving.Input) -> NDArray[np.object_]:
    """The encoded images of a Classify or Regress request, object array [N] of bytes.

    The context of a list of examples stands in for what an example lacks, as TensorFlow merges them.

    Raises:
        InvalidRequestError: no examples, or one without exactly one image.
    """
    examples, context = _examples_of(message)
    if not examples:
        raise InvalidRequestError("Input is empty.")
    images = np.empty(len(examples), dtype=object)
    for index, example in enumerate(examples):
        images[index] = _image(example, context, index)
    return images


def _examples_of(message: serving.Input) -> tuple[list[tf.Example], tf.Example | None]:
    if message.WhichOneof("kind") == "example_list_with_context":
        listed = message.example_list_with_context
        return list(listed.examples), listed.context
    return list(message.example_list.examples), None


def _image(example: tf.Example, context: tf.Example | None, index: int) -> bytes:
    for holder in (example, context):
        if holder is not None and IMAGE_FEATURE in holder.features.feature:
            images = holder.features.feature[IMAGE_FEATURE].bytes_list.value
            if len(images) != 1:
                raise InvalidRequestError(
                    f"example {index}: feature '{IMAGE_FEATURE}' holds {len(images)} byte strings; expected one"
                )
            return bytes(images[0])
    names = ", ".join(sorted(example.features.feature)) or "none"
    raise InvalidRequestError(
        f"example {index} lacks the feature '{IMAGE_FEATURE}', a picture as bytes; it has: {names}"
    )
