"""What is sent: a mix of sizes as it was asked for, or a folder's files as they are."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from accelserve.loadgen.errors import LoadError
from accelserve.loadgen.pictures import DEFAULT_SIZES, groups, of_files, resized, size_mix
from accelserve.loadgen.plan import Pictures
from accelserve.models.samples import PHOTOGRAPHS, sample_photographs


def test_each_size_has_its_share() -> None:
    pictures = resized(sample_photographs(), size_mix("100:3,50"), seed=1)
    sizes = [Image.open(io.BytesIO(content)).size for content in pictures.files]
    longer = Counter(max(sizes[index]) for index in pictures.order)
    assert longer == {100: 3 * len(PHOTOGRAPHS), 50: len(PHOTOGRAPHS)}
    assert all(content.startswith(b"\xff\xd8\xff") for content in pictures.files)
    assert "100 px 75%, 50 px 25%" in pictures.description
    landscape = [size for size in sizes if size[0] == 100 and size[1] < 100]
    assert landscape  # proportions are kept


def test_the_order_is_shuffled_and_the_same_for_a_seed() -> None:
    mix = {40: 5, 20: 5}
    first, again, other = (resized(sample_photographs(), mix, seed) for seed in (1, 1, 2))
    assert list(first.order) == list(again.order)
    assert list(first.order) != list(other.order)
    assert list(first.order) != sorted(first.order)


def test_the_default_is_readable() -> None:
    assert sum(size_mix(DEFAULT_SIZES).values()) == 10


@pytest.mark.parametrize("text", ["", "a", "10:b", "0", "10:0", "-5", "20000", "10,10", "10:1:2", "1.5"])
def test_what_is_no_mix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|stands there twice"):
        size_mix(text)


@given(st.text(max_size=30))
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    try:
        mix = size_mix(text)
    except ValueError:
        return
    assert all(1 <= side <= 16384 and 1 <= share <= 1000 for side, share in mix.items())


def test_files_are_sent_as_they_are_and_evenly_chosen(tmp_path: Path) -> None:
    paths = []
    for number in range(10):
        paths.append(tmp_path / f"{number}.jpg")
        paths[-1].write_bytes(bytes([number]))
    assert of_files(paths, "here", 100).files == [bytes([number]) for number in range(10)]
    assert of_files(paths, "here", 5).files == [bytes([number]) for number in (0, 2, 4, 6, 8)]
    with pytest.raises(LoadError, match="here holds no picture"):
        of_files([], "here", 5)


def test_batches_go_through_the_order_and_around() -> None:
    pictures = Pictures(files=[b"a", b"b", b"c"], order=[0, 1, 2], description="")
    assert groups(pictures, 1) == [[b"a"], [b"b"], [b"c"]]
    assert groups(pictures, 2) == [[b"a", b"b"], [b"c", b"a"]]
    assert groups(pictures, 5) == [[b"a", b"b", b"c", b"a", b"b"]]
