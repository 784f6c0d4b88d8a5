"""Our reading and writing of tensors against TensorFlow's own runtime."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from accelserve.protos import tensorflow as tf
from accelserve.protos.errors import TensorError
from accelserve.protos.tensors import from_array, shape_proto, to_array, to_strings

from .conftest import foreign_module

pytestmark = pytest.mark.interop

DTYPES = [
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
    "complex128",
]


@pytest.fixture(scope="module")
def tensorflow() -> ModuleType:
    return foreign_module("tensorflow")


def values(dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    chance = np.random.default_rng(0)
    if np.dtype(dtype).kind == "c":
        return (chance.random(shape) + 1j * chance.random(shape)).astype(dtype)
    return (chance.random(shape) * 100).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("as_content", [False, True], ids=["typed", "content"])
def test_tensorflow_reads_what_we_write(
    tensorflow: ModuleType, dtype: str, shape: tuple[int, ...], as_content: bool
) -> None:
    array = values(dtype, shape)
    sent = from_array(array, as_content=as_content).SerializeToString()
    by_runtime = tensorflow.io.parse_tensor(sent, dtype).numpy()
    by_python = tensorflow.make_ndarray(tensorflow.make_tensor_proto(0).__class__.FromString(sent))
    for read in (by_runtime, by_python):
        assert (read.shape, read.dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3, 4)], ids=str)
def test_we_read_what_tensorflow_writes(tensorflow: ModuleType, dtype: str, shape: tuple[int, ...]) -> None:
    array = values(dtype, shape)
    by_python = tensorflow.make_tensor_proto(array).SerializeToString()
    by_runtime = tensorflow.io.serialize_tensor(tensorflow.constant(array)).numpy()
    for written in (by_python, by_runtime):
        read = to_array(tf.TensorProto.FromString(written))
        assert (read.shape, read.dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(read, array)


def test_we_read_tensorflows_bfloat16(tensorflow: ModuleType) -> None:
    numbers = tensorflow.constant([1.0, -2.5, 3.140625], dtype=tensorflow.bfloat16)
    read = to_array(tf.TensorProto.FromString(tensorflow.io.serialize_tensor(numbers).numpy()))
    assert read.tolist() == [1.0, -2.5, 3.140625]


@pytest.mark.parametrize("strings", [[b"a"], [b"", b"bc" * 200, b"\x00"]], ids=["one", "three"])
def test_we_read_tensorflows_strings(tensorflow: ModuleType, strings: list[bytes]) -> None:
    # The runtime writes strings into tensor_content, the Python library into string_val.
    by_runtime = tf.TensorProto.FromString(
        tensorflow.io.serialize_tensor(tensorflow.constant(strings)).numpy()
    )
    by_python = tf.TensorProto.FromString(tensorflow.make_tensor_proto(strings).SerializeToString())
    assert list(to_strings(by_runtime)[1]) == list(to_strings(by_python)[1]) == strings
    content = tf.TensorProto(dtype=tf.DT_STRING, tensor_shape=shape_proto([len(strings)]))
    content.tensor_content = b"".join(_varint(len(each)) for each in strings) + b"".join(strings)
    assert (
        tensorflow.io.parse_tensor(content.SerializeToString(), tensorflow.string).numpy().tolist() == strings
    )
    assert list(to_strings(content)[1]) == strings


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])


@pytest.mark.parametrize(
    "text",
    [
        "dtype: DT_FLOAT float_val: 7",
        "dtype: DT_FLOAT tensor_shape { dim { size: 3 } } float_val: [1, 2]",
        "dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: [1, 2, 3]",
        "dtype: DT_FLOAT tensor_shape { dim { size: 2 } }",
        "dtype: DT_UINT8 tensor_shape { dim { size: 2 } } int_val: 255",
        "dtype: DT_BOOL tensor_shape { dim { size: 3 } } bool_val: [true, false]",
        "dtype: DT_HALF tensor_shape { dim { size: 2 } } half_val: 0x3c00",
        "dtype: DT_COMPLEX64 tensor_shape { dim { size: 2 } } scomplex_val: [1, 2]",
        "dtype: DT_INT64 tensor_shape { dim { size: 2 } dim { size: 2 } } int64_val: [1, 2, 3]",
        "dtype: DT_FLOAT tensor_shape { dim { size: 1 } } tensor_content: '\\000\\000\\200?' float_val: 5",
    ],
)
def test_short_and_long_tensors_mean_what_they_mean_to_tensorflow(tensorflow: ModuleType, text: str) -> None:
    message = text_format.Parse(text, tf.TensorProto())
    expected = tensorflow.io.parse_tensor(
        message.SerializeToString(), tensorflow.as_dtype(message.dtype)
    ).numpy()
    np.testing.assert_array_equal(to_array(message), expected)


@pytest.mark.parametrize(
    "text",
    [
        "dtype: DT_FLOAT tensor_shape { dim { size: -1 } } float_val: 1",
        "dtype: DT_FLOAT tensor_shape { dim { size: 2 } } tensor_content: '1234'",
        "dtype: DT_FLOAT tensor_shape { dim { size: 4294967296 } dim { size: 4294967296 } } float_val: 1",
    ],
    ids=["negative", "content-size", "overflow"],
)
def test_what_tensorflow_refuses_we_refuse(tensorflow: ModuleType, text: str) -> None:
    message = text_format.Parse(text, tf.TensorProto())
    with pytest.raises(tensorflow.errors.InvalidArgumentError):
        tensorflow.io.parse_tensor(message.SerializeToString(), tensorflow.as_dtype(message.dtype))
    with pytest.raises(TensorError):
        to_array(message)
