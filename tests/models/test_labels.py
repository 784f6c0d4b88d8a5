"""Shipped names of classes: the usual order, one place each; what convert takes when it is told nothing or a list's name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accelserve.models.architectures import architectures
from accelserve.models.conversion.architecture_facts import class_labels
from accelserve.models.conversion.source import ARCHITECTURE_KEY
from accelserve.models.evaluate.truth import class_number, truth_of_folders
from accelserve.models.labels import LISTS, label_list, label_list_for

RESNET = {ARCHITECTURE_KEY: "resnet50"}


def test_every_list_has_its_file() -> None:
    folder = Path(__file__).parents[2] / "models" / "labels"
    assert sorted(file.stem for file in folder.glob("*.txt")) == list(LISTS)


def test_imagenet_has_its_thousand_classes_in_the_usual_order() -> None:
    """Checked against torchvision 0.29.1's categories (names) and timm 1.0.31's imagenet_synsets.txt (numbers)."""
    names = label_list("imagenet")
    assert len(set(names)) == 1000
    synsets = [re.fullmatch(r"(n\d{8}) (\S.*\S)", name)[1] for name in names]  # type: ignore[index]
    assert synsets == sorted(set(synsets))
    assert len({name[10:] for name in names}) == 1000
    known = {
        0: "n01440764 tench",
        134: "n02012849 crane bird",
        207: "n02099601 golden retriever",
        281: "n02123045 tabby",
        285: "n02124075 Egyptian cat",
        517: "n03126707 crane",
        638: "n03710637 maillot",
        639: "n03710721 maillot tank suit",
        812: "n04266014 space shuttle",
        999: "n15075141 toilet tissue",
    }
    assert {number: names[number] for number in known} == known


def test_a_background_comes_in_front_where_it_makes_the_list_fit() -> None:
    assert label_list_for("imagenet", 1001) == ("background", *label_list("imagenet"))
    assert label_list_for("imagenet", 1000) == label_list_for("imagenet", 7) == label_list("imagenet")
    assert label_list_for("coco", 92) == label_list("coco")  # it has its background


def test_every_built_in_classifier_has_imagenets_names_and_says_so() -> None:
    for name, described in architectures().items():
        if described.classes != 1000:
            continue
        labels, note = class_labels({ARCHITECTURE_KEY: name}, 1000, ())
        assert labels == label_list("imagenet")
        assert note == f"labels: imagenet's 1000, as of {name}; --labels if they are others"


@pytest.mark.parametrize(
    ("metadata", "classes", "asked", "count", "note"),
    [
        ({}, 1000, (), 0, "labels: none; if the 1000 classes are ImageNet's, --labels imagenet"),
        (RESNET, 1001, (), 0, "labels: none; if the 1001 classes are ImageNet's, --labels imagenet"),
        (RESNET, 7, (), 0, None),
        ({}, 1000, "imagenet", 1000, None),
        ({}, 1001, "imagenet", 1001, "labels: 'background', then imagenet's 1000"),
        (RESNET, 1000, ("a", "b"), 2, None),
        (
            {ARCHITECTURE_KEY: "ssd300_vgg16"},
            91,
            (),
            91,
            "labels: coco's 91, as of ssd300_vgg16; --labels if they are others",
        ),
    ],
)
def test_what_is_taken_for_want_of_a_word_is_said(
    metadata: dict[str, str], classes: int, asked: tuple[str, ...] | str, count: int, note: str | None
) -> None:
    labels, said = class_labels(metadata, classes, asked)
    assert (len(labels), said) == (count, note)


def test_a_synset_names_its_class_in_truths_and_folders() -> None:
    names = label_list_for("imagenet", 1001)
    assert class_number("n02123045", names, "x") == class_number("n02123045 tabby", names, "x") == 282
    truth = truth_of_folders(["n02123045/a.jpg", "n01440764/b.jpg"], names)
    assert dict(truth.classes) == {"n02123045/a.jpg": 282, "n01440764/b.jpg": 1}
    assert truth_of_folders(["n02123045/a.jpg", "holiday/b.jpg"], names).classes == {}
