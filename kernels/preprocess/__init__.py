"""Encoded pictures to the network's quantized input tensor, with TensorFlow's and Pillow's exact arithmetic."""

from accelserve.kernels.preprocess.clock import StageClock
from accelserve.kernels.preprocess.decode import decode_image
from accelserve.kernels.preprocess.decoded import DecodedBatch
from accelserve.kernels.preprocess.errors import (
    EmptyImageError,
    ImageError,
    ImageTooLargeError,
    InvalidImageError,
    PreprocessSpecError,
    UnknownImageFormatError,
)
from accelserve.kernels.preprocess.limits import ImageLimits
from accelserve.kernels.preprocess.preprocessor import (
    Preprocessor,
    functions_of,
    load_code,
    preprocess_each_float,
    preprocess_float,
    transform_float,
)
from accelserve.kernels.preprocess.presets import PRESETS, preprocess_spec
from accelserve.kernels.preprocess.spec import PreprocessSpec

__all__ = [
    "PRESETS",
    "DecodedBatch",
    "EmptyImageError",
    "ImageError",
    "ImageLimits",
    "ImageTooLargeError",
    "InvalidImageError",
    "PreprocessSpec",
    "PreprocessSpecError",
    "Preprocessor",
    "StageClock",
    "UnknownImageFormatError",
    "decode_image",
    "functions_of",
    "load_code",
    "preprocess_each_float",
    "preprocess_float",
    "preprocess_spec",
    "transform_float",
]
