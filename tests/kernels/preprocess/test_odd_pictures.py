"""Odd pictures: TensorFlow 2.21's pixels or its refusal, asked where it is installed and otherwise recorded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.odd_pictures import OddPicture, odd_picture
from tests.odd_pictures.decoders import (
    DIFFERENT_ON_PURPOSE,
    FILES_A_DIGEST,
    HAS_TENSORFLOW,
    RECORD,
    RECORDED,
    agreed,
    digest_of_files,
    ours,
    tensorflows,
)

QUICK = 1500

needs_tensorflow = pytest.mark.skipif(not HAS_TENSORFLOW, reason="run `make test-tensorflow`")


@pytest.fixture(scope="module")
def record() -> dict[str, npt.NDArray[np.uint32]]:
    with np.load(RECORD) as arrays:
        return dict(arrays)


def require_recorded_answers(record: dict[str, npt.NDArray[np.uint32]], numbers: range) -> None:
    for number in numbers:
        answer, expected = ours(odd_picture(number).data), int(record["answers"][number])
        if expected != DIFFERENT_ON_PURPOSE:
            assert answer.fingerprint == expected, (number, odd_picture(number).oddities, answer.refusal)


def require_agreement(picture: OddPicture) -> None:
    here, there = ours(picture.data), tensorflows(picture.data)
    assert agreed(picture, here, there), (picture.oddities, here.refusal, there.refusal)


def test_the_record_is_of_these_files(record: dict[str, npt.NDArray[np.uint32]]) -> None:
    for block in range(QUICK // FILES_A_DIGEST):
        assert digest_of_files(block) == record["files"][block], "make the record again"


def test_most_of_the_record_is_an_answer(record: dict[str, npt.NDArray[np.uint32]]) -> None:
    assert len(record["answers"]) == RECORDED
    assert np.count_nonzero(record["answers"] > DIFFERENT_ON_PURPOSE) > RECORDED // 3
    assert np.count_nonzero(record["answers"] == DIFFERENT_ON_PURPOSE) < RECORDED // 30


def test_the_first_pictures_are_answered_as_recorded(record: dict[str, npt.NDArray[np.uint32]]) -> None:
    require_recorded_answers(record, range(QUICK))


@pytest.mark.soak
def test_ten_thousand_pictures_are_answered_as_tensorflow_does(
    record: dict[str, npt.NDArray[np.uint32]],
) -> None:
    if HAS_TENSORFLOW:
        for number in range(RECORDED):
            require_agreement(odd_picture(number))
    else:
        require_recorded_answers(record, range(RECORDED))


@needs_tensorflow
def test_tensorflow_agrees_about_pictures_beyond_the_record() -> None:
    for number in range(RECORDED, RECORDED + 3000):
        require_agreement(odd_picture(number))


@needs_tensorflow
@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**40))
def test_tensorflow_agrees_about_any_picture(number: int) -> None:
    require_agreement(odd_picture(number))


@needs_tensorflow
def test_tensorflow_agrees_about_grey() -> None:
    """``channels=1`` of JPEG and PNG."""
    for number in range(RECORDED, RECORDED + 2000):
        picture = odd_picture(number)
        if picture.image_format in ("JPEG", "PNG"):
            here, there = ours(picture.data, "GRAY"), tensorflows(picture.data, 1)
            assert agreed(picture, here, there), (number, picture.oddities, here.refusal, there.refusal)


@settings(max_examples=300, deadline=None)
@given(
    number=st.integers(0, 2**40),
    place=st.floats(0, 1),
    removed=st.integers(0, 40),
    put=st.binary(max_size=16),
)
def test_any_damage_gives_pixels_or_an_image_error(
    number: int, place: float, removed: int, put: bytes
) -> None:
    data = odd_picture(number).data
    start = int(place * len(data))
    answer = ours(data[:start] + put + data[start + removed :])
    assert (answer.pixels is None) == bool(answer.refusal)
