"""The formats of the truth, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelserve.models.errors import EvaluationError
from accelserve.models.evaluate.metrics import Box
from accelserve.models.evaluate.truth import read_truth, truth_of_folders

LABELS = ("cat", "dog", "2")


def written(folder: Path, text: str) -> Path:
    file = folder / "truth"
    file.write_text(text)
    return file


def test_classes_by_label_or_number(tmp_path: Path) -> None:
    file = written(tmp_path, 'a.jpg,cat\n"b, c.jpg", dog\n\nd/e.png,1\n')
    assert read_truth(file, LABELS).classes == {"a.jpg": 0, "b, c.jpg": 1, "d/e.png": 1}


def test_a_label_that_is_a_number_is_a_label(tmp_path: Path) -> None:
    assert read_truth(written(tmp_path, "a.jpg,2"), LABELS).classes == {"a.jpg": 2}


def test_without_labels_classes_are_numbers(tmp_path: Path) -> None:
    assert read_truth(written(tmp_path, "a.jpg,917"), ()).classes == {"a.jpg": 917}


def test_objects_with_boxes(tmp_path: Path) -> None:
    text = '{"a.jpg": [{"class": "dog", "box": [0, 0.25, 0.5, 1]}], "b.jpg": []}'
    found = read_truth(written(tmp_path, text), LABELS)
    assert found.objects == {"a.jpg": [Box(1, (0.0, 0.25, 0.5, 1.0))], "b.jpg": []}


def test_folders_named_after_labels() -> None:
    pictures = ["dog/1.jpg", "cat/x/2.jpg"]
    assert truth_of_folders(pictures, LABELS).classes == {"dog/1.jpg": 1, "cat/x/2.jpg": 0}
    assert truth_of_folders([*pictures, "mouse/3.jpg"], LABELS).classes == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg", "line 1: expected 'picture,class', got 'a.jpg'"),
        (
            "a.jpg,cat\nb.jpg,bird",
            "line 2: the class is 'bird', expected one of 3 labels or a number below 3",
        ),
        ("a.jpg,3", "the class is '3'"),
        ("{", "is not JSON"),
        ('{"a.jpg": 1}', "expected a list of objects for each picture, got 1"),
        ('{"a.jpg": [{"class": "cat"}]}', 'expected {"class"'),
        ('{"a.jpg": [{"class": "cat", "box": [0, 0, 1, "x"]}]}', "a box is four numbers"),
        ('{"a.jpg": [{"class": "cat", "box": [0, 0, 300, 200]}]}', "relative to the picture"),
        ('{"a.jpg": [{"class": "cat", "box": [0.5, 0, 0.2, 1]}]}', "ymin, xmin, ymax, xmax"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        read_truth(written(tmp_path, text), LABELS)
    assert message in str(caught.value)
