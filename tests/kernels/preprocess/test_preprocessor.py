"""Batches: the same bytes however they are computed, and each picture's own error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from accelserve.kernels.preprocess import (
    PRESETS,
    EmptyImageError,
    ImageLimits,
    ImageTooLargeError,
    InvalidImageError,
    Preprocessor,
    PreprocessSpecError,
    StageClock,
    UnknownImageFormatError,
)

SPEC = PRESETS["imagenet-caffe"]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


@pytest.fixture
def preprocessor() -> Preprocessor:
    return Preprocessor(SPEC, input_scale=1.0, input_zero_point=124)


def test_a_batch_is_uint8_nhwc(preprocessor: Preprocessor, photographs: dict[str, bytes]) -> None:
    batch = preprocessor.run(list(photographs.values()))
    assert batch.shape == (len(photographs), 224, 224, 3) == (len(photographs), *preprocessor.shape)
    assert batch.dtype == np.uint8
    assert all(picture.std() > 5 for picture in batch)


def test_no_pictures_is_an_empty_batch(preprocessor: Preprocessor) -> None:
    assert preprocessor.run([]).shape == (0, 224, 224, 3)


@pytest.mark.parametrize("preset", PRESETS)
def test_batch_and_threads_change_no_byte(
    preset: str, photographs: dict[str, bytes], executor: ThreadPoolExecutor
) -> None:
    def make(pool: ThreadPoolExecutor | None) -> Preprocessor:
        return Preprocessor(PRESETS[preset], input_scale=0.9, input_zero_point=3, executor=pool)

    images = list(photographs.values())
    singly = np.concatenate([make(None).run([image]) for image in images])
    np.testing.assert_array_equal(make(None).run(images), singly)
    np.testing.assert_array_equal(make(executor).run(images), singly)


def test_float_and_quantized_agree(preprocessor: Preprocessor, photographs: dict[str, bytes]) -> None:
    images = list(photographs.values())
    floats = preprocessor.run_float(images)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(preprocessor.quantize(floats), preprocessor.run(images))


def test_the_result_may_be_written_between_other_bytes(
    preprocessor: Preprocessor, rocket: bytes, cat: bytes
) -> None:
    expected = preprocessor.run([rocket, cat])
    arena = np.full((2, 230, 230, 4), 77, np.uint8)
    window = arena[:, 3:227, 3:227, :3]
    assert preprocessor.run([rocket, cat], out=window) is window
    np.testing.assert_array_equal(window, expected)
    arena[:, 3:227, 3:227, :3] = 77
    assert (arena == 77).all(), "bytes outside of the window were written"


@pytest.mark.parametrize("shape", [(1, 224, 224, 3), (2, 224, 224, 4), (2, 3, 224, 224)])
def test_a_result_of_another_shape_is_refused(
    preprocessor: Preprocessor, rocket: bytes, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"out: got uint8 .* expected uint8 \(2, 224, 224, 3\)"):
        preprocessor.run([rocket, rocket], out=np.zeros(shape, np.uint8))


def test_a_bad_picture_spoils_nothing_else(rocket: bytes, cat: bytes, executor: ThreadPoolExecutor) -> None:
    limits = ImageLimits(max_pixels=640 * 427)
    for pool in (None, executor):
        preprocessor = Preprocessor(SPEC, input_scale=1.0, input_zero_point=124, limits=limits, executor=pool)
        wide = rocket.replace(b"\x01\xab\x02\x80", b"\xea\x60\xea\x60", 1)  # 427 x 640 in its frame header
        images = [rocket, b"", cat, b"no picture", rocket[:5000], wide]
        batch = preprocessor.run_each(images)
        assert [(index, type(error)) for index, error in batch.errors.items()] == [
            (1, EmptyImageError), (3, UnknownImageFormatError), (4, InvalidImageError), (5, ImageTooLargeError)
        ]  # fmt: skip
        assert [error.element for error in batch.errors.values()] == [1, 3, 4, 5]
        np.testing.assert_array_equal(batch.pixels[[0, 2]], preprocessor.run([rocket, cat]))
        with pytest.raises(EmptyImageError) as caught:
            batch.complete(first=8)
        assert caught.value.element == 9


def test_a_clock_divides_the_time_and_changes_no_byte(
    preprocessor: Preprocessor, rocket: bytes, cat: bytes, executor: ThreadPoolExecutor
) -> None:
    assert StageClock().decode_share == 1
    clock = StageClock()
    timed = Preprocessor(SPEC, input_scale=1.0, input_zero_point=124, executor=executor)
    batch = timed.run_each([rocket, cat], clock=clock)
    np.testing.assert_array_equal(batch.complete(), preprocessor.run([rocket, cat]))
    assert clock.decode_seconds > 0
    assert clock.transform_seconds > 0
    assert clock.decode_share == clock.decode_seconds / (clock.decode_seconds + clock.transform_seconds)


def test_run_raises_the_first_error_with_its_element(preprocessor: Preprocessor, rocket: bytes) -> None:
    message = r"^Unknown image file format\. .* required\. Element 1 of the batch: got 5 bytes"
    with pytest.raises(UnknownImageFormatError, match=message):
        preprocessor.run([rocket, b"hello", b""])
    with pytest.raises(UnknownImageFormatError, match=message):
        preprocessor.run_float([rocket, b"hello", b""])


def test_running_inside_the_same_executor_does_not_wait_for_itself(rocket: bytes) -> None:
    with ThreadPoolExecutor(1) as pool:
        preprocessor = Preprocessor(SPEC, input_scale=1.0, input_zero_point=124, executor=pool)
        batch = pool.submit(preprocessor.run, [rocket] * 4).result(timeout=60)
    assert (batch == batch[0]).all()


def test_many_threads_may_share_one_preprocessor(
    preprocessor: Preprocessor, photographs: dict[str, bytes]
) -> None:
    images = list(photographs.values())
    expected = preprocessor.run(images)
    start = threading.Barrier(4)
    results: list[list[np.ndarray]] = []

    def work() -> None:
        start.wait()
        results.append([preprocessor.run([image])[0] for image in images])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_warm_up_compiles_what_requests_need(preset: str) -> None:
    Preprocessor(PRESETS[preset], input_scale=1.0, input_zero_point=0).warm_up()


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 1e-60])
def test_a_scale_is_a_positive_float32(scale: float) -> None:
    with pytest.raises(PreprocessSpecError, match="input_scale"):
        Preprocessor(SPEC, input_scale=scale, input_zero_point=0)


@pytest.mark.parametrize("zero_point", [-1, 256])
def test_a_zero_point_is_a_byte(zero_point: int) -> None:
    with pytest.raises(PreprocessSpecError, match="input_zero_point"):
        Preprocessor(SPEC, input_scale=1.0, input_zero_point=zero_point)
