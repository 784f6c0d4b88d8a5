"""TensorProto <-> numpy: TensorFlow's meaning, exact round trips, and no allocation on the word of a stranger."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from accelserve.protos import tensorflow as tf
from accelserve.protos.errors import (
    TensorDtypeError,
    TensorError,
    TensorShapeError,
    TensorTooLargeError,
    TensorValueError,
)
from accelserve.protos.tensors import (
    from_array,
    from_content,
    from_strings,
    numpy_dtype,
    shape_of,
    shape_proto,
    tensorflow_dtype,
    to_array,
    to_strings,
)

NUMPY_DTYPES = [
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
ARRAYS = st.sampled_from(NUMPY_DTYPES).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6))
)


def tensor(text: str) -> tf.TensorProto:
    return text_format.Parse(text, tf.TensorProto())


def same(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    """Equal in shape, dtype and every bit, not-a-numbers included."""
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()


@given(array=ARRAYS, as_content=st.booleans())
def test_an_array_comes_back_bit_for_bit(array: np.ndarray[Any, Any], as_content: bool) -> None:
    sent = from_array(array, as_content=as_content)
    received = tf.TensorProto.FromString(sent.SerializeToString())
    assert same(to_array(received), array)
    assert bool(sent.tensor_content) == (as_content and array.size > 0)


def test_a_signalling_nan_comes_back_bit_for_bit() -> None:
    array = np.array([0x7F800001, 0x3F800000], np.uint32).view(np.float32)
    assert same(to_array(from_array(array)), array)


@given(array=ARRAYS)
def test_typed_fields_hold_every_element_as_protobuf_itself_would_write_them(
    array: np.ndarray[Any, Any],
) -> None:
    sent = from_array(array)
    reread = text_format.Parse(text_format.MessageToString(sent), tf.TensorProto())
    if array.dtype.kind in "fc":
        # Text has one not-a-number; the values are compared where they are numbers.
        np.testing.assert_array_equal(to_array(reread), array)
    else:
        assert reread == sent


@given(array=npst.arrays("float32", (3, 4), elements=st.floats(-60_000, 60_000, width=32)))
def test_strided_and_big_endian_arrays_are_sent_by_value(array: np.ndarray[Any, Any]) -> None:
    for odd in (
        array.T,
        array[::-1, ::2],
        array.astype(">f4"),
        array.astype(">f2"),
        np.asfortranarray(array),
    ):
        for as_content in (False, True):
            received = to_array(from_array(odd, as_content=as_content))
            np.testing.assert_array_equal(received, odd)


@given(strings=st.lists(st.binary(max_size=20), max_size=8))
def test_strings_come_back(strings: list[bytes]) -> None:
    sent = tf.TensorProto.FromString(from_strings(strings).SerializeToString())
    shape, received = to_strings(sent)
    assert shape == (len(strings),)
    assert list(received) == strings
    assert to_array(sent).tolist() == strings
    assert to_array(sent).dtype == object


def test_arrays_of_strings_are_sent_as_bytes() -> None:
    assert list(from_array(np.array([["a", "ü"]])).string_val) == [b"a", "ü".encode()]
    assert list(from_array(np.array([b"\x00a\x00", "b"], dtype=object)).string_val) == [b"\x00a\x00", b"b"]
    with pytest.raises(TensorDtypeError, match="got int"):
        from_array(np.array([b"a", 1], dtype=object))


def test_bfloat16_reads_as_float32_and_is_written_from_ml_dtypes() -> None:
    values = np.array([1.0, -2.5, 3.140625, np.inf], dtype=np.float32)
    for as_content in (False, True):
        sent = from_array(values.astype(ml_dtypes.bfloat16), as_content=as_content)
        assert sent.dtype == tf.DT_BFLOAT16
        assert same(to_array(sent), values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dtype: DT_FLOAT float_val: 7", np.array(7, "f4")),
        ("dtype: DT_FLOAT tensor_shape { dim { size: 3 } } float_val: 1 float_val: 2", np.array([1, 2, 2], "f4")),
        ("dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: [1, 2, 3]", np.array([1, 2], "f4")),
        ("dtype: DT_FLOAT tensor_shape { dim { size: 2 } }", np.zeros(2, "f4")),
        ("dtype: DT_FLOAT tensor_shape { dim { size: 0 } } float_val: 1", np.zeros(0, "f4")),
        ("dtype: DT_UINT8 tensor_shape { dim { size: 2 } } int_val: 255", np.array([255, 255], "u1")),
        ("dtype: DT_QINT8 tensor_shape { dim { size: 1 } } int_val: -128", np.array([-128], "i1")),
        ("dtype: DT_BOOL tensor_shape { dim { size: 3 } } bool_val: [true, false]", np.array([True, False, False])),
        ("dtype: DT_HALF tensor_shape { dim { size: 2 } } half_val: 0x3c00", np.array([1, 1], "f2")),
        ("dtype: DT_COMPLEX64 tensor_shape { dim { size: 2 } } scomplex_val: [1, 2]", np.array([1 + 2j] * 2, "c8")),
        ("dtype: DT_BOOL tensor_shape { dim { size: 2 } } tensor_content: '\\002\\000'", np.array([True, False])),
        (
            "dtype: DT_FLOAT tensor_shape { dim { size: 1 } } tensor_content: '\\000\\000\\200?' float_val: 5",
            np.array([1], "f4"),
        ),
    ],
    ids=[
        "scalar", "last-repeated", "too-many-cut", "none-is-zeros", "no-elements", "uint8", "quantised", "bool-last-repeated",
        "half-bits", "complex-last-repeated", "bool-content", "content-wins",
    ],
)  # fmt: skip
def test_values_are_read_as_tensorflow_reads_them(text: str, expected: np.ndarray[Any, Any]) -> None:
    assert same(to_array(tensor(text)), expected)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("dtype: DT_FLOAT tensor_shape { unknown_rank: true }", TensorShapeError, "must be known"),
        ("dtype: DT_FLOAT tensor_shape { dim { size: -1 } }", TensorShapeError, r"0 or more, got \[-1\]"),
        (
            "dtype: DT_FLOAT tensor_shape { dim { size: 0 } dim { size: 4294967296 } dim { size: 4294967296 } }",
            TensorShapeError,
            r"more than 2\*\*63 - 1",
        ),
        ("dtype: DT_FLOAT tensor_shape {" + "dim { size: 1 }" * 33 + "}", TensorShapeError, "at most 32 dimensions"),
        ("dtype: DT_FLOAT tensor_shape { dim { size: 2 } } tensor_content: '1234'", TensorShapeError, "8 bytes.*got 4"),
        ("dtype: DT_FLOAT tensor_shape { dim { size: 268435457 } } float_val: 1", TensorTooLargeError, "1073741828 bytes"),
        ("dtype: DT_STRING tensor_shape { dim { size: 2 } } string_val: 'a'", TensorShapeError, "2 elements, got 1"),
        ("dtype: DT_STRING string_val: 'a' string_val: 'b'", TensorShapeError, "1 elements, got 2"),
        ("dtype: DT_STRING tensor_shape { dim { size: 1000000000 } }", TensorTooLargeError, "8000000000 bytes"),
        ("dtype: DT_UINT8 tensor_shape { dim { size: 2 } } int_val: [3, 256]", TensorValueError, "Element 1 is 256"),
        ("dtype: DT_INT8 int_val: -129", TensorValueError, "DT_INT8 holds -128 to 127"),
        ("dtype: DT_HALF half_val: 65536", TensorValueError, "65536"),
        ("dtype: DT_RESOURCE", TensorDtypeError, "DT_RESOURCE"),
        ("dtype: DT_FLOAT_REF", TensorDtypeError, "DT_FLOAT_REF"),
        ("dtype: DT_FLOAT8_E5M2", TensorDtypeError, "DT_FLOAT8_E5M2"),
        ("", TensorDtypeError, "DT_INVALID"),
        ("dtype: 999", TensorDtypeError, "999"),
    ],
    ids=[
        "unknown-rank", "negative", "overflow-behind-zero", "rank", "content-size", "huge-claim", "string-too-few",
        "string-too-many", "string-huge-claim", "uint8-range", "int8-range", "half-range", "resource", "reference", "float8",
        "unset", "unnamed",
    ],
)  # fmt: skip
def test_broken_tensors_are_refused_in_one_sentence(text: str, error: type[TensorError], words: str) -> None:
    with pytest.raises(error, match=words):
        to_array(tensor(text))


def test_errors_carry_their_facts() -> None:
    with pytest.raises(TensorTooLargeError) as too_large:
        to_array(tensor("dtype: DT_FLOAT tensor_shape { dim { size: 5 } }"), limit_bytes=19)
    assert (too_large.value.shape, too_large.value.size_bytes, too_large.value.limit_bytes) == ((5,), 20, 19)
    with pytest.raises(TensorShapeError) as count:
        to_strings(tensor("dtype: DT_STRING tensor_shape { dim { size: 3 } }"))
    assert (count.value.shape, count.value.expected, count.value.got) == ((3,), 3, 0)
    with pytest.raises(TensorDtypeError) as dtype:
        to_strings(tensor("dtype: DT_FLOAT"))
    assert dtype.value.dtype == "DT_FLOAT"


def test_a_claim_within_the_limit_is_filled_exactly() -> None:
    filled = to_array(tensor("dtype: DT_FLOAT tensor_shape { dim { size: 5 } } float_val: 3"), limit_bytes=20)
    assert filled.tolist() == [3.0] * 5


def varint(number: int) -> bytes:
    head = bytearray()
    while number > 0x7F:
        head.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(head) + bytes([number])


@given(strings=st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_strings_in_tensor_content_are_split_as_tensorflow_joins_them(strings: list[bytes]) -> None:
    content = b"".join(varint(len(string)) for string in strings) + b"".join(strings)
    sent = tf.TensorProto(
        dtype=tf.DT_STRING, tensor_shape=shape_proto([len(strings)]), tensor_content=content
    )
    assert list(to_strings(sent)[1]) == strings


@given(content=st.binary(min_size=1, max_size=40), count=st.integers(0, 50))
def test_wild_string_content_is_split_wholly_or_refused(content: bytes, count: int) -> None:
    sent = tf.TensorProto(dtype=tf.DT_STRING, tensor_shape=shape_proto([count]), tensor_content=content)
    try:
        shape, strings = to_strings(sent)
    except TensorShapeError:
        return
    assert shape == (len(strings),) == (count,)
    assert content.endswith(b"".join(strings))


@given(data=st.binary(max_size=200))
def test_wild_bytes_make_an_array_or_a_tensor_error(data: bytes) -> None:
    from google.protobuf.message import DecodeError

    try:
        message = tf.TensorProto.FromString(data)
    except DecodeError:
        return
    try:
        array = to_array(message, limit_bytes=1 << 20)
    except TensorError:
        return
    assert array.shape == shape_of(message.tensor_shape)
    assert array.nbytes <= 1 << 20


def test_raw_content_must_fit_its_shape() -> None:
    made = from_content(np.arange(6, dtype="<i2").tobytes(), [2, 3], tf.DT_INT16)
    np.testing.assert_array_equal(to_array(made), np.arange(6).reshape(2, 3))
    with pytest.raises(TensorShapeError, match="12 bytes of tensor_content, got 4"):
        from_content(b"1234", [2, 3], tf.DT_INT16)
    with pytest.raises(TensorShapeError, match="0 or more"):
        from_content(b"", [-1], tf.DT_INT16)
    with pytest.raises(TensorDtypeError):
        from_content(b"a", [1], tf.DT_STRING)
    with pytest.raises(TensorShapeError, match="6 elements, got 1 strings"):
        from_strings([b"a"], [2, 3])


def test_dtypes_map_both_ways() -> None:
    for name in NUMPY_DTYPES:
        assert numpy_dtype(tensorflow_dtype(name)) == np.dtype(name)
    assert tensorflow_dtype("S5") == tensorflow_dtype("U5") == tensorflow_dtype(object) == tf.DT_STRING
    with pytest.raises(TensorDtypeError, match="datetime64"):
        tensorflow_dtype("datetime64[ns]")


@given(
    unknown=st.lists(
        st.sampled_from([b"\xf8\x01\x07", b"\xfa\x01\x02ab", b"\xf9\x01" + bytes(8), b"\xfd\x01" + bytes(4)])
    ),
    blocks=st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=40), max_size=3),
)
def test_floats_are_found_among_fields_that_nobody_knows(
    unknown: list[bytes], blocks: list[list[float]]
) -> None:
    # Field 31 as a varint, bytes, 64 and 32 bits; float_val both packed and one by one.
    data = b"\x08\x01" + b"".join(unknown)
    for block in blocks:
        data += b"\x2a" + varint(4 * len(block)) + np.array(block, "<f4").tobytes()
        data += b"".join(b"\x2d" + np.array(value, "<f4").tobytes() for value in block)
    values = [value for block in blocks for value in block * 2]
    message = tf.TensorProto.FromString(data)
    message.tensor_shape.CopyFrom(shape_proto([len(values)]))
    assert to_array(message).tolist() == values


def test_a_group_of_an_unknown_field_hides_nothing() -> None:
    message = tf.TensorProto.FromString(b"\xfb\x01\xfc\x01" + from_array(np.arange(3.0)).SerializeToString())
    assert to_array(message).tolist() == [0, 1, 2]
